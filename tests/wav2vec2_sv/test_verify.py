import csv
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from novaspeech.audio.grid import WindowGrid
from novaspeech.command.main import main
from tests.conftest import SYNTHETIC
from tests.references import cut_windows
from tests.wav2vec2_sv.test_wav2vec2_sv import reference
from wav2vec2_sv.trials import equal_error_rate, error_rates

Write = Callable[..., Path]


@pytest.fixture
def voices(mono: Write) -> dict[str, Path]:
    """Two parts of either voice of the synthetic recordings."""
    samples, rate = soundfile.read(SYNTHETIC / "recording.flac", dtype="float32")
    talk = samples.mean(axis=1)
    other, other_rate = soundfile.read(SYNTHETIC / "reference.flac", dtype="float32")
    return {
        "he": mono("he.wav", talk[: 4 * rate], rate),
        "he again": mono("he-again.wav", talk[round(10 * rate) :], rate),
        "she": mono("she.wav", talk[5 * rate : round(9.3 * rate)], rate),
        "she again": mono("she-again.wav", other, other_rate),
    }


@pytest.fixture
def verify(models: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """`novaspeech verify` with a small model: exit status, and what it printed."""

    def run(*words: object) -> tuple[int, str, str]:
        code = main(["verify", "--model", str(models["standin"]), "--device", "cpu", *map(str, words)])
        return code, *capsys.readouterr()

    return run


def loaded(models: dict[str, Path]) -> str:
    """The line on standard error that says where the model computes."""
    return f"{models['standin']} on cpu, float32"


def cosine(printed: str) -> float:
    found = re.match(r"cosine (-?\d\.\d{4}): ", printed)
    assert found, printed
    return float(found[1])


def vector_of(voice: Path, milliseconds: int, models: dict[str, Path]) -> np.ndarray:
    """(D,): mean of transformers' vectors of the windows that lie in a recording, weighted by their energy."""
    windows = cut_windows(voice, WindowGrid(3000, 500, 0, 0, (milliseconds - 3000) // 500 + 1))
    mean = np.average(reference(windows, models["standin"]), axis=0, weights=[window.var() for window in windows])
    return mean / np.linalg.norm(mean)


def test_two_recordings(
    verify: Callable[..., tuple[int, str, str]], voices: dict[str, Path], models: dict[str, Path]
) -> None:
    code, printed, _ = verify(voices["he"], voices["he"])
    assert code == 0
    assert printed.splitlines()[0] == "cosine 1.0000: the same speaker"
    assert "From 0.86 on two voices count as one." in printed
    expected = vector_of(voices["he"], 4000, models) @ vector_of(voices["she"], 4300, models)
    assert cosine(verify(voices["he"], voices["she"])[1]) == pytest.approx(float(expected), abs=1e-4)


def test_the_threshold_decides(verify: Callable[..., tuple[int, str, str]], voices: dict[str, Path]) -> None:
    value = cosine(verify(voices["he"], voices["she"])[1])
    for threshold, answer in ((value - 0.01, "the same speaker"), (value + 0.01, "different speakers")):
        code, printed, _ = verify(voices["he"], voices["she"], "--threshold", threshold)
        assert (code, printed.splitlines()[0]) == (0, f"cosine {value:.4f}: {answer}")
    code, _, errors = verify(voices["he"], voices["she"], "--threshold", "1.5")
    assert (code, errors) == (1, "novaspeech: --threshold is 1.5; it must be a cosine, from -1 to 1\n")


def test_several_recordings_of_the_other_are_averaged(
    verify: Callable[..., tuple[int, str, str]], voices: dict[str, Path], models: dict[str, Path]
) -> None:
    lengths = {"he": 4000, "he again": 4018, "she": 4300, "she again": 4606}
    he, he_again, she, she_again = (vector_of(voices[name], length, models) for name, length in lengths.items())
    other = (she + she_again) / np.linalg.norm(she + she_again)
    words = (voices["he"], "--against", voices["she"], voices["she again"])
    assert cosine(verify(*words)[1]) == pytest.approx(float(he @ other), abs=1e-4)
    code, printed, errors = verify(voices["he"].parent, *words[1:], "--csv", "--threshold", "0.5")
    rows = list(csv.reader(printed.splitlines()))
    assert (code, rows[0]) == (0, ["file", "against", "cosine", "same"])
    assert [Path(row[0]).name for row in rows[1:]] == ["he-again.wav", "he.wav", "she-again.wav", "she.wav"]
    assert rows[1][1] == f"{voices['she again']} + {voices['she']}"
    assert [float(row[2]) for row in rows[1:3]] == pytest.approx([float(he_again @ other), float(he @ other)], abs=1e-4)
    assert [row[3] for row in rows[3:]] == ["True", "True"]
    assert errors.endswith("on cpu, float32\n")


def test_parts_that_a_manifest_names_are_heard_alone(
    verify: Callable[..., tuple[int, str, str]], voices: dict[str, Path], mono: Write
) -> None:
    he, she = (soundfile.read(voices[name], dtype="float32") for name in ("he", "she"))
    mono("both.wav", np.concatenate([he[0], she[0]]), he[1])
    folder, end = voices["he"].parent, len(he[0]) / he[1]
    (folder / "parts.csv").write_text(f"file,start,end,id\nboth.wav,0,{end},anna\nboth.wav,{end},,berta\n")
    _, printed, _ = verify(folder / "parts.csv", "--against", voices["she"], "--csv")
    rows = list(csv.reader(printed.splitlines()))[1:]
    assert [row[0] for row in rows] == ["anna", "berta"]
    expected = [cosine(verify(voices[name], voices["she"])[1]) for name in ("he", "she")]
    assert [float(row[2]) for row in rows] == pytest.approx(expected, abs=2e-3)


def test_the_channel_is_the_options(
    verify: Callable[..., tuple[int, str, str]], voices: dict[str, Path], mono: Write
) -> None:
    she, rate = soundfile.read(voices["she"], dtype="float32")
    noise = 0.1 * np.random.default_rng(0).standard_normal((2, len(she))).astype(np.float32)
    both = [mono(f"{number}.wav", np.stack([noise[number], she], axis=1), rate) for number in (0, 1)]
    assert cosine(verify(*both, "--set", "channel=2")[1]) == pytest.approx(1, abs=1e-4)
    assert cosine(verify(*both, "--set", "channel=1")[1]) < 0.9999
    code, _, errors = verify(both[0], voices["she"], "--set", "channel=2")
    assert (code, "channel" in errors) == (1, True)


def test_a_recording_shorter_than_a_window_is_one(verify: Callable[..., tuple[int, str, str]], mono: Write) -> None:
    noise = 0.1 * np.random.default_rng(0).standard_normal(16000).astype(np.float32)
    code, printed, _ = verify(mono("a.wav", noise), mono("b.wav", noise))
    assert (code, cosine(printed)) == (0, 1)
    code, _, errors = verify(mono("a.wav", noise), mono("short.wav", noise[:4800]))
    assert code == 1
    assert "short.wav has 300 ms; to know a speaker by, 325 ms are needed, one window" in errors


@pytest.mark.parametrize(
    "words",
    [
        [],
        ["a.wav"],
        ["a.wav", "b.wav", "--trials", "t.txt"],
        ["--trials", "t.txt", "--threshold", "0.5"],
        ["a.wav", "b.wav", "--out", "det.png"],
    ],
    ids=" ".join,
)
def test_calls_that_make_no_sense(verify: Callable[..., tuple[int, str, str]], words: list[str]) -> None:
    code, _, errors = verify(*words)
    assert code == 1
    assert errors.startswith("novaspeech: verify takes two recordings, or some --against some, and --threshold; or --")


def test_trials(
    verify: Callable[..., tuple[int, str, str]],
    voices: dict[str, Path],
    models: dict[str, Path],
    tmp_path: Path,
    mono: Write,
) -> None:
    mono("silence.wav", np.zeros(64000, np.float32))
    lines = ["1 he.wav he-again.wav", "1 she.wav she-again.wav", "0 he.wav she.wav", "0 he-again.wav she-again.wav"]
    (tmp_path / "all.txt").write_text("\n".join(lines))
    code, printed, errors = verify("--trials", tmp_path / "all.txt")
    assert (code, errors) == (0, f"{loaded(models)}\n")
    scores = [cosine(verify(*(tmp_path / word for word in line.split()[1:]))[1]) for line in lines]
    rate, threshold = equal_error_rate(*error_rates(np.array(scores), np.array([True, True, False, False])))
    assert printed.splitlines()[:2] == [
        "4 of 4 trials, 2 of the same speaker",
        f"equal error rate {100 * rate:.2f} % at the threshold {threshold:.4f}",
    ]
    assert (tmp_path / "all.det.png").is_file()
    code, table, errors = verify("--trials", tmp_path / "all.txt", "--csv")
    rows = list(csv.reader(table.splitlines()))
    assert (code, rows[0]) == (0, ["file", "against", "cosine", "same"])
    assert [float(row[2]) for row in rows[1:]] == pytest.approx(scores, abs=1e-4)
    assert [row[3] for row in rows[1:]] == ["True", "True", "False", "False"]
    assert "equal error rate" in errors
    (tmp_path / "some.txt").write_text("\n".join([*lines, "0 he.wav nobody.wav", "1 silence.wav he.wav"]))
    code, again, errors = verify("--trials", tmp_path / "some.txt", "--out", tmp_path / "det.png")
    assert code == 1
    assert again.splitlines()[0] == "4 of 6 trials, 2 of the same speaker"
    assert again.splitlines()[1] == printed.splitlines()[1]
    assert (tmp_path / "det.png").is_file()
    before, first, second = errors.splitlines()
    assert before == loaded(models)
    assert "left out: " in first
    assert "nobody.wav does not exist" in first
    assert "silence.wav holds silence" in second


def test_a_curve_that_cannot_be_written_is_said_before_the_work(
    verify: Callable[..., tuple[int, str, str]], models: dict[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "list.txt").write_text("1 a.wav b.wav")
    for place in (tmp_path / "nowhere" / "det.png", tmp_path / "det.doc"):
        code, _, errors = verify("--trials", tmp_path / "list.txt", "--out", place)
        assert code == 1
        before, line = errors.splitlines()
        assert before == loaded(models)
        assert line.startswith(f"novaspeech: the DET curve cannot be written to {place}; name a .png in a folder")
