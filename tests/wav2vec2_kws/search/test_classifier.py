from __future__ import annotations

import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import skops.io
import soundfile
import torch
from matplotlib.image import imread
from transformers import Wav2Vec2ForCTC

from novaspeech.command.main import main
from novaspeech.errors import RequestError, WeightsError
from novaspeech.inference.pooling import HIDDEN
from tests.conftest import SPELLER
from tests.wav2vec2_kws.conftest import TAKES, cut_blocks, frame_blocks, hits_in, say
from training.speech import RATE
from wav2vec2_kws.encoder import KeywordEncoder
from wav2vec2_kws.hits import Hit, best_hits
from wav2vec2_kws.search.classifier import PARTS, ClassifierDetector, KeywordClassifier, load_classifier, pool_windows
from wav2vec2_kws.train.examples import augment, centred, loudest_part

KEYWORDS = ("money", "question")
OTHERS = ["doctor", "always", "river", "summer", "children", "music", "letter", "sister", "tomorrow", "seven"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Examples of two keywords by six voices, and background of other words."""
    root = tmp_path_factory.mktemp("examples")
    voices = sorted({voice for _, voice in TAKES})
    for word in KEYWORDS:
        (root / word).mkdir()
        for voice in voices:
            soundfile.write(root / word / f"{voice}.wav", TAKES[word, voice], RATE)
    (root / "_background").mkdir()
    for voice in voices:
        words = np.random.default_rng(len(voice)).permutation(OTHERS * 2).tolist()
        soundfile.write(root / "_background" / f"{voice}.wav", say(words, voice)[0], RATE)
    return root


def train(folder: Path, out: Path, *words: str) -> int:
    return main(["train-keywords", str(folder), "--out", str(out), "--model", str(SPELLER), *words])


@pytest.fixture(scope="module")
def trained(folder: Path) -> Path:
    """The classifier that the command makes of it."""
    file = folder.parent / "keywords.skops"
    assert train(folder, file, "--window", "800ms", "--augment", "1") == 0
    return file


def detect(file: Path, samples: np.ndarray, encoder: KeywordEncoder) -> list[Hit]:
    detector = ClassifierDetector(load_classifier(file, encoder))
    hits = best_hits(hits_in(frame_blocks(samples, encoder, HIDDEN), detector))
    return [hit for hit in hits if hit.score > 0.5]


def test_what_it_was_trained_on_is_found_in_a_recording(trained: Path, speller: KeywordEncoder) -> None:
    samples, spoken = say(["always", "money", "river", "sister", "question", "music", "money"], gap=0.4)
    hits = detect(trained, samples, speller)
    truth = [word for word in spoken if word.word in KEYWORDS]
    assert [hit.name for hit in hits] == [word.word for word in truth]
    for hit, word in zip(hits, truth, strict=True):
        assert 20 * (hit.start + hit.end) / 2 == pytest.approx((word.start + word.end) / 32, abs=150)


def test_the_command_says_how_often_it_is_wrong(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "forest.skops"
    assert train(folder, out, "--classifier", "forest") == 0
    printed = capsys.readouterr().out
    assert "cross-validated by file; rows: what it is, columns: what it is taken for" in printed
    rows = {line.split()[0]: line.split()[1:] for line in printed.splitlines() if len(line.split()) == 4}
    assert sum(map(int, rows["money"])) == sum(map(int, rows["question"])) == 6
    assert int(rows["_background"][2]) > 20
    assert min(imread(out.with_suffix(".png")).shape[:2]) > 200
    assert zipfile.is_zipfile(out)
    assert not [name for name in zipfile.ZipFile(out).namelist() if name.endswith((".pkl", ".pickle"))]


def test_mlp_too(folder: Path, tmp_path: Path, speller: KeywordEncoder) -> None:
    out = tmp_path / "mlp.skops"
    assert train(folder, out, "--layer", "2", "--classifier", "mlp", "--window", "600ms") == 0
    classifier = load_classifier(out, KeywordEncoder(SPELLER, 2))
    assert (classifier.names, classifier.layer, classifier.window) == (KEYWORDS, 2, 30)
    with pytest.raises(RequestError, match=r"mlp\.skops was trained on layer 2, not 3; set layer=2"):
        load_classifier(out, speller)


def test_blocks_have_no_seams(trained: Path, speller: KeywordEncoder) -> None:
    samples, _ = say(["always", "money", "river", "question", "music"])
    [block] = frame_blocks(samples, speller, HIDDEN)
    classifier = load_classifier(trained, speller)
    frames = block.array(HIDDEN)

    def hits(edges: tuple[int, ...]) -> list[tuple[str, int, int, float]]:
        found = hits_in(cut_blocks(HIDDEN, frames, edges), ClassifierDetector(classifier))
        return [(hit.name, hit.start, hit.end, round(hit.score, 5)) for hit in found]

    whole = hits(())
    assert len(whole) >= 2
    for edges in ((1,), (10, 11, 50), tuple(range(3, len(frames), 3)), tuple(range(1, len(frames)))):
        assert hits(edges) == whole


def test_unusable_frames_are_background(trained: Path, speller: KeywordEncoder) -> None:
    samples, spoken = say(["always", "money", "river"], gap=0.4)
    assert [hit.name for hit in detect(trained, samples, speller)] == ["money"]
    samples[(spoken[1].start + spoken[1].end) // 2] = np.nan
    assert detect(trained, samples, speller) == []


def test_pooling_is_the_mean_of_each_part_in_turn() -> None:
    frames = np.arange(24, dtype=np.float32).reshape(12, 2)
    pooled = pool_windows(frames, 8, 2)
    assert pooled.shape == (3, PARTS * 2)
    np.testing.assert_allclose(pooled[1], [5, 6, 9, 10, 13, 14, 17, 18])


def test_longer_examples_are_cut_to_their_loudest_part() -> None:
    signal = np.full(100, 0.1, np.float32)
    signal[60:70] = 1
    np.testing.assert_array_equal(loudest_part(signal, 10), np.ones(10))
    assert len(loudest_part(signal, 200)) == 100


def test_shorter_examples_are_padded_in_the_middle_of_their_window() -> None:
    whole = centred(np.ones(4, np.float32), 10, 3, None)
    np.testing.assert_array_equal(whole, [0] * 6 + [1] * 4 + [0] * 6)
    around = centred(np.ones(4, np.float32), 10, 3, np.full(16, 0.5, np.float32))
    np.testing.assert_array_equal(around, [0.5] * 6 + [1] * 4 + [0.5] * 6)


def test_augmented_copies_differ_in_speed_level_and_noise() -> None:
    signal = np.sin(np.arange(16000) / 10).astype(np.float32)
    copies = [augment(signal, np.random.default_rng(seed)) for seed in range(20)]
    lengths, levels = [len(copy) for copy in copies], [float(np.std(copy)) for copy in copies]
    assert 14500 < min(lengths) < 15500 < 16500 < max(lengths) < 17800
    assert min(levels) < 0.5 < 1.0 < max(levels)


def test_a_file_of_another_model(trained: Path, folders: dict[str, Path]) -> None:
    with pytest.raises(RequestError, match=r"was trained with the model '.*speller', whose weights are others"):
        load_classifier(trained, KeywordEncoder(folders["layer"]))


class Evil:
    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return exec, ("raise SystemExit('ran')",)


def test_files_that_are_none(trained: Path, tmp_path: Path, speller: KeywordEncoder) -> None:
    with pytest.raises(WeightsError, match=r"there is no classifier '.*missing\.skops'; `novaspeech"):
        load_classifier(tmp_path / "missing.skops", speller)
    foreign = tmp_path / "foreign.skops"
    foreign.write_bytes(b"RIFF something else")
    with pytest.raises(WeightsError, match=r"foreign\.skops is no whole classifier"):
        load_classifier(foreign, speller)
    foreign.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(WeightsError, match=r"foreign\.skops is no whole classifier"):
        load_classifier(foreign, speller)
    content = trained.read_bytes()
    for place in (len(content) // 3, len(content) // 2):
        foreign.write_bytes(content[:place] + bytes([content[place] ^ 255]) + content[place + 1 :])
        with pytest.raises(WeightsError, match="is no whole classifier"):
            load_classifier(foreign, speller)
    foreign.write_bytes(content[: len(content) // 2])
    with pytest.raises(WeightsError, match="is no whole classifier"):
        load_classifier(foreign, speller)


@pytest.mark.parametrize("entries", [["schema.json"], [f"{number}.npy" for number in range(24)]], ids=["one", "many"])
def test_a_file_that_would_fill_the_memory_is_not_unpacked(
    entries: list[str], tmp_path: Path, speller: KeywordEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """768 MB of blanks in 0.8 MB."""

    def refuse(*arguments: object) -> None:
        raise AssertionError("unpacked")

    with zipfile.ZipFile(tmp_path / "blanks.skops", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name in entries:
            with archive.open(name, "w") as entry:
                for _ in range(768 // len(entries)):
                    entry.write(b" " * 10**6)
    monkeypatch.setattr(zipfile.ZipFile, "open", refuse)
    with pytest.raises(WeightsError) as caught:
        load_classifier(tmp_path / "blanks.skops", speller)
    assert str(caught.value) == (
        f"{tmp_path}/blanks.skops would unpack to 768 MB, more than the 512 MB that a classifier may have; it was not "
        f"unpacked"
    )


def test_what_a_file_holds_is_looked_at_before_it_is_loaded(
    trained: Path, tmp_path: Path, speller: KeywordEncoder
) -> None:
    whole = load_classifier(trained, speller)
    file = tmp_path / "altered.skops"
    skops.io.dump({"pipeline": Path("/etc"), "keywords": {}}, file)
    with pytest.raises(WeightsError, match="is no whole classifier|which no file of"):
        load_classifier(file, speller)
    altered = {**vars(whole), "keywords": {"money": 20, "question": -5}}
    KeywordClassifier(**altered).save(file)
    with pytest.raises(WeightsError, match="does not hold together; train it again"):
        load_classifier(file, speller)
    KeywordClassifier(**{**vars(whole), "keywords": {"money": 20}}).save(file)
    with pytest.raises(WeightsError, match="does not hold together; train it again"):
        load_classifier(file, speller)


def test_folders_that_hold_too_little(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.skops"
    root = tmp_path / "few"
    root.mkdir()
    assert train(tmp_path / "missing", out) == 1
    assert "missing is not a folder; it must hold a folder for each keyword, with 3" in capsys.readouterr().err
    assert train(root, out) == 1
    assert "few has no folders; it must hold a folder for each keyword" in capsys.readouterr().err
    (root / "money").symlink_to(folder / "money")
    assert train(root, out) == 1
    assert "few has money; it must hold a folder for each keyword, with 3 recordings" in capsys.readouterr().err
    (root / "_background").symlink_to(folder / "_background")
    (root / "question").mkdir()
    (root / "question" / "one.wav").symlink_to(next((folder / "question").iterdir()))
    assert train(root, out) == 1
    assert "question has 1 usable recordings; 3 are needed at least" in capsys.readouterr().err
    assert not out.exists()
    assert train(folder, tmp_path / "nowhere" / "out.skops") == 1
    assert "out.skops cannot be written; name a file such as keywords.skops" in capsys.readouterr().err


def test_files_that_cannot_be_used_are_listed_and_the_rest_is(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "some"
    for source in folder.iterdir():
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
def test_three_recordings_of_a_keyword_are_enough(folder: Path, tmp_path: Path, classifier: str) -> None:
    root = tmp_path / "three"
    for word in KEYWORDS:
        (root / word).mkdir(parents=True)
        for file in sorted((folder / word).iterdir())[:3]:
            (root / word / file.name).symlink_to(file)
    (root / "_background").symlink_to(folder / "_background")
    assert train(root, tmp_path / "out.skops", "--classifier", classifier) == 0


def test_a_folder_of_which_nothing_can_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "bad"
    for name in ("money", "_background"):
        (root / name).mkdir(parents=True)
        (root / name / "empty.wav").touch()
    assert train(root, tmp_path / "out.skops") == 1
    error = capsys.readouterr().err
    assert error.count("empty.wav is an empty file") == 2
    assert "no recording of the folder can be used" in error
    (root / "Mo-ney").mkdir()
    assert train(root, tmp_path / "out.skops") == 1
    assert "has Mo-ney, money, which are one keyword" in capsys.readouterr().err


def test_hits_lie_in_the_recording(trained: Path, speller: KeywordEncoder) -> None:
    for word in ("money", "question"):
        samples = TAKES[word, "en-us+f1"]
        blocks = frame_blocks(samples, speller, HIDDEN)
        hits = hits_in(blocks, ClassifierDetector(load_classifier(trained, speller)))
        assert max(hits, key=lambda hit: hit.score).name == word
        assert all(0 <= hit.start < hit.end <= len(blocks[0].usable) for hit in hits)


def test_a_model_with_one_other_weight_is_another(trained: Path, tmp_path: Path) -> None:
    model = Wav2Vec2ForCTC.from_pretrained(SPELLER)
    with torch.no_grad():
        model.wav2vec2.encoder.layers[1].attention.k_proj.weight[3, 5] += 0.01
    shutil.copytree(SPELLER, tmp_path / "other")
    model.save_pretrained(tmp_path / "other")
    with pytest.raises(RequestError, match="whose weights are others"):
        load_classifier(trained, KeywordEncoder(tmp_path / "other"))


def test_windows_and_copies_that_make_no_sense(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, sentence in (
        (("--window", "100ms"), "--window must be a time from 200ms to 10s"),
        (("--window", "soon"), "--window 'soon' is no time; write 40ms or 1.5s"),
        (("--window", "1m"), "--window '1m' is no time"),
        (("--augment", "-1"), "--augment 0 or more"),
    ):
        assert train(folder, tmp_path / "out.skops", *words) == 1
        assert sentence in capsys.readouterr().err
