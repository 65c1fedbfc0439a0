"""Methods that find keywords: by spelling, by example, by classifier."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from novaspeech.audio.recording import Recording
from novaspeech.errors import OptionError, RequestError
from novaspeech.inference.engine import Inference
from novaspeech.segments import plain_name
from wav2vec2_kws.encoder import KeywordEncoder
from wav2vec2_kws.hits import Detector
from wav2vec2_kws.search.classifier import ClassifierDetector, KeywordClassifier
from wav2vec2_kws.search.example import ExampleDetector, example_frames
from wav2vec2_kws.search.spelling import SpellingDetector, WordDetector

THRESHOLD = 0.5  # lowest score of a hit, for each method


@dataclass(frozen=True)
class Search:
    """A method and its keywords. Detectors keep the state of one recording, so that each recording needs new ones.

    Attributes:
        detectors: makes the detectors.
        shortest_ms: length of the shortest recording that can hold a keyword.
    """

    names: tuple[str, ...]
    detectors: Callable[[], Sequence[Detector]]
    shortest_ms: int = 0

    def check(self, recording: Recording) -> None:
        """Raises RequestError for a recording that is shorter than the keyword's example."""
        if recording.duration_ms < self.shortest_ms:
            raise RequestError(
                f"{recording.name} has {recording.duration_ms} ms, the example {self.names[0]!r} {self.shortest_ms} ms "
                f"of speech, which is longer; are they exchanged?"
            )


def split_keywords(text: str) -> tuple[str, ...]:
    """The keywords in a text with commas between them; OptionError for one that is empty or there twice."""
    names = tuple(" ".join(part.split()) for part in text.split(","))
    if not all(names):
        raise OptionError(f"keywords {text!r} hold an empty one; write for example: hello, thank you")
    plain = [plain_name(name) for name in names]
    for name in names:
        if plain.count(plain_name(name)) > 1:
            raise OptionError(f"keywords {text!r} hold {name!r} twice; name each once")
    return names


def by_spelling(names: Sequence[str], encoder: KeywordEncoder, tolerance: int) -> Search:
    """Keywords by recognised words within `tolerance` edits, and by the CTC score of their letters."""
    vocabulary, seconds = encoder.vocabulary, encoder.frame_seconds
    ids = {name: vocabulary.spell(name) for name in names}
    texts = {name: vocabulary.write(spelt) for name, spelt in ids.items()}
    return Search(
        tuple(names),
        lambda: [SpellingDetector(ids, vocabulary, seconds), WordDetector(texts, tolerance, vocabulary, seconds)],
    )


def by_example(name: str, examples: Sequence[Recording], inference: Inference) -> Search:
    """A keyword by recordings of it; RequestError or RecordingError if one cannot be used."""
    frames = [example_frames(example, inference) for example in examples]
    assert isinstance(inference.encoder, KeywordEncoder)
    speech_ms = round(1000 * min(map(len, frames)) * inference.encoder.frame_seconds)
    return Search((name,), lambda: [ExampleDetector(name, one) for one in frames], shortest_ms=speech_ms)


def by_classifier(classifier: KeywordClassifier) -> Search:
    """The keywords that a classifier was trained on."""
    return Search(tuple(classifier.keywords), lambda: [ClassifierDetector(classifier)])
