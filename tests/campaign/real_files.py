"""Real files, each read by novaspeech in a process of its own and held against FFmpeg's own decoding. Run by hand.

python -m tests.campaign.real_files FOLDER [--jobs N] [--json FILE]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import soundfile

from novaspeech.arrays import FloatArray
from novaspeech.audio.recording import Recording
from novaspeech.errors import NovaspeechError

RATE = 16000
TIME_LIMIT = 60  # seconds for one reading of one file
OFF_MS = 20
UNLIKE = 0.9  # correlation below which two signals are taken for different ones
PIECE = 4 * RATE  # samples of a piece whose lag is measured
ENDS = {0: "read", 1: "traceback", 3: "refused"}  # by exit status; others crashed
HARMLESS = ("Guessed Channel Layout", "Estimating duration from bitrate", "deprecated")  # warnings of another thing


@dataclass
class Verdict:
    """What was found about one file. Length, lags at begin and end and gain are ours less FFmpeg's."""

    path: str
    ours: str  # read, refused, traceback, crashed, hung
    message: str = ""
    noise: int = 0  # characters on stderr
    theirs: str = ""  # clean, warned, refused
    warning: str = ""
    by: str = ""  # which of FFmpeg's decodings: placed, plain
    length_ms: float = 0.0
    begin_ms: float = 0.0
    end_ms: float = 0.0
    correlation: float = 1.0
    gain_db: float = 0.0
    nan: int = 0

    @property
    def off(self) -> bool:
        return max(abs(self.length_ms), abs(self.begin_ms), abs(self.end_ms)) > OFF_MS

    @property
    def unlike(self) -> bool:
        return self.correlation < UNLIKE or abs(self.gain_db) > 1

    def __str__(self) -> str:
        figures = f"length {self.length_ms:+.1f} begin {self.begin_ms:+.1f} end {self.end_ms:+.1f} ms"
        figures += f", correlation {self.correlation:.3f}, gain {self.gain_db:+.1f} dB, NaN {self.nan}"
        ours = f"{figures}, {self.by}" if self.ours == "read" else f"{self.ours}: {self.message}"
        return f"  {self.path}\n    {ours}" + f"\n    FFmpeg: {self.warning[:200]}" * bool(self.warning)


def decoded(path: Path) -> FloatArray:
    """A file's signal (n,) float32, mono at RATE, by the reader under trial."""
    signal = Recording.open(path, rate=RATE, channel="mix").signal
    return signal.read(0, signal.samples)


def _child(path: Path, folder: Path) -> None:
    """The reader's own process: the signal, what it says if it refuses, what else it wrote on stderr."""
    os.dup2(os.open(folder / "stderr", os.O_WRONLY), 2)
    try:
        np.save(folder / "ours.npy", decoded(path))
    except NovaspeechError as error:
        (folder / "message").write_text(str(error), "utf-8")
        os._exit(3)


def read_by_us(path: Path, folder: Path) -> Verdict:
    """How the reader under trial ended, and what it wrote."""
    for name in ("stderr", "message"):
        (folder / name).touch()
    process = get_context("forkserver").Process(target=_child, args=(path, folder))
    process.start()
    process.join(TIME_LIMIT)
    if hung := process.is_alive():
        process.kill()
        process.join()
    ours = "hung" if hung else ENDS.get(process.exitcode or 0, f"crashed ({process.exitcode})")
    noise, refusal = ((folder / name).read_text("utf-8", "replace").strip() for name in ("stderr", "message"))
    return Verdict(str(path), ours, refusal or noise.rpartition("\n")[2][:300], len(noise))


def read_by_ffmpeg(path: Path, folder: Path) -> tuple[dict[str, FloatArray], str]:
    """FFmpeg's decoding of the first audio stream, (n,) float32 at RATE, the channels with sound averaged.

    It has two: "placed", with each piece at its time, and "plain", with one after the other. And its warnings.
    """
    what, form = ["-map", "0:a:0"], ["-ar", str(RATE), "-c:a", "pcm_f32be"]
    outputs = [*what, "-af", "aresample=async=1:first_pts=0", *form, "placed.au", *what, *form, "plain.au"]
    command = ["ffmpeg", "-nostdin", "-v", "warning", "-protocol_whitelist", "file", "-i", f"file:{path}", *outputs]
    try:
        ran = subprocess.run(command, cwd=folder, capture_output=True, timeout=TIME_LIMIT, check=False)
    except subprocess.TimeoutExpired:
        return {}, f"longer than {TIME_LIMIT} s"
    lines = [line for line in ran.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
    warnings = "; ".join(line for line in lines if not any(word in line for word in HARMLESS))
    signals = {}
    for name in ("placed", "plain") if not ran.returncode else ():
        samples, _ = soundfile.read(folder / f"{name}.au", dtype="float32", always_2d=True)
        if len(samples):
            signals[name] = samples[:, samples.any(axis=0) | ~samples.any()].mean(axis=1)
    return signals, warnings


def lag(ours: FloatArray, theirs: FloatArray) -> tuple[float, float]:
    """By how many ms a piece (n,) comes later in ours than in theirs (m,), and the correlation there.

    Of lags that are as good (a tone has many) the smallest counts. No lag is told of pieces with little in common.
    """
    size = 2 * max(len(ours), len(theirs))
    spectrum = np.fft.rfft(ours, size) * np.conj(np.fft.rfft(theirs, size))
    products = np.fft.irfft(spectrum, size) / max(float(np.linalg.norm(ours) * np.linalg.norm(theirs)), 1e-12)
    lags = (np.arange(size) + size // 2) % size - size // 2
    good = lags[products > products.max() - 0.005]
    return float(good[np.abs(good).argmin()]) * 1000 / RATE * (products.max() > 0.5), float(products.max())


def compare(verdict: Verdict, ours: FloatArray, theirs: FloatArray) -> None:
    """Notes how the two differ: the lags where sound begins and where it ends."""
    verdict.length_ms = (len(ours) - len(theirs)) * 1000 / RATE
    verdict.nan = int(np.isnan(ours).sum())
    ours, theirs = (np.nan_to_num(signal[: min(len(ours), len(theirs))]) for signal in (ours, theirs))
    sounding = np.flatnonzero(np.abs(theirs) > 1e-4)
    if len(sounding) < RATE // 100:
        return
    first, last = max(0, int(sounding[0]) - RATE // 10), max(0, int(sounding[-1]) - PIECE)
    verdict.begin_ms, before = lag(ours[first : first + PIECE], theirs[first : first + PIECE])
    verdict.end_ms, after = lag(ours[last:], theirs[last:])
    verdict.correlation = min(before, after)
    verdict.gain_db = 20 * float(np.log10(max(float(np.linalg.norm(ours)), 1e-9) / float(np.linalg.norm(theirs))))


def examine(path: Path) -> Verdict:
    """One file, by both. Where FFmpeg's two decodings differ, what is right by one of them is right."""
    with tempfile.TemporaryDirectory() as folder:
        verdict = read_by_us(path, Path(folder))
        theirs, verdict.warning = read_by_ffmpeg(path.resolve(), Path(folder))
        verdict.theirs = "refused" if not theirs else "warned" if verdict.warning else "clean"
        for way, signal in theirs.items() if verdict.ours == "read" else ():
            verdict.by = way
            compare(verdict, np.load(Path(folder) / "ours.npy"), signal)
            if not verdict.off:
                break
    return verdict


def summary(verdicts: list[Verdict]) -> str:
    """The figures of all, and each file that asks for a look."""
    ended = [one for one in verdicts if one.ours in ("read", "refused")]
    clean = [one for one in verdicts if one.theirs == "clean"]
    refused = [one for one in clean if one.ours == "refused"]
    lists = {
        "crashed, hung, traceback": [one for one in verdicts if one not in ended],
        "noise on stderr": [one for one in ended if one.noise],
        f"clean and refused ({100 * len(refused) / max(1, len(clean)):.2f} %)": refused,
        f"clean and off by more than {OFF_MS} ms": [one for one in clean if one.off],
        "clean and of another sound": [one for one in clean if one.unlike and not one.off],
        "clean and right only without FFmpeg's times": [one for one in clean if one.by == "plain" and not one.off],
        "not clean and off": [one for one in verdicts if one.theirs == "warned" and one.off],
    }
    ours, theirs = (dict(Counter(getattr(one, which) for one in verdicts)) for which in ("ours", "theirs"))
    lines = [f"{len(verdicts)} files; ours: {ours}; FFmpeg: {theirs}"]
    for title, found in lists.items():
        lines += ["", f"{title}: {len(found)}", *map(str, found)]
    return "\n".join(lines)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="place of the files, with all below it")
    parser.add_argument("--jobs", type=int, default=1, help="files at once")
    parser.add_argument("--json", type=Path, help="file for what was found about each")
    options = parser.parse_args(arguments)
    get_context("forkserver").set_forkserver_preload(["novaspeech.audio.recording", "soundfile"])
    paths = sorted(path for path in options.folder.rglob("*") if path.is_file())
    with ThreadPoolExecutor(options.jobs) as pool:
        verdicts = list(pool.map(examine, paths))
    if options.json:
        options.json.write_text(json.dumps([asdict(verdict) for verdict in verdicts], indent=1), "utf-8")
    print(summary(verdicts))


if __name__ == "__main__":
    main()
