"""A page on which a recording is heard and its outputs are seen: one HTML file that opens from a disk."""

from __future__ import annotations

import json
import os
from html import escape
from pathlib import Path
from string import Template
from urllib.parse import quote

import numpy as np
import soundfile
from bokeh.embed import components
from bokeh.layouts import column
from bokeh.resources import Resources

from novaspeech.audio.recording import Recording
from novaspeech.audio.signal import Signal
from novaspeech.colours import COLOURS, FAINTEST, STRONGEST
from novaspeech.errors import RequestError
from novaspeech.formats.track import Tracks
from novaspeech.saving import whole
from novaspeech.view.figures import build
from novaspeech.view.sound import Sound

_PARTS = Path(__file__).parent
# Common browsers play these; they show a video's picture, too.
_PLAYED = {".wav", ".mp3", ".m4a", ".ogg", ".oga", ".opus", ".flac", ".mp4", ".m4v", ".webm"}
_SCRIPTS = ("drawn.js", "page.js", "list.js", "names.js", "maps.js", "begin.js")  # in the order of their use
_LEGEND = {
    "levels": 'spectrogram: −70 dB <i class="levels"></i> loudest',
    "band": '<i class="band"></i> zoomed out: mean, lowest to highest',
    "threshold": '<i class="dashed"></i> threshold',
    "gap": '<i class="hatched"></i> no value',
    "confidence": "confidence "
    + " ".join(
        f'<i class="box"><i class="shade" style="opacity:{shade:.2f}"></i></i> {value}'
        for value, shade in (("0", FAINTEST), ("0.5", (FAINTEST + STRONGEST) / 2), ("1", STRONGEST))
    ),
}
_VIDEO = {".mp4", ".m4v", ".webm"}


def write_page(tracks: Tracks, file: Path, thresholds: dict[str, float] | None = None) -> None:
    """Writes the page of a recording. Sound that a browser cannot play is written beside it, as a FLAC."""
    recording = tracks.recording
    sound = Sound.of(recording) if recording else None
    panels = build(tracks, sound, thresholds or {})
    if not panels.time:
        raise RequestError(f"{tracks.name} has nothing to draw over time: each output stands for the whole recording")
    panels.data |= {"colours": COLOURS, "opacity": (FAINTEST, STRONGEST)}
    stacks = {"times": column(panels.time, spacing=0, sizing_mode="stretch_width")}
    if panels.maps:
        stacks["maps"] = column(panels.maps, sizing_mode="stretch_width")
    script, divisions = components(stacks, wrap_script=False)
    page = Template((_PARTS / "page.html").read_text(encoding="utf-8")).substitute(
        title=escape(tracks.name, quote=False),
        bokeh=Resources(mode="inline", components=["bokeh"]).render_js(),
        style=(_PARTS / "page.css").read_text(encoding="utf-8"),
        missing="" if tracks.audio else "The recording is not beside these results: there is nothing to hear.",
        player=_player(tracks.audio, recording, file),
        legend=" ".join(f"<span>{_LEGEND[one]}</span>" for one in dict.fromkeys(panels.explained)),
        times=divisions["times"],
        maps=divisions.get("maps", ""),
        data=json.dumps(panels.data, ensure_ascii=False, separators=(",", ":")).replace("</", "<\\/"),
        figures=script,
        script="\n".join((_PARTS / name).read_text(encoding="utf-8") for name in _SCRIPTS),
    )
    with whole(file) as partial:
        partial.write_text(page, encoding="utf-8")


def _player(audio: Path | None, recording: Recording | None, file: Path) -> str:
    if audio is None or recording is None:
        return ""
    if audio.suffix.lower() not in _PLAYED:
        audio = _playable(recording.signal, file.with_suffix(".flac"))
    kind = "video" if audio.suffix.lower() in _VIDEO else "audio"
    place = Path(os.path.relpath(audio.resolve(), file.parent.resolve())).as_posix()
    return f'<{kind} id="player" preload="metadata" src="{quote(place)}"></{kind}>'


def _playable(signal: Signal, target: Path) -> Path:
    """The sound of a recording in a form that browsers play; its times are those of the recording."""
    with whole(target) as partial, soundfile.SoundFile(partial, "w", signal.rate, 1, "PCM_16") as flac:
        for block in signal.blocks():
            flac.write(np.nan_to_num(block))
    return target
