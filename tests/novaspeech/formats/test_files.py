"""What each format holds, and how its files are named."""

import re

import pytest

from novaspeech.errors import OptionError, RequestError
from novaspeech.formats.files import FORMATS, SSI, check_formats, file_names, left_out
from novaspeech.formats.track import Kept

AROUSAL = Kept("arousal", "scores", "emow2v")
EMBEDDINGS = Kept("embeddings", "vectors", "byols")


def test_formats_hold_what_they_can() -> None:
    outputs = [AROUSAL, EMBEDDINGS, Kept("words", "segments")]
    assert {form: left_out(outputs, form) for form in FORMATS} == {
        **{form: [] for form in (SSI, "csv", "parquet", "audformat", "npz")},
        "npy": ["words"],
        **{form: ["arousal", "embeddings"] for form in ("srt", "vtt")},
        **{form: ["embeddings"] for form in ("textgrid", "eaf")},
    }
    assert left_out([EMBEDDINGS._replace(named=False)], "csv") == ["embeddings"]
    assert file_names("a", outputs, SSI) == [
        "a.emow2v.arousal.annotation",
        "a.byols.embeddings.stream",
        "a.words.annotation",
    ]
    assert file_names("a", [AROUSAL], "textgrid") == ["a.emow2v.scores.csv"]
    assert file_names("a", [AROUSAL], "eaf") == ["a.eaf", "a.emow2v.scores.csv", "a_tsconf.xml"]


@pytest.mark.parametrize(
    ("formats", "output", "said"),
    [
        (["csv", "srt"], AROUSAL, "the format srt holds segments; of the outputs none is: arousal (a continuous"),
        (["eaf"], EMBEDDINGS, "the format eaf holds segments and a continuous annotation; of the outputs"),
        (
            ["csv"],
            EMBEDDINGS._replace(named=False),
            "a CSV file of embeddings is large: name it (--output embeddings), or",
        ),
        (["xml"], EMBEDDINGS, "there is no format 'xml'; there are: ssi, csv, parquet, audformat, npz, npy, srt, vtt"),
        ([], EMBEDDINGS, "no format is named; there are: ssi, csv"),
    ],
)
def test_formats_that_cannot_be(formats: list[str], output: Kept, said: str) -> None:
    with pytest.raises((RequestError, OptionError), match=f"^{re.escape(said)}"):
        check_formats(formats, [output])
