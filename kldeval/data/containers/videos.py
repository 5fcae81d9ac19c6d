"""Videos as containers of maps: each frame is one, named by its number, from 0001.

OpenCV decodes them, one frame after another: a frame is reached by decoding those before it, because seeking in
compressed videos lands on other frames than were asked for. So the frames of a video are read in their order, from one
open decoder, and nothing but the last of them is in memory. A run with several workers reads them in one process, which
hands them on (see `kldeval.executors.protocol`): each video is decoded once.
"""

from __future__ import annotations

import itertools
import math
import os
import tempfile
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from kldeval.data.containers import Container
from kldeval.data.readers.apart import ReaderLost, load_apart
from kldeval.data.readers.stored import check_size, unreadable
from kldeval.digests import kept_by
from kldeval.errors import count, printable
from kldeval.memory import MapInMemory, Member
from kldeval.preprocessing.grey import channels_agree
from kldeval.process import is_expendable

if TYPE_CHECKING:
    from pathlib import Path

    from kldeval.arrays import NumpyArray as Array
    from kldeval.data.readers.stored import Limits
    from kldeval.digests import Kept

LOSSLESS = frozenset({"FFV1", "HFYU", "FFVH", "MPNG", "PNG", "RAW", "RGBA", "Y800", "GREY", "ULRG", "ULY0", "MAGY"})
"""The codes of codecs that keep every value; of others one file may, and its name does not say so."""

MOST_FRAMES = 10_000_000

MOST_IDLE = 64
"""Frames of other videos that may be read before a decoder is closed: more than a ground truth has predictions."""


def contents(path: Path, limits: Limits) -> Container:
    """The frames of a video.

    Raises:
        UnreadableMap: it cannot be decoded.
        OSError: it cannot be opened.
    """
    if not is_expendable():
        found: Container = load_apart(__name__, path, limits, "contents")
        return found
    decoder = _Decoder(path)
    check_size(path, decoder.height, decoder.width, limits.max_pixels)
    count = decoder.declared or decoder.counted()
    digits = max(4, len(str(count)))
    names = {number: f"{number:0{digits}d}" for number in range(1, count + 1)}
    where = (count, decoder.codec, decoder.rate)
    members = {
        f"{name}.npy": Member(path, name, __name__, (number, *where), is_array=True) for number, name in names.items()
    }
    return Container(path, members)


def codec_of(member: Member) -> str:
    """The code of the codec that a frame is compressed with."""
    return str(member.where[2])


def rate_of(member: Member) -> float:
    """The frames a second that the video of a frame declares, 0 where it declares none."""
    return float(member.where[3])


def number_of(member: Member) -> int:
    """The number of a frame, from 1."""
    return int(member.where[0])


def is_lossy(member: Member) -> bool:
    """Whether the codec of a frame may have changed its values."""
    return codec_of(member).upper().strip() not in LOSSLESS


def read(member: Member, limits: Limits) -> MapInMemory:
    """One frame, in grey where its channels agree.

    Raises:
        UnreadableMap: it cannot be decoded, or the video holds more or fewer frames than it declares.
    """
    if not is_expendable():
        return _read_apart(member, limits)
    number, count = member.where[:2]
    decoder = _opened(member.path, number)
    check_size(member.path, decoder.height, decoder.width, limits.max_pixels)
    frame = decoder.frame(number)
    if number == count and not decoder.is_at_end():
        raise unreadable(member.path, f"the video holds more frames than the {count} that it declares")
    if frame.ndim == 2 or channels_agree(frame):  # noqa: PLR2004 - height and width
        return MapInMemory(frame if frame.ndim == 2 else np.ascontiguousarray(frame[..., 0]), str(member))  # noqa: PLR2004
    return MapInMemory(frame, str(member), chroma=CHROMA)


def _read_apart(member: Member, limits: Limits) -> MapInMemory:
    """One frame from the other process; once a video has ended that, no further frame of it is asked for."""
    video = str(member.path.absolute()), kept_by(member.path)
    if video in _lost:
        raise _lost[video]
    try:
        found: MapInMemory = load_apart(__name__, member.path, limits, "read_frame", member)
    except ReaderLost as problem:
        _lost[video] = problem
        raise
    return found


_lost: dict[tuple[str, Kept | None], ReaderLost] = {}
"""The videos that ended their reader, with their stamps: each of the frames that follow would end another, or wait."""


def read_frame(member: Member, _path: Path, limits: Limits) -> MapInMemory:
    """A frame, read in the process that reads what is not plainly sound.

    Raises:
        UnreadableMap: as `read`.
    """
    return read(member, limits)


CHROMA = 4
"""How far the channels of a grey frame may be apart: its colours were stored in less detail, and rounded."""


class _Decoder:
    """An open video: `next` is the number of the frame that comes next, and the one before it is kept."""

    def __init__(self, path: Path) -> None:
        import cv2

        self.path = path
        self.kept_by = kept_by(path)
        self.damage = ""
        self._shown_at = -1.0  # in frames
        for name in OTHERWISE:
            os.environ.pop(name, None)
        with _words():
            # one thread: workers are processes already, and the threads of a decoder do not survive a fork
            self._capture: Any = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        if not self._capture.isOpened():
            raise unreadable(path, "no video that can be decoded")
        self.next = 1
        self._last: Array | None = None
        self._is_at_end: bool | None = None
        self.width, self.height = (
            int(self._capture.get(side)) for side in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        )
        code = int(self._capture.get(cv2.CAP_PROP_FOURCC))
        self.codec = "".join(chr(code >> shift & 0xFF) for shift in (0, 8, 16, 24)).strip("\0 ") or "RAW"
        rate = float(self._capture.get(cv2.CAP_PROP_FPS))
        self.rate = rate if math.isfinite(rate) else 0.0
        declared = self._capture.get(cv2.CAP_PROP_FRAME_COUNT)
        self.declared = int(declared) if 0 < declared <= MOST_FRAMES else 0

    def counted(self) -> int:
        """The number of frames, by decoding them."""
        while self.next <= MOST_FRAMES and self.has_more():
            self.next += 1
        if self.next == 1:
            raise unreadable(self.path, f"a video without a frame{self.damage and f' ({self.damage})'}")
        return self.next - 1

    def has_more(self) -> bool:
        """Whether another sound frame follows, which is passed over; nothing that follows a damaged one is."""
        if self.damage:
            return False
        with _words() as said:
            found = bool(self._capture.grab())
        self.damage = said.first or (self._jump() if found else "")
        return found and not self.damage

    def _jump(self) -> str:
        """What is wrong with the time of the frame that was grabbed: decoders leave out what they cannot decode."""
        import cv2

        at, before = self._capture.get(cv2.CAP_PROP_POS_MSEC) * self.rate / 1000, self._shown_at
        self._shown_at = at
        if not self.rate or abs(at - before - 1) < HALF:
            return ""
        return (
            f"frame {self.next} is shown {at - before:.2f} frames after the one before: some are missing, or the rate "
            "is not constant (ffmpeg -i VIDEO -fps_mode cfr OUT makes it so)"
        )

    def is_at_end(self) -> bool:
        """Whether no frame follows; then the decoder is closed, and the last frame is kept alone."""
        if self._is_at_end is None:
            self._is_at_end = not self.has_more()
            self._capture.release()
        return self._is_at_end

    def may_give(self, number: int) -> bool:
        """Whether the frame of a number is the last that was read, or comes after it."""
        return number >= self.next or (number == self.next - 1 and self._last is not None)

    def frame(self, number: int) -> Array:
        """The frame of a number that it may give.

        Raises:
            UnreadableMap: the video ends before it, or is damaged.
        """
        if number < self.next and self._last is not None:
            return self._last
        self._last = None
        while self.next < number and self.has_more():
            self.next += 1
        frame: Array | None = None
        if self.next == number and self.has_more():
            with _words():
                frame = self._capture.retrieve()[1]
        if frame is None:
            why = f": {self.damage}" if self.damage else ""
            raise unreadable(self.path, f"the video ends or is damaged after {count(self.next - 1, 'frame')}{why}")
        self.next += 1
        self._last = frame
        return frame


HALF = 0.5
"""Frames by which the time of one may differ from that of constant rate: containers round times to milliseconds."""

OTHERWISE = ("OPENCV_FFMPEG_LOGLEVEL", "OPENCV_FFMPEG_DEBUG")
"""What would have OpenCV print FFmpeg's messages on standard output; without, errors are on standard error."""


class _words:  # noqa: N801 - used as a function
    """What a library of C writes to standard error meanwhile, which nobody else sees; `first` is its first line.

    FFmpeg says there alone that a frame is damaged, which it then makes up from others.
    """

    def __init__(self) -> None:
        self.first = ""

    def __enter__(self) -> Self:
        if not _heard:
            _heard.append(tempfile.TemporaryFile(buffering=0))
        self._kept = os.dup(STDERR)
        os.ftruncate(_heard[0].fileno(), 0)
        os.lseek(_heard[0].fileno(), 0, os.SEEK_SET)
        os.dup2(_heard[0].fileno(), STDERR)
        return self

    def __exit__(self, *_: object) -> None:
        os.dup2(self._kept, STDERR)
        os.close(self._kept)
        said = os.pread(_heard[0].fileno(), 1000, 0)
        self.first = printable(said.decode("utf-8", "replace").strip().partition("\n")[0].rpartition("] ")[2][:LONGEST])


STDERR, LONGEST = 2, 100

_heard: list[Any] = []


_decoders: dict[str, tuple[int, _Decoder]] = {}
"""The open decoders by their videos, each with the number of the last request for one of its frames."""

_requests = itertools.count()


def _opened(path: Path, number: int) -> _Decoder:
    """The decoder of a video that has not passed a frame: the one that is open, or a new one."""
    key, request = str(path.absolute()), next(_requests)
    _, decoder = _decoders.pop(key, (0, None))
    if decoder is None or not decoder.may_give(number) or decoder.kept_by != kept_by(path):
        decoder = _Decoder(path)
    for idle in [other for other, (last, _) in _decoders.items() if last < request - MOST_IDLE]:
        del _decoders[idle]
    _decoders[key] = request, decoder
    return decoder
