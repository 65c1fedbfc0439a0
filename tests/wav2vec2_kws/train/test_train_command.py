import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile
from matplotlib.image import imread

from novaspeech.command.main import main
from novaspeech.errors import RequestError
from tests.conftest import SPELLER
from tests.wav2vec2_kws.conftest import KEYWORDS, train
from training.speech import RATE
from wav2vec2_kws.encoder import KeywordEncoder
from wav2vec2_kws.search.classifier import load_classifier, read_classifier


def test_the_command_says_how_often_it_is_wrong(
    examples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "forest.skops"
    assert train(examples, out, "--classifier", "forest") == 0
    printed = capsys.readouterr().out
    assert "cross-validated by file; rows: what it is, columns: what it is taken for" in printed
    rows = {line.split()[0]: line.split()[1:] for line in printed.splitlines() if len(line.split()) == 4}
    assert sum(map(int, rows["money"])) == sum(map(int, rows["question"])) == 6
    assert int(rows["_background"][2]) > 20
    assert min(imread(out.with_suffix(".png")).shape[:2]) > 200
    assert zipfile.is_zipfile(out)
    assert not [name for name in zipfile.ZipFile(out).namelist() if name.endswith((".pkl", ".pickle"))]


def test_mlp_too(examples: Path, tmp_path: Path, speller: KeywordEncoder) -> None:
    out = tmp_path / "mlp.skops"
    assert train(examples, out, "--layer", "2", "--classifier", "mlp", "--window", "600ms") == 0
    classifier = load_classifier(out, KeywordEncoder(SPELLER, 2))
    assert (tuple(classifier.keywords), classifier.layer, classifier.window) == (KEYWORDS, 2, 30)
    with pytest.raises(RequestError, match=r"mlp\.skops was trained on layer 2, not 3; write 2 in the option 'layer'"):
        load_classifier(out, speller)


def test_find_takes_the_model_that_a_classifier_belongs_to(
    examples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "small.skops"
    assert main(["train-keywords", str(examples), "--out", str(out), "--model", "small"]) == 0
    assert read_classifier(out).model == "small"
    capsys.readouterr()
    example = next((examples / "money").iterdir())
    assert main(["find", str(out), str(example), "--threshold", "0.1"]) in (0, 1)
    assert "wav2vec2_kws/small on cpu" in capsys.readouterr().err


def test_find_takes_the_folder_and_the_layer_that_a_classifier_belongs_to(
    examples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From whatever folder it is called; a model that has gone is missed by name."""
    (tmp_path / "model").symlink_to(SPELLER)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path)
    assert main(["train-keywords", str(examples), "--out", "k.skops", "--model", "model", "--layer", "2"]) == 0
    example = next((examples / "money").iterdir())
    monkeypatch.chdir("elsewhere")
    assert main(["find", "../k.skops", str(example), "--threshold", "0.1"]) == 0
    (tmp_path / "model").unlink()
    capsys.readouterr()
    assert main(["find", "../k.skops", str(example)]) == 2
    said = f"../k.skops was trained with the model {str(tmp_path / 'model')!r}, which is not there; add --set model="
    assert said in capsys.readouterr().err


def test_folders_that_hold_too_little(examples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.skops"
    root = tmp_path / "few"
    root.mkdir()
    assert train(tmp_path / "missing", out) == 1
    assert "missing is not a folder; it must hold a folder for each keyword, with 3" in capsys.readouterr().err
    assert train(root, out) == 1
    assert "few has no folders; it must hold a folder for each keyword" in capsys.readouterr().err
    (root / "money").symlink_to(examples / "money")
    assert train(root, out) == 1
    assert "few has money; it must hold a folder for each keyword, with 3 recordings" in capsys.readouterr().err
    (root / "_background").symlink_to(examples / "_background")
    (root / "question").mkdir()
    (root / "question" / "one.wav").symlink_to(next((examples / "question").iterdir()))
    assert train(root, out) == 1
    assert "question has 1 usable recordings; 3 are needed at least" in capsys.readouterr().err
    assert not out.exists()
    assert train(examples, tmp_path / "nowhere" / "out.skops") == 1
    assert "out.skops cannot be written; name a file such as keywords.skops" in capsys.readouterr().err


def test_files_that_cannot_be_used_are_listed_and_the_rest_is(
    examples: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "some"
    for source in examples.iterdir():
        (root / source.name).mkdir(parents=True)
        for file in source.iterdir():
            (root / source.name / file.name).symlink_to(file)
    (root / "money" / "empty.wav").touch()
    (root / "money" / "text.wav").write_text("not a sound")
    soundfile.write(root / "question" / "silent.wav", np.zeros(8000), RATE)
    soundfile.write(root / "question" / "nan.wav", np.full(8000, np.nan), RATE, subtype="FLOAT")
    out = tmp_path / "out.skops"
    assert train(root, out) == 1
    lines = [line for line in capsys.readouterr().err.splitlines() if "left out" in line]
    assert len(lines) == 4
    for name in ("empty.wav is an empty file", "text.wav", "silent.wav is silent", "nan.wav holds NaN"):
        assert sum(name in line for line in lines) == 1
    assert out.is_file()


@pytest.mark.parametrize("classifier", ["svm", "forest"])
def test_three_recordings_of_a_keyword_are_enough(examples: Path, tmp_path: Path, classifier: str) -> None:
    root = tmp_path / "three"
    for word in KEYWORDS:
        (root / word).mkdir(parents=True)
        for file in sorted((examples / word).iterdir())[:3]:
            (root / word / file.name).symlink_to(file)
    (root / "_background").symlink_to(examples / "_background")
    assert train(root, tmp_path / "out.skops", "--classifier", classifier) == 0
