from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from novaspeech.errors import NovaspeechError
from tests.wav2vec2_kws.conftest import SENTENCE, say
from tests.wav2vec2_kws.test_wav2vec2_kws import Run, Write
from training.speech import Spoken


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"keywords": "naïve"}, "keyword 'naïve' has 'ï', which the model does not write; .* 'naive' would do"),
        ({"keywords": "money,,"}, "keywords 'money,,' hold an empty one"),
        ({"method": "ear"}, "option 'method' is 'ear'; it must be one of words, example, classifier"),
        ({"threshold": 2}, "option 'threshold' is 2; it must be a number from 0 to 1"),
        ({"tolerance": 9}, "option 'tolerance' is 9; it must be a whole number from 0 to 3"),
        ({"keywords": "money", "layer": 7}, "option 'layer' is 7; this model has the layers 0 to 3"),
        ({"classifier": "x.skops"}, "option 'classifier' is for method=classifier, which is 'words' here"),
        ({"method": "classifier"}, "method=classifier needs the option 'classifier', a file of"),
        ({"method": "classifier", "classifier": "x", "keywords": "a"}, "'keywords' is not for method=classifier"),
        ({"method": "classifier", "classifier": "x.skops"}, "there is no classifier 'x.skops'"),
        ({"method": "example", "keywords": "a, b"}, "of method=example it is the one keyword's name"),
        ({"keywords": "e mail, E_Mail"}, "hold 'e mail' twice; name each once"),
    ],
)
def test_wrong_options(run_kws: Run, talk: tuple[Path, list[Spoken]], options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(NovaspeechError, match=sentence):
        run_kws(talk[0], options)


def test_wrong_requests(run_kws: Run, talk: tuple[Path, list[Spoken]], mono: Write) -> None:
    audio, _ = talk
    for options, outputs, example, sentence in (
        ({}, ("keywords",), None, "option 'keywords' is empty, and no scheme is chosen"),
        ({"method": "example"}, ("words",), audio, "output 'words' comes with method=words only"),
        ({"method": "example"}, ("keywords",), None, "the request needs an audio input with the id 'keyword'"),
        ({"method": "example"}, ("score",), mono("s.wav", np.zeros(8000)), "s.wav is silent; an example must hold"),
        (
            {"method": "example"},
            ("score",),
            mono("l.wav", say([*SENTENCE, "river"])[0]),
            "talk.wav has .* the example 'l' .* of speech, which is longer",
        ),
    ):
        job = run_kws(audio, options, outputs, example)
        assert job.code == 1
        [line] = [line for line in job.printed.splitlines() if "Processor exited with error" in line]
        assert re.search(sentence, line), line
        assert not any(file.exists() for file in job.outputs.values())
