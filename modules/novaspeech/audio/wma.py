"""Times of the frames that a WMA decoder gives."""

from __future__ import annotations

MOST_BEHIND_SECONDS = 0.7  # of what a decoder gives: a packet of the lossless kind
ROUGH_SECONDS = 0.1  # that a packet's time is off: a frame at 16 kHz has 64 ms


class WmaClock:
    """Places of decoded frames, in samples.

    A packet states roughly when the first frame that begins in it begins, and its decoder gives before that the end of
    the packet before. What it gives of the first packet begins with the track, and what follows goes on from there.
    FFmpeg's own encoder writes a frame a packet, with times that allow for this.

    Args:
        start: of the track.
        rate: samples per second, in Hz.
        lossless: whether the decoder gives nothing for the first packet, as that of WMA Lossless.

    Attributes:
        behind: by how much the stated times are later; None as long as this is not known.
    """

    def __init__(self, start: int, rate: int, lossless: bool) -> None:
        self._start, self._rate, self._lossless = start, rate, lossless
        self._begun = False
        self.behind: int | None = None

    def place(self, stated: int, following: int, first_packet: bool) -> int:
        """Place of a frame.

        Args:
            stated: its time by FFmpeg's word.
            following: where the frame before ends.
            first_packet: whether it comes out with the track's first packet.
        """
        if not self._begun:
            self._begun = True
            if first_packet or self._lossless:
                return self._start
            self.behind = 0
        if self.behind is None:
            self.behind = min(max(0, stated - following), round(MOST_BEHIND_SECONDS * self._rate))
        place = stated - self.behind
        return following if self.behind and abs(place - following) < ROUGH_SECONDS * self._rate else place
