"""Finds keywords by their spelling, by an example or by a trained classifier, and the times of all words."""

from __future__ import annotations

import contextlib
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from novaspeech.audio.recording import Recording
from novaspeech.errors import NovaspeechError, OptionError, RequestError
from novaspeech.inference.encoder import choose_device, choose_dtype
from novaspeech.inference.engine import Encoded
from novaspeech.models import weights
from novaspeech.server import progress
from novaspeech.server.options import Options, option
from novaspeech.server.outputs import Output
from novaspeech.server.processor import Session, SpeechProcessor, open_recording
from wav2vec2_kws.classifier import load_classifier
from wav2vec2_kws.encoder import PUBLISHED, KeywordEncoder
from wav2vec2_kws.scan import scan
from wav2vec2_kws.search import THRESHOLD, Search, by_classifier, by_example, by_spelling, split_keywords

METHODS = ("words", "example", "classifier")
KEYWORDS = Output("keywords", "annotation:Discrete")


@dataclass(frozen=True)
class Wav2Vec2KWSOptions(Options):
    """The options of the module."""

    batch_size: int = option(250, text="chunks of 30 s that go through the model at once, 8 at most", minimum=1)
    model: str = option(PUBLISHED, text="Hub id or folder of a wav2vec 2.0 with a CTC head")
    method: str = option("words", text="how keywords are found", choices=METHODS)
    keywords: str = option("", text="what to look for, with commas between; for an example, what it is called")
    tolerance: int = option(0, text="wrong letters that a recognised word may have", minimum=0, maximum=3)
    threshold: float = option(THRESHOLD, text="lowest score of a keyword", minimum=0, maximum=1)
    layer: int = option(-1, text="layer of the hidden states, from 0; -1 is the last")
    classifier: str = option("", text="file that `novaspeech train-keywords` wrote")


class Wav2Vec2KWS(SpeechProcessor):
    """The server's entry."""

    options_class = Wav2Vec2KWSOptions
    options: Wav2Vec2KWSOptions
    encoder: KeywordEncoder
    outputs = (
        KEYWORDS,
        Output("words", "annotation:Free"),
        Output("score", "annotation:Continuous"),
        Output("embeddings", aliases=("embedding",)),
    )

    def load_encoder(self) -> KeywordEncoder:
        options = self.options
        self._check_options()
        device = choose_device(options.device)
        folder = weights.model_folder(options.model, "wav2vec2", progress.log)
        encoder = KeywordEncoder(folder, options.layer, device, choose_dtype(options.precision))
        self._search: Search | None = None
        if options.method == "words" and options.keywords:
            self._search = by_spelling(split_keywords(options.keywords), encoder.vocabulary, options.tolerance)
        if options.method == "classifier":
            self._search = by_classifier(load_classifier(weights.local_path(options.classifier), encoder))
        return encoder

    def _check_options(self) -> None:
        """Raises OptionError for options that do not belong to the method."""
        method, keywords, classifier = self.options.method, self.options.keywords, self.options.classifier
        if classifier and method != "classifier":
            raise OptionError(f"option 'classifier' is for method=classifier, which is {method!r} here")
        if method == "classifier" and not classifier:
            raise OptionError("method=classifier needs the option 'classifier', a file of `novaspeech train-keywords`")
        if method == "classifier" and keywords:
            raise OptionError("option 'keywords' is not for method=classifier, which has those it was trained on")
        if method == "example" and "," in keywords:
            raise OptionError(f"option 'keywords' is {keywords!r}; of method=example it is the one keyword's name")

    def outputs_for(self, manager: Any) -> tuple[Output, ...]:
        names: tuple[str, ...] = ()
        if self.options.method == "example" and self.options.keywords:
            names = (self.options.keywords,)
        elif self.options.method == "example":
            with contextlib.suppress(NovaspeechError):  # which is an error only if the example is needed
                names = (self._example_name(open_recording(manager, "keyword")),)
        elif self._search:
            names = self._search.names
        return (replace(KEYWORDS, classes=names), *self.outputs[1:])

    def encode_session(self, session: Session) -> Encoded:
        options, asked = self.options, session.asked
        search = self._search_of(session) if {"keywords", "score"} & asked else None
        if "words" in asked and options.method != "words":
            raise RequestError(f"output 'words' comes with method=words only, which is {options.method!r} here")
        found = scan(
            session.recording,
            self.encoder,
            session.grid,
            search.detectors() if search else (),
            threshold=options.threshold,
            words="words" in asked,
            pooled="embeddings" in asked,
            end_ms=session.end_ms,
            batch_size=options.batch_size,
            precision=options.precision,
            progress=session.progress,
            log=session.log,
        )
        values = {"score": found.evidence[:, None]}
        if found.pooled is not None:
            values["embeddings"] = found.pooled
        if search:
            session.log(f"{len(found.keywords)} places with a keyword")
        return Encoded(values, found.usable, {"keywords": found.keywords, "words": found.words})

    def _example_name(self, example: Recording) -> str:
        """What it is called: as the option says, or its file, or the input if it is no file."""
        path = Path(example.name)
        return self.options.keywords or (path.stem if path.is_file() else "keyword")

    def _search_of(self, session: Session) -> Search:
        if self.options.method == "example":
            example = open_recording(session.manager, "keyword")
            search = by_example(self._example_name(example), example, self.encoder, self.options.precision)
            search.check(session.recording)
            return search
        if self._search is None:
            raise RequestError(
                "option 'keywords' is empty: write what to look for, for example keywords=hello, thank you; or untick "
                "keywords and score"
            )
        return self._search
