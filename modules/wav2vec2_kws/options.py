"""Options of the keyword module."""

from __future__ import annotations

from dataclasses import dataclass

from novaspeech.errors import OptionError
from novaspeech.module.backend_options import BackendOptions
from novaspeech.module.options import Need, option
from novaspeech.wording import advice

_SEARCH = ("keywords", "score")


@dataclass(frozen=True)
class Wav2Vec2KWSOptions(BackendOptions):
    """The options of the module."""

    keywords: str = option("", text="what to look for, with commas between", outputs=_SEARCH)
    method: str = option(
        "words", text="how keywords are found", choices=("words", "example", "classifier"), outputs=_SEARCH
    )
    example: str = option(
        "", text="where to hear the keyword said, in place of the input `keyword`", file=True, outputs=_SEARCH
    )
    transcript: str = option(
        "",
        text="file with what is said, for alignment, in place of the input `transcript`",
        file=True,
        outputs=("alignment",),
    )
    tier: str = option(
        "", text="tier of the transcript that has the words, where that is not clear", outputs=("alignment",)
    )
    threshold: float = option(0.5, text="lowest score of a keyword", minimum=0, maximum=1, outputs=_SEARCH)
    tolerance: int = option(
        0, text="wrong letters that a recognised word may have", minimum=0, maximum=3, outputs=_SEARCH
    )
    classifier: str = option("", text="file that `novaspeech train-keywords` wrote", file=True, outputs=_SEARCH)
    layer: int = option(-1, text="layer of the hidden states, from 0; -1 is the last")
    model: str = option(
        "facebook/wav2vec2-base-960h", text="Hub id or folder of a wav2vec 2.0 with a CTC head", file=True
    )
    batch_size: int = option(250, text="chunks of 30 s that go through the model at once, 8 at most", minimum=1)

    def __post_init__(self) -> None:
        """Raises OptionError for options that do not belong to the method."""
        method, keywords, classifier = self.method, self.keywords, self.classifier
        if classifier and method != "classifier":
            raise OptionError(f"option 'classifier' is for method=classifier, which is {method!r} here")
        if method == "classifier" and not classifier:
            raise OptionError(
                f"method=classifier needs what `novaspeech train-keywords` wrote: {advice('classifier', 'FILE')}"
            )
        if method == "classifier" and keywords:
            raise OptionError("option 'keywords' is not for method=classifier, which has those it was trained on")
        if self.example and method != "example":
            raise OptionError(f"option 'example' is for method=example, which is {method!r} here")
        if method == "example" and "," in keywords:
            raise OptionError(f"option 'keywords' is {keywords!r}; of method=example it is the one keyword's name")

    def needs(self, output: str) -> Need | None:
        if output == "alignment":
            return Need("transcript", "said.txt", "transcript")
        if output not in ("keywords", "score") or self.method == "classifier":
            return None
        by_example = self.method == "example"
        return Need("example", "hello.wav", "keyword") if by_example else Need("keywords", "hello, thank you")


OPTIONS = Wav2Vec2KWSOptions
