import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

from novaspeech.arrays import bridged
from novaspeech.audio.recording import Recording
from novaspeech.errors import WeightsError
from novaspeech.inference.engine import Inference
from novaspeech.inference.pooling import HIDDEN, FrameBlock
from novaspeech.models.compute import Compute
from tests.references import assert_close
from tests.wav2vec2_kws.conftest import TAKES, recording, say
from wav2vec2_kws.encoder import LETTERS, KeywordEncoder
from wav2vec2_kws.standin import SMALL

MODELS = ("speller", "group", "layer")
WORDS = sorted({word for word, _ in TAKES})


def talk(seconds: float) -> np.ndarray:
    """So many seconds of different words, with an offset and growing louder, so that statistics matter."""
    words = np.random.default_rng(0).choice(WORDS, int(2.5 * seconds) + 3).tolist()
    samples, _ = say(words)
    samples = samples[4000 : 4000 + round(16000 * seconds)]  # not from the silence before the first word
    return (samples * np.linspace(0.2, 1.0, len(samples)) + 0.05).astype(np.float32)


def reference(samples: np.ndarray, folder: Path) -> tuple[list[np.ndarray], np.ndarray]:
    """Hidden states (F, D) of each layer and log-probabilities (F, V) of the whole, by transformers alone."""
    extractor = Wav2Vec2FeatureExtractor.from_pretrained(folder)
    model = Wav2Vec2ForCTC.from_pretrained(folder).eval()
    values = extractor(samples, sampling_rate=16000, return_tensors="pt").input_values
    with torch.no_grad():
        outputs = model(values, output_hidden_states=True)
    return [states[0].numpy() for states in outputs.hidden_states], outputs.logits[0].log_softmax(-1).numpy()


def frames(
    source: Recording, encoder: KeywordEncoder, batch_size: int = 1
) -> tuple[dict[str, np.ndarray], np.ndarray, list[FrameBlock]]:
    blocks = list(Inference(encoder, batch_size).frames(source, [HIDDEN, LETTERS]))
    assert [block.first for block in blocks] == np.cumsum([0, *(len(block.usable) for block in blocks)])[:-1].tolist()
    assert [block.last for block in blocks] == [False] * (len(blocks) - 1) + [True]
    values = {name: np.concatenate([block.array(name) for block in blocks]) for name in (HIDDEN, LETTERS)}
    return values, np.concatenate([block.usable for block in blocks]), blocks


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("seconds", [0.025, 12.34567, 30.0])
def test_a_recording_of_one_chunk_equals_transformers(folders: dict[str, Path], model: str, seconds: float) -> None:
    samples = talk(seconds)
    states, letters = reference(samples, folders[model])
    for layer, expected in enumerate(states):
        found, usable, _ = frames(recording(samples), KeywordEncoder(folders[model], layer))
        assert usable.all()
        assert_close(found[HIDDEN], expected)
        assert_close(found[LETTERS], letters)
    last, _, _ = frames(recording(samples), KeywordEncoder(folders[model]))
    assert_close(last[HIDDEN], states[-1])


@pytest.mark.parametrize("model", MODELS)
def test_what_does_not_attend_equals_transformers_on_the_whole_of_any_length(
    folders: dict[str, Path], model: str
) -> None:
    """The layers' input hears a second only: over chunks it must be that of the whole recording, norms included."""
    samples = talk(83.1)
    found, _, blocks = frames(recording(samples), KeywordEncoder(folders[model], 0))
    assert len(blocks) == 4
    assert_close(found[HIDDEN], reference(samples, folders[model])[0][0])


@pytest.mark.parametrize("model", MODELS)
def test_each_chunk_equals_transformers_on_it(folders: dict[str, Path], model: str) -> None:
    """Chunk 1 of a recording that repeats itself every 6 s, so that it is normalised as the whole is."""
    samples = np.tile(talk(6.0), 16)
    found, _, blocks = frames(recording(samples), KeywordEncoder(folders[model]))
    states, letters = reference(samples[26 * 16000 : 56 * 16000], folders[model])
    assert (blocks[1].first, len(blocks[1].usable)) == (1400, 1300)
    assert_close(found[HIDDEN][1400:2700], states[-1][100:1400])
    assert_close(found[LETTERS][1400:2700], letters[100:1400])


@pytest.mark.parametrize("samples", [479_999, 480_000, 480_001, 896_001, 1_312_080])
def test_chunks_are_the_same_at_any_batch_size(
    folders: dict[str, Path], samples: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    signal = recording(np.resize(talk(60), samples))
    encoder = KeywordEncoder(folders["layer"])
    one, _, blocks = frames(signal, encoder)
    assert len(one[HIDDEN]) == (samples - 400) // 320 + 1
    assert len(blocks) == 1 + max(0, -(-(samples - 480_000) // 416_000))
    monkeypatch.setattr(encoder, "max_chunks", 8)  # as on a GPU
    many, _, same = frames(signal, encoder, 250)
    assert (same[0].first, same[-1].end) == (0, blocks[-1].end)
    assert {block.first for block in same} <= {block.first for block in blocks}
    for name in (HIDDEN, LETTERS):
        assert_close(many[name], one[name], 1e-5)


@pytest.mark.parametrize("model", MODELS)
def test_a_straight_line_stands_in_for_nan(folders: dict[str, Path], model: str) -> None:
    samples = talk(40)
    samples[16000 * 10 : 16000 * 11] = np.nan
    samples[16000 * 33] = np.inf
    found, usable, _ = frames(recording(samples), KeywordEncoder(folders[model]))
    bad = [number for number in range(len(usable)) if not np.isfinite(samples[320 * number : 320 * number + 400]).all()]
    assert np.flatnonzero(~usable).tolist() == bad
    assert all(np.isfinite(values).all() for values in found.values())
    whole = bridged(samples.astype(np.float32), np.isfinite(samples))
    intact, _, _ = frames(recording(whole), KeywordEncoder(folders[model]))
    # The statistics leave NaN out, so that what is far from it hardly changes.
    assert_close(found[HIDDEN][-300:], intact[HIDDEN][-300:], 0.05)


def test_half_precision_is_close() -> None:
    samples = recording(talk(8))
    full, _, _ = frames(samples, KeywordEncoder(SMALL))
    half, _, _ = frames(samples, KeywordEncoder(SMALL, compute=Compute(dtype=torch.bfloat16)))
    assert half[LETTERS].dtype == np.float32
    cosines = (full[HIDDEN] * half[HIDDEN]).sum(1) / np.linalg.norm(full[HIDDEN], axis=1)
    assert (cosines / np.linalg.norm(half[HIDDEN], axis=1)).min() > 0.97


def test_a_folder_without_letters(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(folders["group"], folder)
    (folder / "vocab.json").write_text(json.dumps({"<pad>": 0, "<s>": 1, "</s>": 2, "<unk>": 3, "|": 4, "A": 99}))
    with pytest.raises(WeightsError, match="letters with ids below 32"):
        KeywordEncoder(folder)
    (folder / "vocab.json").unlink()
    with pytest.raises(WeightsError, match=r"has no vocab\.json, which says the letters"):
        KeywordEncoder(folder)
