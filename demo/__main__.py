"""`make demo`: a recording goes through the real DISCOVER server; what came back is checked, drawn and summed up."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import sys
import time
from pathlib import Path

import numpy as np
from discover_utils.data.handler.file_handler import FileHandler
from tqdm import tqdm

from demo.server import Server, ServerError, Status
from demo.standins import STANDINS, lay_out_as_cached
from novaspeech import weights
from novaspeech.plot import plot_outputs
from novaspeech.recording import Recording

ROOT = Path(__file__).resolve().parents[1]
RECORDING = ROOT / "demo" / "recording.flac"

_PROGRESS = re.compile(r"^\S+: (\d+) of (\d+) windows")
_FAILED = re.compile(r"Processor exited with error: '(.*)'\.$|Job failed with exception (.*)")


class DemoError(RuntimeError):
    """The demo cannot go on; the message is for the person at the terminal."""


def main() -> int:
    """Runs the demo; 1 with one sentence on standard error if it cannot."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument("--model", help="Hub id (fetched if need be) or folder, instead of what is there already")
    parser.add_argument("--port", type=int, help="the server's port on this machine (default: a free one)")
    parser.add_argument("--out", type=Path, default=ROOT / "demo" / "out", help="folder for what it writes")
    given = parser.parse_args()
    out: Path = given.out.resolve()
    try:
        if shutil.which("ffprobe") is None:
            raise DemoError("ffprobe is missing; install ffmpeg first (Debian, Ubuntu: sudo apt-get install ffmpeg)")
        out.mkdir(parents=True, exist_ok=True)
        options, environment = choose_model("w2v_bert_2", given.model, out)
        stream, seconds = run_module("w2v_bert_2", options, environment, given.port, out)
        count, dimension = check("w2v_bert_2", stream)
        picture = out / "w2v_bert_2.png"
        plot_outputs([stream], RECORDING, picture, "novaspeech demo: w2v_bert_2")
    except (DemoError, ServerError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    audio_seconds = Recording.open(RECORDING).duration_ms / 1000
    print(f"\n{'module':<12}{'windows':>8}{'dimension':>11}{'seconds*':>10}{'× real time':>13}  files")
    files = ", ".join(os.path.relpath(path) for path in (stream, picture))
    print(f"{'w2v_bert_2':<12}{count:>8}{dimension:>11}{seconds:>10.1f}{audio_seconds / seconds:>13.1f}  {files}")
    print("* from the start of the session; loading the model is not counted")
    return 0


def choose_model(module: str, model: str | None, out: Path) -> tuple[dict[str, str], dict[str, str]]:
    """The job's options and the server's environment: the model named, else the published one if it is cached, else
    a stand-in that lies where the published one would.
    """
    published, make = STANDINS[module]
    cache = {"HF_HUB_CACHE": str(weights.hub_cache())}
    if model:
        return {"model": str(Path(model).resolve()) if Path(model).is_dir() else model}, cache
    if weights.is_cached(published):
        print(f"Using {published} from {cache['HF_HUB_CACHE']}.")
        return {}, cache
    print(
        f"{published} is not on this machine. The demo uses a small stand-in of the same architecture with RANDOM\n"
        f"weights: everything runs, but its numbers mean nothing. For the real ones: make demo MODEL={published}\n"
        f"(fetches about 2.3 GB), or MODEL=/path/to/its/folder."
    )
    home = out / "stand-ins"
    lay_out_as_cached(home, published, make)
    return {}, {"HF_HUB_CACHE": str(home / "hub"), "HF_HUB_OFFLINE": "1"}


def run_module(
    module: str, options: dict[str, str], environment: dict[str, str], port: int | None, out: Path
) -> tuple[Path, float]:
    """The stream that the server wrote for the seed's request, and the seconds it took once the model was loaded."""
    stream = out / f"{module}.stream"
    request = json.loads((ROOT / "tests" / "data" / "requests" / f"{module}.json").read_text())
    data = json.loads(request["data"])
    for entry in data:
        entry["uri"] = str(RECORDING if entry["type"] == "input" else stream)
    request["data"] = json.dumps(data)
    if options:
        request["options"] = json.dumps(options)
    bar = tqdm(desc=module, unit="window", dynamic_ncols=True)
    start = time.perf_counter()

    def follow(line: str) -> None:
        nonlocal start
        if line.startswith("Processing session"):
            start = time.perf_counter()
        found = _PROGRESS.match(line)
        if found:
            bar.total = int(found[2])
            bar.update(int(found[1]) - bar.n)

    with bar, Server(out / "server", ROOT, environment=environment, port=port, echo=follow) as server:
        for left_over in out.glob(f"{module}.*"):
            left_over.unlink()
        status = server.run(request, seconds=24 * 3600)
        seconds = time.perf_counter() - start
        if status is not Status.FINISHED:
            reasons = [next(filter(None, found.groups())) for line in server.output if (found := _FAILED.search(line))]
            raise DemoError(f"the job ended with {status.name}: {reasons[-1] if reasons else server.output[-1]}")
    return stream, seconds


def check(module: str, file: Path) -> tuple[int, int]:
    """Number of windows and dimension of a stream, after a look whether it can be right."""
    stream = FileHandler().load(file)
    count, dimension = stream.data.shape
    expected = Recording.open(RECORDING).duration_ms // 40
    if (count, stream.meta_data.sample_rate) != (expected, 25.0):
        raise DemoError(
            f"{module} gave {count} windows at {stream.meta_data.sample_rate} Hz instead of {expected} at 25 Hz"
        )
    if not np.isfinite(stream.data).all() or not stream.data.any(axis=1).all():
        raise DemoError(f"{module} gave windows that are empty or not finite")
    return count, dimension


if __name__ == "__main__":
    raise SystemExit(main())
