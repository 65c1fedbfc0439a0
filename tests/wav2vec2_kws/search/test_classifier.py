import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import Wav2Vec2ForCTC

from novaspeech.errors import RequestError, WeightsError
from novaspeech.inference.pooling import HIDDEN
from tests.conftest import SPELLER
from tests.wav2vec2_kws.conftest import KEYWORDS, cut_blocks, frame_blocks, hits_in, say
from wav2vec2_kws.encoder import KeywordEncoder
from wav2vec2_kws.hits import Hit, best_hits
from wav2vec2_kws.search.classifier import ClassifierDetector, load_classifier


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


def test_a_model_with_one_other_weight_is_another(trained: Path, tmp_path: Path) -> None:
    model = Wav2Vec2ForCTC.from_pretrained(SPELLER)
    with torch.no_grad():
        model.wav2vec2.encoder.layers[1].attention.k_proj.weight[3, 5] += 0.01
    shutil.copytree(SPELLER, tmp_path / "other")
    model.save_pretrained(tmp_path / "other")
    with pytest.raises(RequestError, match="whose weights are others"):
        load_classifier(trained, KeywordEncoder(tmp_path / "other"))
