"""Keywords by spelling, example or classifier; all words with their times, and the words of a transcript."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from novaspeech.errors import RequestError
from novaspeech.inference.engine import Windows
from novaspeech.models import weights
from novaspeech.module.output import Output
from novaspeech.module.processor import SpeechProcessor
from novaspeech.module.session import Results, Session
from wav2vec2_kws.align.aligner import Aligner
from wav2vec2_kws.align.transcript import read_transcript, words_of
from wav2vec2_kws.encoder import KeywordEncoder
from wav2vec2_kws.options import Wav2Vec2KWSOptions
from wav2vec2_kws.scan import scan
from wav2vec2_kws.search.classifier import load_classifier
from wav2vec2_kws.search.methods import Search, by_classifier, by_example, by_spelling, split_keywords

_MISSED = 5  # keywords below the threshold that are said


class Wav2Vec2KWS(SpeechProcessor):
    """The server's entry."""

    options_class = Wav2Vec2KWSOptions
    options: Wav2Vec2KWSOptions
    encoder: KeywordEncoder
    outputs = (
        Output("keywords", "annotation:Discrete", inputs=("keyword",)),
        Output("words", "annotation:Free"),
        Output("alignment", "annotation:Free", inputs=("transcript",)),
        Output("score", "annotation:Continuous", inputs=("keyword",)),
        Output("embeddings", aliases=("embedding",)),
    )

    def load_encoder(self) -> KeywordEncoder:
        options = self.options
        compute = options.compute
        folder = weights.model_folder(options.model, ["wav2vec2"], self.log, options.exported)
        encoder = KeywordEncoder(folder, options.layer, compute)
        self._search: Search | None = None  # search of the job; with method=example that of the last session
        self._example_key: tuple[object, ...] | None = None  # keyword and example of that search
        if options.method == "words" and options.keywords:
            self._search = by_spelling(split_keywords(options.keywords), encoder, options.tolerance)
        if options.method == "classifier":
            self._search = by_classifier(load_classifier(weights.local_path(options.classifier), encoder))
        return encoder

    def process(self, session: Session) -> Results:
        asked, search = session.asked, None
        if "words" in asked and self.options.method != "words":
            raise RequestError(f"output 'words' comes with method=words only, which is {self.options.method!r} here")
        if {"keywords", "score"} & asked:
            search = self._search_of(session)
            session.name_classes("keywords", search.names)
            search.check(session.recording)
        aligner = self._aligner(session) if "alignment" in asked else None
        found = scan(
            session.recording,
            session.grid,
            session.inference,
            [*(search.detectors() if search else ()), *([aligner] if aligner else ())],
            threshold=self.options.threshold,
            words="words" in asked,
            pooled="embeddings" in asked,
            end_ms=session.end_ms,
        )
        keywords = found.keywords
        results: Results = {"keywords": keywords, "words": found.words}
        results["score"] = Windows(found.timeline.values[:, None], found.usable)
        if found.pooled is not None:
            results["embeddings"] = Windows(found.pooled, found.usable)
        if search:
            best = (f"{one.name} {one.confidence:.2g} at {one.start_ms / 1000:.1f} s" for one in found.missed[:_MISSED])
            below = f"; the best below {self.options.threshold:g}: {', '.join(best)}" if found.missed else ""
            session.log(f"{len(keywords)} places with a keyword{below}")
        if aligner:
            results["alignment"] = list(map(found.timeline.segment, aligner.finish()))
        return results

    def _aligner(self, session: Session) -> Aligner:
        """An aligner of the session's transcript."""
        written = session.inputs.labels("transcript", self.options.transcript, "transcript")
        log = session.log
        words = (
            read_transcript(written, self.options.tier, log) if isinstance(written, Path) else words_of(written, log)
        )
        encoder = self.encoder
        return Aligner(words, encoder.vocabulary, encoder.frame_seconds, log, encoder.costs)

    def _search_of(self, session: Session) -> Search:
        if self.options.method == "example":
            return self._search_by_example(session)
        if self._search:
            return self._search
        classes = session.scheme_classes("keywords")
        if not classes:
            raise RequestError(
                "option 'keywords' is empty, and no scheme is chosen whose classes could be the keywords: write what "
                "to look for, for example keywords=hello, thank you; or untick keywords and score"
            )
        session.log(f"the keywords are the scheme's classes: {', '.join(classes)}")
        return by_spelling(classes, self.encoder, self.options.tolerance)

    def _search_by_example(self, session: Session) -> Search:
        """The search for what the example holds; an example that sessions share is encoded once."""
        excerpt = session.inputs.excerpt("example", self.options.example, "keyword")
        classes = session.scheme_classes("keywords")
        name = self.options.keywords or (classes[0] if len(classes) == 1 else excerpt.name)
        if self._search is None or excerpt.key is None or (name, excerpt.key) != self._example_key:
            self._search = by_example(name, excerpt.parts(), session.inference)
            self._example_key = (name, excerpt.key)
        return self._search
