"""Which tiers of a file are read as what was said."""

from pathlib import Path

import pytest

from novaspeech.errors import RequestError
from tests.wav2vec2_kws.align.test_transcript import textgrid
from wav2vec2_kws.align.transcript import read_transcript

Rows = list[tuple[float, float, str]]
GUTEN: Rows = [(0, 1, "guten"), (1, 2, "Tag"), (2, 3, "<p:>")]
PHONES: Rows = [(0, 0.5, "g"), (0.5, 1, "u:"), (1, 2, "t")]
WHOLE: Rows = [(0, 2, "guten Tag"), (2, 3, "")]
REPLY: Rows = [(1.5, 2.5, "Hallo"), (4, 5, "Ben")]
REPLY_WHOLE: Rows = [(1.5, 5, "Hallo Ben")]


def read(tmp_path: Path, tiers: dict[str, Rows], tier: str = "") -> str:
    (tmp_path / "talk.TextGrid").write_text(textgrid(tiers))
    return " ".join(read_transcript(tmp_path / "talk.TextGrid", tier))


@pytest.mark.parametrize(
    ("tiers", "words"),
    [
        ({"ORT-MAU": GUTEN, "KAN-MAU": [(0, 2, "g u: t @ n")], "MAU": PHONES}, "guten Tag"),
        ({"TRN": WHOLE, "MAU": PHONES, "ORT-MAU": GUTEN}, "guten Tag"),
        ({"Anna": WHOLE, "phones": PHONES}, "guten Tag"),
        ({"transcript": WHOLE, "words": GUTEN}, "guten Tag"),
        ({"utterances": WHOLE, "words": GUTEN, "phones": PHONES}, "guten Tag"),
        ({"Anna - words": GUTEN, "Anna - utterances": WHOLE}, "guten Tag"),
        ({"Anna - utterances": WHOLE, "words": GUTEN}, "guten Tag"),
        ({"A words": GUTEN, "A text": WHOLE, "B words": REPLY, "B text": REPLY_WHOLE}, "guten Tag Hallo Ben"),
        ({"words Anna": GUTEN, "Ben - transcript": REPLY_WHOLE}, "guten Tag Hallo Ben"),
    ],
)
def test_what_was_said_is_read_once(tmp_path: Path, tiers: dict[str, Rows], words: str) -> None:
    assert read(tmp_path, tiers) == words


@pytest.mark.parametrize("tiers", [{"eins": GUTEN, "zwei": PHONES}, {"MAU": PHONES, "KAN-MAU": WHOLE}])
def test_no_tier_is_clearly_the_words(tmp_path: Path, tiers: dict[str, Rows]) -> None:
    one, two = tiers
    with pytest.raises(RequestError, match=f"no tier that is clearly the words; .* tier={one}: .* '{one}', '{two}'$"):
        read(tmp_path, tiers)


def test_the_option_names_a_tier(tmp_path: Path) -> None:
    tiers = {"eins": GUTEN, "zwei": PHONES, "words": REPLY, "drei, vier": WHOLE}
    assert read(tmp_path, tiers, "eins") == read(tmp_path, tiers, "drei, vier") == "guten Tag"
    assert read(tmp_path, tiers, "eins, words") == "guten Tag Hallo Ben"
    with pytest.raises(RequestError, match="has no tier 'fünf'; its tiers are 'eins', 'zwei', 'words', 'drei, vier'$"):
        read(tmp_path, tiers, "eins, fünf")
