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
from discover_utils.data.annotation import DiscreteAnnotation, FreeAnnotation
from discover_utils.data.handler.file_handler import FileHandler
from tqdm import tqdm
from transformers.utils.logging import disable_progress_bar

from demo.server import Server, ServerError, Status
from demo.standins import STANDINS
from novaspeech.audio.recording import Recording
from novaspeech.command.plot import plot_outputs
from novaspeech.models import weights
from novaspeech.server.catalogue import load_trainer

ROOT = Path(__file__).resolve().parents[1]
RECORDING = ROOT / "demo" / "recording.flac"
REFERENCE = ROOT / "demo" / "reference.flac"  # the second of its voices, alone
WORDS = ROOT / "demo" / "words.flac"  # what the small checkpoint of wav2vec2_kws has learnt to spell

_PROGRESS = re.compile(r"^\S+: (\d+) of (\d+) windows")
_FAILED = re.compile(r"Processor exited with error: '(.*)'\.$|Job failed with exception (.*)")


class DemoError(RuntimeError):
    """The demo cannot go on; the message is for the person at the terminal."""


def main() -> int:
    """Runs the demo; 1 with one sentence on standard error if it cannot."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=__doc__)
    parser.add_argument(
        "--model", action="append", default=[], metavar="[MODULE=]MODEL",
        help="id of a published model (fetched if need be), or a folder or checkpoint, instead of what is there "
        "already; MODULE= may be left out before a published id",
    )  # fmt: skip
    parser.add_argument("--port", type=int, help="the server's port on this machine (default: a free one)")
    parser.add_argument("--out", type=Path, default=ROOT / "demo" / "out", help="folder for what it writes")
    given = parser.parse_args()
    out: Path = given.out.resolve()
    disable_progress_bar()  # of writing a stand-in
    rows = []
    try:
        if shutil.which("ffprobe") is None:
            raise DemoError("ffprobe is missing; install ffmpeg first (Debian, Ubuntu: sudo apt-get install ffmpeg)")
        models = dict(map(named_model, given.model))
        out.mkdir(parents=True, exist_ok=True)
        for module in STANDINS:
            options, environment = choose_model(module, models.get(module), out)
            files, seconds = run_module(module, options, environment, given.port, out)
            picture = out / f"{module}.png"
            plot_outputs(files, recording_for(module), picture, f"novaspeech demo: {module}")
            rows.append((module, check(module, files), seconds, [*files, picture]))
    except (DemoError, ServerError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    print(f"\n{'module':<12}{'windows':>8}{'seconds*':>10}{'× real time':>13}  files in {os.path.relpath(out)}")
    for module, count, seconds, files in rows:
        audio_seconds = Recording.open(recording_for(module)).duration_ms / 1000
        names = ", ".join(file.name for file in files)
        print(f"{module:<12}{count:>8}{seconds:>10.1f}{audio_seconds / seconds:>13.1f}  {names}")
    print("* from the start of the session; loading the model is not counted")
    return 0


def recording_for(module: str) -> Path:
    """What the module is shown with."""
    return WORDS if module == "wav2vec2_kws" else RECORDING


def named_model(text: str) -> tuple[str, str]:
    """Module and model of a `--model`."""
    module, equals, model = text.partition("=")
    if equals and module in STANDINS and model:
        return module, model
    for standin in STANDINS.values():
        if text == standin.published:
            return standin.module, text
    raise DemoError(
        f"{text!r} does not say which module it is for; write for example {next(iter(STANDINS))}={text.split('=')[-1]}"
    )


def choose_model(module: str, model: str | None, out: Path) -> tuple[dict[str, str], dict[str, str]]:
    """The job's options and the server's environment: the model named, else the published one if it is cached, else
    a stand-in that lies where the published one would.
    """
    standin = STANDINS[module]
    published = standin.published
    caches = {"HF_HUB_CACHE": str(weights.hub_cache()), "HF_ASSETS_CACHE": str(weights.asset_cache().parent)}
    if model and not (standin.uri and model == published):
        return {"model": str(Path(model).resolve()) if Path(model).exists() else model}, caches
    if model or standin.published_is_cached():
        print(f"{module}: {published} from {' or '.join(caches.values())}.")
        return {}, caches
    meaning = (
        "(trained on synthetic voices) takes its place. For the real\n  one"
        if standin.trained
        else "with RANDOM weights shows that everything runs; its numbers mean nothing. For the real\n  ones"
    )
    print(
        f"{module}: {published} is not on this machine. A small stand-in of the\n"
        f"  same architecture {meaning}: make demo MODEL={published}, or MODEL={module}=/path/to/it."
    )
    home = out / "stand-ins"
    standin.lay_out(home)
    return dict(standin.options), {
        "HF_HUB_CACHE": str(home / "hub"),
        "HF_ASSETS_CACHE": str(home / "assets"),
        "HF_HUB_OFFLINE": "1",
    }


def run_module(
    module: str, options: dict[str, str], environment: dict[str, str], port: int | None, out: Path
) -> tuple[list[Path], float]:
    """What the server wrote for the seed's request, and the seconds it took once the model was loaded."""
    request = json.loads((ROOT / "tests" / "data" / "requests" / f"{module}.json").read_text())
    data = json.loads(request["data"])
    for entry in data:
        suffix = Path(entry["uri"]).suffix
        inputs = {"audio": recording_for(module), "reference": REFERENCE}
        entry["uri"] = str(inputs[entry["id"]] if entry["type"] == "input" else out / f"{module}.{entry['id']}{suffix}")
    request["data"] = json.dumps(data)
    request["options"] = json.dumps(json.loads(request.get("options", "{}")) | options)
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
    return [Path(entry["uri"]) for entry in data if entry["type"] == "output"], seconds


def check(module: str, files: list[Path]) -> int:
    """Number of windows, after a look at each output whether it can be right."""
    step = load_trainer(module).content.meta_frame_step
    expected = Recording.open(recording_for(module)).duration_ms // step, 1000 / step
    for file in files:
        output = FileHandler().load(file)
        if isinstance(output, (DiscreteAnnotation, FreeAnnotation)):  # has as many rows as were found
            continue
        if file.suffix == ".stream":
            rate, whole = output.meta_data.sample_rate, output.data.any(axis=1).all() and np.isfinite(output.data).all()
        else:
            rate, whole = output.annotation_scheme.sample_rate, (output.data["conf"] == 1).all()
        if (len(output.data), rate) != expected:
            raise DemoError(f"{file.name} has {len(output.data)} values at {rate} Hz instead of {expected}")
        if not whole:
            raise DemoError(f"{file.name} has windows that are empty or not finite")
    return int(expected[0])


if __name__ == "__main__":
    raise SystemExit(main())
