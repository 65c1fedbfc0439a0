"""The kitchen of the small checkpoints: a few steps of each script, from nothing, stopped and started again."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from safetensors.numpy import load_file

from benchmarks.people_parts.emotions import AROUSAL
from benchmarks.people_parts.material import emotions
from byols.checkpoint import load_model
from emow2v.network import EmotionModel, load_emotion_model
from tests.conftest import SPELLER
from tests.training.test_speech import means_of_frames
from tests.wav2vec2_kws.conftest import TAKES
from training import alignment, byol, emotion, keywords, resumable, speakers
from training.speech import RATE
from wav2vec2_kws.encoder import KeywordEncoder

STEPS = 4


@pytest.fixture
def speech(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as the scripts before the trainings leave it: takes of espeak-ng in place of Kokoro's and of people."""
    folder = tmp_path / "speech"
    folder.mkdir()
    rows, sounds, position = [], [], 0
    for (word, voice), sound in TAKES.items():
        end = len(sound) / RATE
        rows.append(
            {"speaker": voice, "start": position, "end": position + len(sound), "words": [[word, 0.0, end, [end]]]}
        )
        sounds.append(sound)
        position += len(sound)
    text = "\n".join(map(json.dumps, rows))
    for name in ("kokoro-00000", "test-00000"):
        soundfile.write(folder / f"{name}.flac", np.concatenate(sounds), RATE)
        (folder / f"{name}.json").write_text(text)
    people = []
    for index, ((word, voice), sound) in enumerate(list(TAKES.items())[:8]):
        file = folder / f"{index}-{voice}.flac"
        soundfile.write(file, sound, RATE)
        people.append({"file": str(file), "speaker": voice, "text": word})
    (folder / "people.jsonl").write_text("\n".join(map(json.dumps, people)))
    monkeypatch.setattr(resumable, "_SAY", 2)
    monkeypatch.setattr(resumable, "_SAVE", 2)
    for module in (byol, emotion, keywords, speakers):
        monkeypatch.setattr(module, "espeak_voices", lambda folder: [])
    return folder


def stopped_and_whole(
    train: Callable[[Path], object], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Weights after a training that was stopped after three steps and went on, and after one in one go."""
    from training.resumable import Training

    learn = Training.learn

    def stopped(self: Training, loss_of: Callable[[], Any]) -> float:
        if self.step == 3:
            raise KeyboardInterrupt
        return learn(self, loss_of)

    with monkeypatch.context() as patched:
        patched.setattr(Training, "learn", stopped)
        with pytest.raises(KeyboardInterrupt):
            train(folder / "stopped")
    train(folder / "stopped")
    train(folder / "whole")
    return _weights(folder / "stopped"), _weights(folder / "whole")


def _weights(place: Path) -> dict[str, Any]:
    if place.is_dir():
        return load_file(place / "model.safetensors")
    return {name: value.numpy() for name, value in torch.load(place, weights_only=True).items()}


def test_keywords_are_trained_and_go_on_where_they_were_stopped(
    speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keywords, "_BATCH_SECONDS", 6.0)
    monkeypatch.setattr(alignment, "_SKIP_COSTS", (4.0, 8.0))
    monkeypatch.setattr(keywords, "Listener", lambda packages: means_of_frames)
    stopped, whole = stopped_and_whole(
        lambda folder: keywords.train(speech, folder, STEPS, 1e-3), tmp_path, monkeypatch
    )
    assert all(np.allclose(stopped[name], whole[name], atol=1e-4) for name in whole)
    assert KeywordEncoder(tmp_path / "whole").costs.skip in alignment._SKIP_COSTS


def test_speakers_are_trained_and_go_on_where_they_were_stopped(
    speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Teacher:
        """In place of Resemblyzer's, which is in a package: the loudest 256 samples."""

        def of(self, signals: Any) -> np.ndarray:
            cut = np.stack([np.sort(signal)[-speakers.WIDTH :] for signal in signals])
            return np.asarray(cut / np.linalg.norm(cut, axis=1, keepdims=True))

    monkeypatch.setattr(speakers, "Teacher", lambda packages: Teacher())
    monkeypatch.setattr(speakers, "_BATCH", 4)
    monkeypatch.setattr(speakers, "_PIECES", 40)
    monkeypatch.setattr(speakers, "_PIECE", 20000)
    monkeypatch.setattr(speakers, "_LENGTHS_S", (1.0, 1.25))
    recordings = tmp_path / "people"
    recordings.mkdir()
    sounds = list(TAKES.values())
    for person in range(12):
        soundfile.write(
            recordings / f"{person:02d}-x.flac", np.tile(np.concatenate(sounds[person : person + 3]), 8), RATE
        )
    stopped, whole = stopped_and_whole(
        lambda folder: speakers.train(speech, recordings, SPELLER, folder, STEPS, 1e-3), tmp_path, monkeypatch
    )
    assert all(np.allclose(stopped[name], whole[name], atol=1e-4) for name in whole)


def test_byol_is_trained_and_goes_on_where_it_was_stopped(
    speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(byol, "_BATCH", 8)
    stopped, whole = stopped_and_whole(lambda file: byol.train(speech, file, STEPS, 1e-3), tmp_path, monkeypatch)
    assert all(np.allclose(stopped[name], whole[name], atol=1e-4) for name in whole)
    network = load_model(tmp_path / "whole")
    assert network.timestamp_embedding_size == byol.WIDTH


def test_emotion_is_trained_and_goes_on_where_it_was_stopped(
    speech: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(emotion, "_BATCH", 4)
    monkeypatch.setattr(emotion, "_LENGTHS_S", (1.0, 1.2))
    actors = tmp_path / "people" / "emodb"
    actors.mkdir(parents=True)
    sounds = list(TAKES.values())
    for index, letter in enumerate("WLEAFTN" * 3):
        soundfile.write(actors / f"{index // 7:02d}a01{letter}.flac", np.concatenate(sounds[index : index + 2]), RATE)
    stopped, whole = stopped_and_whole(
        lambda folder: emotion.train(speech, tmp_path / "people", SPELLER, folder, STEPS, 1e-3), tmp_path, monkeypatch
    )
    assert all(np.allclose(stopped[name], whole[name], atol=1e-3) for name in whole)
    load_emotion_model(tmp_path / "whole")
    model, spoken = EmotionModel.from_pretrained(tmp_path / "whole"), emotions(tmp_path / "people")
    with torch.inference_mode():
        told = model.classifier(emotion.pooled(model, spoken))[:, 0]
    assert told.mean() == pytest.approx(np.mean([AROUSAL[one.label] for one in spoken]), abs=0.01)
