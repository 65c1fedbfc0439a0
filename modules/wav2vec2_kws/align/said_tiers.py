"""Which tiers of a file hold what was said: other tiers have phones, notes, or the same speech again."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from novaspeech.errors import RequestError
from novaspeech.formats.annotated import Annotated

# Parts of the names of tiers that hold what was said, those of the shortest rows first; WebMAUS writes ORT and TRN.
SAID = "words word ort orthography transcript transcription utterances utterance text trn".split()  # noqa: SIM905
_OTHER = frozenset("phones phone phonemes syllables mau kan kas mas notes".split())  # noqa: SIM905
_TURNS = 0.5  # share of a tier's time that another speaker's tier may cover

Tiers = Mapping[str, Sequence[Annotated]]


def said_tiers(file: Path, tiers: Tiers, chosen: str = "") -> list[str]:
    """The names of the tiers that hold what was said, one for each speaker.

    Args:
        tiers: name → rows in the order of time.
        chosen: names with commas between; else they are "words", "Anna - transcript" and the like (`SAID`), or all
            tiers, if those take turns as speakers do.

    Raises:
        RequestError: a chosen tier is not there, or none is clearly of words.
    """
    if chosen:
        names = [chosen] if chosen in tiers else [name.strip() for name in chosen.split(",")]
        if missing := [name for name in names if name not in tiers]:
            raise RequestError(f"{file} has no tier {missing[0]!r}; its tiers are {_listed(tiers)}")
        return names
    named = sorted((name for name in tiers if _kind(name) in SAID), key=lambda name: SAID.index(_kind(name)))
    kept: list[str] = []
    for name in named:
        if not any(_speaker(name, tiers) == _speaker(one, tiers) or _same(tiers[one], tiers[name]) for one in kept):
            kept.append(name)
    kept = kept or [name for name in tiers if _kind(name) not in _OTHER]
    together = [
        (one, two) for place, one in enumerate(kept) for two in kept[:place] if _overlap(tiers[one], tiers[two])
    ]
    if not kept or (not named and together):
        raise RequestError(
            f"{file} has no tier that is clearly the words; name it with the option tier, for example "
            f"tier={next(iter(tiers))}: its tiers are {_listed(tiers)}"
        )
    return kept


def _listed(tiers: Tiers) -> str:
    return ", ".join(map(repr, tiers))


def _parts(name: str) -> list[str]:
    """Parts of a tier's name; the last one of WebMAUS's names says only who made it."""
    parts = [part for part in re.split(r"[\s_.:@-]+", name.lower()) if part]
    return parts[:-1] if len(parts) > 1 and parts[-1] == "mau" else parts


def _kind(name: str) -> str:
    """What a tier's name says that it holds, at its end or at its beginning."""
    ends = [*_parts(name)[-1:], *_parts(name)[:1]]
    return next((part for part in ends if part in SAID or part in _OTHER), "")


def _speaker(name: str, tiers: Tiers) -> str:
    """Whom a tier is of: as its rows say, else the rest of its name."""
    said = next((row.speaker for row in tiers[name]), "")
    return said.lower() or " ".join(part for part in _parts(name) if part != _kind(name))


def _same(words: Sequence[Annotated], longer: Sequence[Annotated]) -> bool:
    """Whether most rows of a tier hold the words that another tier has in their time."""
    middles, equal = [_times([word]).mean() for word in words], 0
    for row in longer:
        first, last = np.searchsorted(middles, _times([row])[0])
        inner = " ".join(word.label for word in words[first:last])
        equal += inner.lower().split() == row.label.lower().split()
    return 2 * equal > len(longer)


def _overlap(one: Sequence[Annotated], two: Sequence[Annotated]) -> bool:
    """Whether two tiers are of the same time, and not of speakers who take turns."""
    first, second = _times(one), _times(two)
    lengths = np.ptp(second, axis=1)
    covered = np.repeat(np.cumsum(lengths), 2) - np.stack([lengths, 0 * lengths], axis=1).ravel()
    common = np.ptp(np.interp(first, second.ravel(), covered), axis=1).sum()
    return bool(common > _TURNS * min(np.ptp(first, axis=1).sum(), lengths.sum()))


def _times(rows: Sequence[Annotated]) -> npt.NDArray[np.float64]:
    """(n, 2) starts and ends in seconds; a row without an end has no length."""
    return np.array([(row.start, row.start if row.end is None else row.end) for row in rows])
