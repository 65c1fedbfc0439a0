"""Runs a module over files through the host's own du-process, as a server would."""

from __future__ import annotations

import contextlib
import io
import json
import re
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

from tqdm import tqdm

from novaspeech.errors import RequestError
from novaspeech.server import host, progress
from novaspeech.server.catalogue import MODULES, Trainer, load_trainer

_SESSION_FAILED = re.compile(r"^\tProcessor exited with error: '(.*?)'\.\nContinuing", re.MULTILINE | re.DOTALL)
_ARGUMENTS = {
    "frame": "frame_size",
    "stride": "stride",
    "left": "left_context",
    "right": "right_context",
    "end": "end",
}


def run_module(
    module: str,
    recordings: Sequence[Path],
    out: Path | None = None,
    times: Mapping[str, str] | None = None,
    options: Mapping[str, str] | None = None,
    outputs: Sequence[str] | None = None,
    inputs: Mapping[str, str] | None = None,
) -> int:
    """Writes a module's outputs for each recording, named `NAME.OUTPUT.stream` or `.annotation`.

    Args:
        module: its name.
        recordings: audio files.
        out: the folder for the outputs; None is that of each recording.
        times: any of frame, stride, left, right, end, as "40ms" or "1.5s".
        options: the module's options.
        outputs: ids of outputs; None takes those that the trainer ticks.
        inputs: id → file of further inputs, the same for all recordings.

    Returns:
        0 if all went well, 1 if a recording failed; the reasons are then on standard error.

    Raises:
        RequestError: no such module, time or input, or two recordings would write the same files.
        OptionError, WeightsError: wrong options, or a model that cannot be had.
    """
    trainer = load_trainer(module)
    further = [entry.io_id for entry in trainer.inputs[1:]]
    for name in inputs or {}:
        if name not in further:
            raise RequestError(f"{module} has no further input {name!r}; it has {', '.join(further) or 'none'}")
    if out:
        out.mkdir(parents=True, exist_ok=True)
    meta = trainer.content
    defaults = {"frame": meta.meta_frame_step, "left": meta.meta_left_ctx, "right": meta.meta_right_ctx}
    arguments = _time_arguments({name: f"{ms}ms" for name, ms in defaults.items()} | dict(times or {}))
    failed = 0
    for (folder, suffix), names in _groups(recordings, out).items():
        data = _descriptions(trainer, folder, suffix, out or folder, outputs)
        for name, path in (inputs or {}).items():
            source = _literal(Path(path).expanduser().absolute())
            data.append({"src": "file:stream:audio", "type": "input", "id": name, "uri_template": source})
        words = [*arguments, "--sessions", json.dumps(names), "--data", json.dumps(data)]
        words += ["--options", json.dumps(dict(options or {}))]
        failed += _du_process(trainer, words)
    return 1 if failed else 0


def _time_arguments(times: Mapping[str, str]) -> list[str]:
    parse = host.module("utils.string_utils").parse_time_string_to_ms
    for name, value in times.items():
        try:
            parse(value, suppress_warn=True)
        except ValueError:
            raise RequestError(f"--{name} {value!r} is no time; write 40ms or 1.5s") from None
    # With "=", since a negative number would be taken for an option.
    return [f"--{_ARGUMENTS[name]}={value}" for name, value in times.items()]


def _groups(recordings: Sequence[Path], out: Path | None) -> dict[tuple[Path, str], list[str]]:
    """(folder, suffix) → names. One du-process serves one group: sessions differ by nothing but their name."""
    groups: dict[tuple[Path, str], list[str]] = defaultdict(list)
    taken: dict[Path, Path] = {}
    for recording in recordings:
        target = (out or recording.parent).resolve() / recording.stem
        if target in taken:
            raise RequestError(
                f"{taken[target]} and {recording} would both write {target}.*; rename one, or run them apart"
            )
        taken[target] = recording
        groups[recording.parent, recording.suffix].append(recording.stem)
    return groups


def _descriptions(
    trainer: Trainer, folder: Path, suffix: str, out: Path, outputs: Sequence[str] | None
) -> list[dict[str, str]]:
    """The request's "data", with the session's name as the file's."""
    audio = trainer.inputs[0]
    source = f"{_literal(folder)}/{{session}}{_literal(suffix)}"
    data = [{"src": f"file:{audio.io_data.lower()}", "type": "input", "id": audio.io_id, "uri_template": source}]
    ticked = [entry.io_id for entry in trainer.outputs if entry.io_default_active]
    kinds = {entry.io_id: entry.io_data for entry in trainer.outputs}
    for name in outputs or ticked:
        kind = kinds.get(name, "stream:SSIStream")
        target = f"{_literal(out)}/{{session}}.{name}.{kind.split(':')[0]}"
        data.append({"src": f"file:{kind}", "type": "output", "id": name, "uri_template": target})
    return data


def _literal(path: Path | str) -> str:
    return str(path).replace("{", "{{").replace("}", "}}")


def _du_process(trainer: Trainer, words: list[str]) -> bool:
    """Runs the host's script; whether a session failed. What the host prints is shown only where it explains that."""
    script = host.module("scripts.process")
    places = ["--cml_dir", str(MODULES), "--cache_dir", str(Path.home() / ".cache"), "--tmp_dir", tempfile.gettempdir()]
    printed = io.StringIO()
    before = progress.sink, progress.reporter
    progress.sink, progress.reporter = partial(tqdm.write, file=sys.__stderr__), _Bar
    failed = False
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            script.main(["--trainer_file_path", trainer.path, *places, *words])
    except SystemExit as end:
        failed = bool(end.code)
    finally:
        progress.sink, progress.reporter = before
    if failed:
        reasons = _SESSION_FAILED.findall(printed.getvalue()) or [printed.getvalue()]
        for reason in reasons:
            print(f"novaspeech: {reason}", file=sys.stderr)
    return failed


class _Bar:
    """A progress bar per recording."""

    def __init__(self, session: str) -> None:
        self._bar = tqdm(desc=session, unit="window", file=sys.__stderr__, dynamic_ncols=True)

    def __call__(self, completed: int, total: int) -> None:
        self._bar.total = total
        self._bar.update(completed - self._bar.n)
        if completed == total:
            self._bar.close()
