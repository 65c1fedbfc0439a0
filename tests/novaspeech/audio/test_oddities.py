"""Odd files that people have, each of which was once read wrongly."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from novaspeech.audio.recording import Recording
from novaspeech.audio.wma import WmaClock
from novaspeech.errors import RecordingError
from tests.conftest import SYNTHETIC
from tests.novaspeech.audio.sounds import RATE, SECONDS, heard, lag_ms, noise, run

DATA = SYNTHETIC.parent
# Of a file by Windows Media Player, 44.1 kHz: (time of a packet by FFmpeg in ms, samples that come out with it).
# It states 2.045 s.
WMA = [(93, 12288), (325, 16384), (696, 14336), (1023, 12288), (1290, 12288), (1568, 14336), (1894, 8192)]


def ogg_pages(content: bytes) -> Iterator[bytes]:
    while content:
        count = content[26]
        size = 27 + count + sum(content[27 : 27 + count])
        yield content[:size]
        content = content[size:]


def test_what_a_wma_decoder_gives_late_goes_on_without_a_gap() -> None:
    clock, following = WmaClock(0, 44100, lossless=False), 0
    for index, (stated_ms, samples) in enumerate(WMA):
        place = clock.place(round(stated_ms * 44.1), following, first_packet=not index)
        assert place == following
        following += samples
    assert following / 44.1 == pytest.approx(2045, abs=2048 / 44.1)
    later = clock.place(following + 20000, following, first_packet=False)
    assert 16000 < later - following < 20000  # packets are lost: a gap


def test_times_of_a_wma_by_ffmpeg_are_believed() -> None:
    clock = WmaClock(0, 48000, lossless=False)
    assert [clock.place(at, at - 5, first_packet=False) for at in (4096, 6144, 8200)] == [4096, 6144, 8200]


def test_an_opus_stream_that_was_joined_on_its_way_is_read_from_there(folder: Path) -> None:
    run("-i", folder / "long.wav", "-page_duration", 500000, folder / "radio.opus")
    pages = list(ogg_pages((folder / "radio.opus").read_bytes()))
    (folder / "joined.opus").write_bytes(b"".join([*pages[:2], *pages[12:]]))
    assert Recording.open(folder / "joined.opus").duration_ms == pytest.approx(7000, abs=20)
    (folder / "joined.opus").write_bytes(b"".join([*pages[:2], *pages[12:-4]]))
    assert Recording.open(folder / "joined.opus").duration_ms == pytest.approx(5500, abs=20)


@pytest.mark.parametrize(("name", "codec"), [("float.w64", "pcm_f32le"), ("double.w64", "pcm_f64le")])
def test_a_w64_of_floats_holds_no_whole_numbers(folder: Path, name: str, codec: str) -> None:
    run("-i", folder / "base.wav", "-c:a", codec, folder / name)
    np.testing.assert_allclose(heard(folder / name, RATE), heard(folder / "base.wav", RATE), atol=1e-6)


def test_a_telephone_recording_ends_with_its_last_block(folder: Path) -> None:
    blocks = 3  # of 320 samples and 65 bytes: an odd number, which a byte fills up
    soundfile.write(folder / "gsm.wav", noise()[: 320 * blocks], 8000, subtype="GSM610")
    assert Recording.open(folder / "gsm.wav").duration_ms == 40 * blocks


@pytest.mark.parametrize("codec", ["ac3", "eac3"])
def test_a_tag_before_the_first_frame_is_no_lost_sound(folder: Path, codec: str) -> None:
    run("-i", folder / "base.wav", folder / f"plain.{codec}")
    tag = (
        b"ID3\x04\x00\x00\x00\x00\x00\x3f"
        + b"PRIV"
        + bytes([0, 0, 0, 53, 0, 0])
        + b"com.apple.streaming".ljust(53, b"\0")
    )
    (folder / f"tagged.{codec}").write_bytes(tag + (folder / f"plain.{codec}").read_bytes())
    found = heard(folder / f"tagged.{codec}")
    assert len(found) / 16 == pytest.approx(1000 * SECONDS, abs=40)
    assert not np.isnan(found).any()
    assert lag_ms(found, noise()) == pytest.approx(0, abs=12)


def test_a_tag_behind_the_last_frame_is_no_lost_sound(folder: Path) -> None:
    run("-i", folder / "base.wav", folder / "plain.aac")
    head, foot = (b"APETAGEX" + bytes([208, 7, 0, 0, 32, *bytes(10), flags, *bytes(8)]) for flags in (0xA0, 0x80))
    (folder / "tagged.aac").write_bytes((folder / "plain.aac").read_bytes() + head + foot)
    np.testing.assert_array_equal(heard(folder / "tagged.aac"), heard(folder / "plain.aac"))


def test_what_itunes_says_of_its_encoders_padding_is_left_out() -> None:
    assert Recording.open(DATA / "itunes.m4a").samples == 44100  # of beets' tests (MIT); a second of sound


def test_subtitles_begin_a_video_as_players_have_it(folder: Path) -> None:
    (folder / "a.srt").write_text("1\n00:00:00,000 --> 00:00:01,000\nHello\n")
    picture = ("-itsoffset", "0.1", "-f", "lavfi", "-i", "color=size=32x32:rate=10:duration=2")
    sound = ("-itsoffset", "0.3", "-i", folder / "base.wav")
    run(*picture, *sound, "-i", folder / "a.srt", "-c:v", "mpeg4", "-c:a", "flac", "-c:s", "srt", folder / "titled.mkv")
    assert lag_ms(heard(folder / "titled.mkv"), noise()) == pytest.approx(300, abs=2)
    run(*picture, *sound, "-c:v", "mpeg4", "-c:a", "flac", folder / "plain.mkv")
    assert lag_ms(heard(folder / "plain.mkv"), noise()) == pytest.approx(200, abs=2)


def test_more_channels_than_ffmpeg_mixes_are_refused(folder: Path) -> None:
    soundfile.write(folder / "many.wav", np.zeros((4800, 80)), RATE)
    run("-i", folder / "many.wav", "-c", "copy", folder / "many.mka")
    with pytest.raises(
        RecordingError, match="many.mka has 80 channels at 48000 Hz from 0.000 s on, which FFmpeg cannot"
    ):
        Recording.open(folder / "many.mka")
