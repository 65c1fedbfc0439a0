"""What `run` wrote in any format, or a person by hand, `convert`, `plot` and `view` read."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from praatio import textgrid

from novaspeech.command.main import main
from novaspeech.corpus.notes import remembered
from novaspeech.formats.read import found_outputs, read_tracks
from novaspeech.formats.ssi import load_output
from novaspeech.formats.track import Tracks

Shared = Callable[[str, Callable[[Path], object]], Path]
ENDINGS = {
    "ssi": ("arousal.annotation", "embedding.stream"),
    "csv": ("scores.csv", "embedding.csv"),
    "parquet": ("scores.parquet", "embedding.parquet"),
    "audformat": ("arousal.audformat.csv", "embedding.audformat.csv"),
    "npz": ("arousal.npz", "embedding.npz"),
    "npy": ("arousal.npy", "embedding.npy"),
}


@pytest.fixture
def results(shared: Shared, small_emow2v: Path, tmp_path: Path) -> Path:
    """A folder with what `run` writes of a recording, talk.1.wav, that lies elsewhere; a copy for each test."""

    def make(folder: Path) -> None:
        sound = np.random.default_rng(0).normal(0, 0.1, 32_000)
        folder.mkdir(exist_ok=True)
        soundfile.write(folder / "talk.1.wav", sound, 16_000)
        formats = [argument for form in (*ENDINGS, "eaf") for argument in ("--format", form)]
        run = [
            "run",
            "emow2v",
            str(folder / "talk.1.wav"),
            "--set",
            f"model={small_emow2v}",
            "--out",
            str(folder / "out"),
        ]
        assert main([*run, "--output", "arousal", "--output", "embedding", *formats]) == 0

    return Path(shutil.copytree(shared("results", make) / "out", tmp_path / "out"))


def only(results: Path, form: str) -> Path:
    """The folder with one format and what is noted."""
    names = [f"talk.1.emow2v.{ending}" for ending in ENDINGS[form]]
    for file in results.iterdir():
        if file.name.removesuffix("~") not in names and file.suffix != ".json":
            file.unlink()
    return results


def read(*places: Path) -> Tracks:
    [((folder, name), (beside, files))] = found_outputs(places).items()
    recording, _, records = remembered(folder, name)
    return read_tracks(name, beside or recording, files, records)


@pytest.mark.parametrize("form", ENDINGS)
def test_each_format_gives_the_same(results: Path, form: str) -> None:
    with np.load(results / "talk.1.emow2v.arousal.npz") as arrays:
        times, arousal = arrays["times"], arrays["values"]
    embedding = np.load(results / "talk.1.emow2v.embedding.npy")
    found = read(only(results, form))
    assert (found.name, found.duration) == ("talk.1", 2.0)
    assert found.audio is not None
    assert found.audio.name == "talk.1.wav"
    tracks = {track.kept.key: track for track in found.tracks}
    assert sorted(tracks) == ["emow2v.arousal", "emow2v.embedding"]
    for track, values in ((tracks["emow2v.arousal"], arousal), (tracks["emow2v.embedding"], embedding)):
        np.testing.assert_allclose(track.times, times, rtol=0, atol=1e-9)
        rounded = 0.00501 if form == "ssi" and track.kind == "scores" else 0  # two decimals
        np.testing.assert_allclose(track.values, values, rtol=0, atol=rounded)


def test_convert_writes_what_a_server_would(results: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Of full numbers `convert --to ssi` makes the bytes that `run` did; of a part of a recording, nothing."""
    (tmp_path / "new").mkdir()
    for file in results.glob("*.npz"):
        shutil.copy(file, tmp_path / "new")
    assert main(["convert", str(tmp_path / "new"), "--to", "ssi"]) == 0
    for name in ("arousal.annotation~", "embedding.stream~", "embedding.stream"):
        made = tmp_path / "new" / f"talk.1.emow2v.{name}"
        assert made.read_bytes() == (results / made.name).read_bytes()
    with np.load(results / "talk.1.emow2v.arousal.npz") as arrays:
        np.savez(tmp_path / "new" / "talk.1.emow2v.arousal.npz", times=arrays["times"] + 3, values=arrays["values"])
    assert main(["convert", str(tmp_path / "new" / "talk.1.emow2v.arousal.npz"), "--to", "ssi", "--overwrite"]) == 1
    assert "arousal has no steady rate from 0 s on, which the format ssi needs" in capsys.readouterr().err


def test_corrected_tiers_go_back_to_nova(tmp_path: Path) -> None:
    grid = textgrid.Textgrid(0, 10)
    grid.addTier(textgrid.IntervalTier("turns", [(0.5, 1.25, "anna"), (2, 3.005, "ben")], 0, 10))
    grid.save(str(tmp_path / "a.TextGrid"), "long_textgrid", includeBlankSpaces=True)
    assert main(["convert", str(tmp_path / "a.TextGrid"), "--to", "ssi"]) == 0
    content = load_output(tmp_path / "a.turns.annotation")
    assert type(content).__name__ == "FreeAnnotation"
    rows = [(row["from"], row["to"], row["name"]) for row in content.data]
    assert [(one, name) for one, _, name in rows] == [(500, "anna"), (2000, "ben")]
    assert [end for _, end, _ in rows] == pytest.approx([1250, 3005], abs=5)  # two decimals of seconds


def test_of_all_formats_the_fullest_is_taken(results: Path) -> None:
    exact = np.load(results / "talk.1.emow2v.arousal.npy")
    for spoilt in ("audformat.csv", "npy", "annotation"):  # nobody reads these
        (results / f"talk.1.emow2v.arousal.{spoilt}").write_text("spoilt")
    found = {track.id: track for track in read(results).tracks}
    assert sorted(found) == ["arousal", "embedding"]
    assert found["arousal"].values.tolist() == exact.tolist()


def test_two_decimals_are_read_only_where_nothing_else_is(results: Path) -> None:
    exact = np.load(results / "talk.1.emow2v.arousal.npy")
    for file in results.iterdir():
        if file.suffix not in (".json", ".npy") and "annotation" not in file.name:
            file.unlink()
    assert read(results).tracks[0].values.tolist() == exact.tolist()
    (results / ".talk.1.emow2v.json").unlink()  # which knows an npy's times
    (results / "talk.1.emow2v.embedding.npy").unlink()
    [rounded] = read(results).tracks
    assert 0 < np.abs(rounded.values - exact).max() <= 0.00501


def test_what_run_made_last_comes_before_what_is_left_of_earlier_runs(results: Path) -> None:
    record = results / ".talk.1.emow2v.json"
    content = json.loads(record.read_text())
    content["made"] = {name: size for name, size in content["made"].items() if "annotation" in name}
    record.write_text(json.dumps(content))
    exact = np.load(results / "talk.1.emow2v.arousal.npy")
    assert 0 < np.abs(read(results).tracks[0].values - exact).max() <= 0.00501


def test_in_a_folder_what_is_no_result_is_passed_over(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {
        "manifest.csv": "file_name,start,end\na.wav,0,1\n",
        "table.csv": "file,start,end,arousal\na.wav,0,1,0.5\nb.wav,0,1,0.5\n",
        "talk.1.csv": "name,age\nAnna,30\n",
        "_emow2v.report.jsonl": "{}\n",
        "talk.1.html": "<p>",
        "talk.1.png": "x",
        "_emow2v.table.csv": "file,start,end,arousal\na.wav,0,1,0.5\n",
        "own.npz": "x",
        "own.npy": "x",
        ".hidden.csv": "x",
    }
    for name, content in files.items():
        (results / name).write_text(content)
    assert main(["convert", str(results), "--to", "textgrid", "--out", str(results / "new")]) == 0
    made = capsys.readouterr().out.splitlines()
    assert made == [str(results / "new" / "talk.1.emow2v.scores.csv")]
    assert main(["convert", str(results / "table.csv"), "--to", "npz"]) == 1
    assert "table.csv is a table of 2 recordings; the results of one are needed" in capsys.readouterr().err


def test_plot_and_view_read_tables(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    only(results, "csv")
    assert main(["plot", str(results)]) == 0
    assert main(["view", str(results)]) == 0
    assert capsys.readouterr().out.splitlines() == [str(results / f"talk.1.{ending}") for ending in ("png", "html")]
    assert "arousal" in (results / "talk.1.html").read_text(encoding="utf-8")


def by_hand(folder: Path) -> Iterator[Path]:
    """A TextGrid and an EAF that people made, with tiers whose names look like those of second tiers."""
    from pympi import Eaf

    grid, eaf = textgrid.Textgrid(0, 9), Eaf()
    eaf.remove_tier("default")
    for name, start in (("Anna", 1.5), ("Anna 2", 3.25)):
        grid.addTier(textgrid.IntervalTier(name, [(start, start + 1, f"I am {name}")], 0, 9))
        eaf.add_tier(name)
        eaf.add_annotation(name, round(1000 * start), round(1000 * start) + 1000, f"I am {name}")
    grid.save(str(folder / "a.TextGrid"), "short_textgrid", includeBlankSpaces=True)
    eaf.to_file(str(folder / "a.eaf"))
    yield folder / "a.TextGrid"
    yield folder / "a.eaf"


def test_tiers_of_people_are_tracks_of_their_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for file in by_hand(tmp_path):
        first, second = read(file).tracks
        assert (first.id, first.kind, first.module, first.names) == ("Anna", "segments", "", ("I am Anna",))
        assert (second.id, second.times.tolist(), second.values.tolist()) == ("Anna 2", [[3.25, 4.25]], [1.0])
        assert main(["convert", str(file), "--to", "csv", "--overwrite"]) == 0
        assert capsys.readouterr().out.splitlines() == [str(tmp_path / f"a.{name}.csv") for name in ("Anna", "Anna 2")]


def test_an_eaf_tells_who_made_a_second_tier(tmp_path: Path) -> None:
    from pympi import Eaf

    eaf = Eaf()
    eaf.remove_tier("default")
    for name, start in (("Anna", 1500), ("Anna 2", 1600)):
        eaf.add_tier(name)
        eaf.add_annotation(name, start, start + 1000, name)
    eaf.to_file(str(tmp_path / "a.eaf"))
    assert [track.id for track in read(tmp_path / "a.eaf").tracks] == ["Anna", "Anna 2"]


def test_a_tier_is_of_the_module_whose_record_tells_of_it(tmp_path: Path) -> None:
    [_, eaf] = by_hand(tmp_path)
    record: dict[str, Any] = {"made": {"a.eaf": 1}, "shapes": {"Anna": [1]}}
    (tmp_path / ".a.wav2vec2_kws.json").write_text(json.dumps(record))
    assert [track.kept.key for track in read(eaf).tracks] == ["wav2vec2_kws.Anna", "Anna 2"]


def test_a_tier_that_is_there_in_full_is_taken_once(tmp_path: Path) -> None:
    [*_] = by_hand(tmp_path)
    (tmp_path / "a.wav2vec2_kws.Anna.csv").write_text("file,start,end,label,confidence\na.wav,1.500,2.500,yes,0.25\n")
    found = {track.kept.key: track.names for track in read(tmp_path).tracks}
    assert found == {"wav2vec2_kws.Anna": ("yes",), "Anna 2": ("I am Anna 2",)}
