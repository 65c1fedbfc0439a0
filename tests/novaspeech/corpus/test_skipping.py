"""What `novaspeech run` makes again, what not, and what one recording leaves."""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from novaspeech.command.main import main
from novaspeech.corpus.plan import Plan
from tests.conftest import ROOT, SPELLER
from tests.novaspeech.corpus.conftest import Run, command, content, statuses

ONE = ["talks/a.wav"]


def stamps(folder: str = "out") -> dict[str, int]:
    """When each result was written, by its place."""
    files = [file for file in Path(folder).rglob("*~") if file.is_file()]
    return {file.relative_to(folder).as_posix(): file.stat().st_mtime_ns for file in files}


def test_one_recording_leaves_its_results_and_what_made_them_and_is_not_made_again(
    run: Run, talks: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(inputs=ONE, out="") == 0
    names = ["a.emow2v.arousal.annotation", "a.emow2v.embedding.stream"]
    made = {*names, *(f"{name}~" for name in names), ".a.emow2v.json", "a.wav"}
    assert {file.name for file in talks.glob("*a.*")} == made
    before = stamps("talks")
    capsys.readouterr()
    assert run(inputs=ONE, out="") == 0
    assert stamps("talks") == before
    assert " on cpu" not in capsys.readouterr().err, "the model was loaded for nothing"
    assert run("--anew", inputs=ONE, out="") == 0
    assert stamps("talks") != before
    (talks / "no.wav").write_text("no audio")
    assert run(inputs=["talks/no.wav"], out="") == 1
    assert [file.name for file in Path.cwd().rglob(".*")] == [".a.emow2v.json"], "nothing else that is hidden is left"


def forget(talks: Path) -> None:
    Path("out/.b.emow2v.json").unlink()


def spoil(talks: Path) -> None:
    Path("out/b.emow2v.arousal.annotation~").write_bytes(b"1;1\n")


def lose(talks: Path) -> None:
    Path("out/b.emow2v.arousal.annotation~").unlink()


def change(talks: Path) -> None:
    shutil.copy(talks / "a.wav", talks / "a.tmp")
    (talks / "a.tmp").replace(talks / "b.flac")


def garble(talks: Path) -> None:
    Path("out/.b.emow2v.json").write_text('{"made": 3, "from": []}')


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lose, ""),
        (change, ""),
        (spoil, "out/b.emow2v.arousal.annotation is there, and somebody has changed it"),
        (forget, "out/b.emow2v.arousal.annotation is there, and another program or a person made it"),
        (garble, "out/b.emow2v.arousal.annotation is there, and another program or a person made it"),
    ],
)
def test_what_is_not_whole_or_not_of_this_recording_is_made_again_and_nobody_elses_is_replaced(
    run: Run, talks: Path, capsys: pytest.CaptureFixture[str], harm: Callable[[Path], None], said: str
) -> None:
    both = ["talks/e.wav", "talks/b.flac"]
    assert run(inputs=both) == 0
    before = stamps()
    harm(talks)
    if said:
        before = stamps()
        capsys.readouterr()
        assert run(inputs=both) == 1
        line = f"novaspeech: {said}; --overwrite replaces it, and another --out leaves it there\n"
        assert capsys.readouterr().err == line
        assert stamps() == before
    assert run(*(["--overwrite"] if said else []), inputs=both) == 0
    changed = {name for name, stamp in stamps().items() if stamp != before.get(name)}
    assert changed == {"b.emow2v.arousal.annotation~", "b.emow2v.embedding.stream~"}


def test_formats_are_added_to_those_that_are_there(run: Run, talks: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for form in ("npz", "npy"):
        assert run("--format", form, inputs=["talks/e.wav"]) == 0
    before = stamps()
    capsys.readouterr()
    for form in ("npz", "npy"):
        assert run("--format", form, inputs=["talks/e.wav"]) == 0
        assert "1 of them ended before" in capsys.readouterr().err
    assert stamps() == before


@pytest.mark.parametrize(
    "more",
    [("--set", "batch_size=3"), ("--stride", "80ms"), ("--end", "1s"), ("--set", "context=recording")],
    ids=lambda more: more[1],
)
def test_another_way_computes_anew_and_tells_of_nothing_older(run: Run, more: tuple[str, str]) -> None:
    valence, arousal = ("--output", "valence"), ("--output", "arousal")
    assert run(*valence, inputs=ONE) == 0
    before = stamps()
    assert run(*more, *arousal, inputs=ONE) == 0
    assert {name: stamps()[name] for name in before} == before
    assert run(*more, *valence, inputs=ONE) == 1, "other options made it"
    assert {name: stamps()[name] for name in before} == before
    assert run(*more, *valence, "--overwrite", inputs=ONE) == 0
    assert stamps()["a.emow2v.valence.annotation~"] != before["a.emow2v.valence.annotation~"]


def test_a_keyword_that_is_a_folder_here_is_a_keyword(talks: Path) -> None:
    """Only options that may name files are taken for such: the folder changes with each run."""
    Path("money").mkdir()
    command = ["run", "wav2vec2_kws", "talks/a.wav", "--set", f"model={SPELLER}", "--set", "keywords=money"]
    made = []
    for number in (1, 2):
        Path("money", str(number)).touch()
        assert main(command) == 0
        made.append(stamps("talks"))
    assert made[0] == made[1]


def test_another_model_at_the_same_place_computes_anew(run: Run, tmp_path: Path, model: Path) -> None:
    own = shutil.copytree(model, tmp_path / "own")
    made = []
    for change in (False, False, True):
        if change:
            os.utime(own / "model.safetensors", (1, 1))
        assert run("--set", f"model={own}", *(["--overwrite"] if change else []), inputs=ONE) == 0
        made.append(stamps())
    assert made[0] == made[1] != made[2]


def test_a_name_that_is_no_utf_8_is_done_once_and_reported(run: Run, talks: Path) -> None:
    odd = os.fsdecode(b"na\xefve")
    (talks / "e.wav").rename(talks / f"{odd}.wav")
    for _ in range(2):
        before = content() if Path("out").exists() else {}
        assert run("--format", "csv", "--report", "r.jsonl", inputs=[f"talks/{odd}.wav", "talks/a.wav"]) == 0
        assert statuses() == statuses("r.jsonl") == {"a": "done", odd: "done"}
    assert content() == before
    assert set(before) == {f"{name}.emow2v.{output}.csv" for name in ("a", odd) for output in ("scores", "embedding")}


def test_several_beside_each_other_are_done_without_a_report_or_what_is_hidden(run: Run, talks: Path) -> None:
    assert run("--report", "r.jsonl", out="") == 1
    assert sorted(statuses("r.jsonl").values()) == ["done"] * 5 + ["failed"]
    assert len(list(talks.rglob(".*.emow2v.json"))) == 5
    assert {file.name[-12:] for file in talks.rglob(".*")} == {".emow2v.json"}
    assert not list(talks.rglob("*report*"))
    before = stamps("talks")
    assert run("--report", "r.jsonl", out="") == 1
    assert stamps("talks") == before


def test_a_full_disk_leaves_no_output_in_part(talks: Path, model: Path) -> None:
    """In a process of its own, of which it is the first output."""
    words = [word for word in command(model, inputs=ONE) if word not in ("--output", "arousal", "embedding")]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "modules")}
    limits = (8_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1])
    ended = subprocess.run(
        [sys.executable, *words, "--output", "embedding"],
        capture_output=True,
        text=True,
        env=environment,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits),
    )
    assert ended.returncode == 1
    assert (
        "a.emow2v.embedding.stream cannot be written (only a part of it fitted): make room on the disk" in ended.stderr
    )
    assert not list(Path("out").rglob("*.stream*"))


def test_inputs_that_no_chosen_output_uses_or_that_are_no_recordings(speech: Callable[..., Path], model: Path) -> None:
    with pytest.raises(
        ValueError, match=r"^the input 'reference' is for the outputs similarity, same_speaker, and onl"
    ):
        Plan("wav2vec2_sv", outputs=["embeddings"], inputs={"reference": __file__}).checked(print)
    with pytest.raises(ValueError, match=r"^--input reference=no\.wav: there is no such file"):
        Plan("wav2vec2_sv", outputs=["similarity"], inputs={"reference": "no.wav"}).checked(print)
    with pytest.raises(ValueError, match=rf"^--input reference={__file__}: .*{Path(__file__).name}"):
        Plan("wav2vec2_sv", outputs=["similarity"], inputs={"reference": __file__}).checked(print)
    voice, own = str(speech("voice.wav", seconds=1)), {"model": str(model)}
    assert Plan("wav2vec2_sv", own, outputs=["similarity"], inputs={"reference": voice}).checked(print).origin
