"""The comparison with FFmpeg, on three files."""

import json
import subprocess
import sys
from pathlib import Path

import soundfile

from tests.campaign.real_files import Verdict
from tests.conftest import ROOT
from tests.novaspeech.audio.sounds import RATE, noise, run


def test_each_file_is_read_by_both(tmp_path: Path) -> None:
    folder, found = tmp_path / "files", tmp_path / "found.json"
    folder.mkdir()
    soundfile.write(folder / "plain.wav", noise(), RATE)
    picture, late = ("-f", "lavfi", "-i", "color=s=32x32:d=2"), ("-itsoffset", "0.5", "-i", folder / "plain.wav")
    run(*picture, *late, "-map", "0:v", "-map", "1:a", folder / "late.mkv")
    (folder / "cut.m4a").write_bytes(b"\0\0\0\x18ftypM4A \0\0\0\0")
    command = [sys.executable, "-m", "tests.campaign.real_files", str(folder), "--jobs", "2", "--json", str(found)]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    cut, late_sound, plain = (Verdict(**one) for one in json.loads(found.read_text()))  # by name
    assert (cut.ours, cut.theirs) == ("refused", "refused")
    assert str(folder / "cut.m4a") in cut.message
    for verdict in (late_sound, plain):
        assert (verdict.ours, verdict.theirs, verdict.noise) == ("read", "clean", 0), verdict
        assert verdict.by == "placed"
        assert not verdict.off, verdict
        assert verdict.correlation > 0.99
    assert "3 files; ours: {'refused': 1, 'read': 2}" in printed
    assert "clean and off by more than 20 ms: 0" in printed
