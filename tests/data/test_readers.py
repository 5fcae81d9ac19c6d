"""What each format gives: the value that the file means, or a refusal that says why. Never a guess."""

from __future__ import annotations

import importlib.util
import io
import json
import os
import struct
import sys
import tracemalloc
import zipfile
import zlib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
import tifffile
from command_line import kldeval, score
from hypothesis import given, settings
from hypothesis import strategies as st
from image_files import GREY, GREY_ALPHA, PALETTE, RGB, RGBA, png_chunk, png_of, tiff
from looping import each_of
from reading import SUFFIXES, another_child, read_fixations, read_map, read_size

from kldeval.data.class_weights import weights_text
from kldeval.errors import KldevalError, UnreadableMap, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Sequence

Array = np.ndarray[Any, np.dtype[Any]]

HOSTILE = Path(__file__).parent.parent / "hostile"
IMAGES = HOSTILE / "images"

MAP = (np.add.outer(np.arange(40) ** 2, np.arange(56) * 5) % 256).astype(np.uint8)

DEPTHS = {GREY: (1, 2, 4, 8, 16), RGB: (8, 16), PALETTE: (1, 2, 4, 8), GREY_ALPHA: (8, 16), RGBA: (8, 16)}
"""The bits of a sample that a PNG of each kind may have."""

SAMPLES = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGBA: 4}
"""The samples of a pixel."""

ADAM7 = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
"""The first row and column of each pass of an interlaced PNG, and the steps downwards and to the right."""

MAGIC = b"\x89PNG\r\n\x1a\n"


def read(tmp_path: Path, name: str, data: bytes, **options: Any) -> Any:
    path = tmp_path / name
    path.write_bytes(data)
    return read_map(path, **options)


def refusal(tmp_path: Path, name: str, data: bytes, **options: Any) -> str:
    with pytest.raises(UnreadableMap) as problem:
        read(tmp_path, name, data, **options)
    message = str(problem.value)
    assert "\n" not in message
    return message.removeprefix(f"{tmp_path / name}: ")


def with_exif(orientation: int) -> bytes:
    """An EXIF block that holds nothing but an orientation."""
    return b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, 274, 3, 1, orientation, 0, 0)


def tiff_of(array: Array, **options: Any) -> bytes:
    file = io.BytesIO()
    tifffile.imwrite(file, array, **{"photometric": "minisblack", **options})
    return file.getvalue()


UPRIGHT = {
    1: MAP,
    2: MAP[:, ::-1],
    3: MAP[::-1, ::-1],
    4: MAP[::-1],
    5: MAP.T,
    6: MAP.T[:, ::-1],
    7: MAP.T[::-1, ::-1],
    8: MAP.T[::-1],
}
"""What a viewer shows of MAP under each orientation."""


class TestPng:
    @settings(max_examples=100, deadline=None)
    @given(data=st.data())
    def test_every_kind_depth_filter_and_pass_is_what_opencv_reads(self, data: Any) -> None:
        kind = data.draw(st.sampled_from(sorted(DEPTHS)))
        depth = data.draw(st.sampled_from(DEPTHS[kind]))
        height, width = data.draw(st.tuples(st.integers(1, 19), st.integers(1, 19)))
        seed, interlaced = data.draw(st.integers(0, 2**32)), data.draw(st.booleans())
        filters = data.draw(st.sampled_from([range(5), (0,), (1,), (2,)]))  # most programs write one for all rows
        file = any_png(np.random.default_rng(seed), height, width, kind, depth, filters, interlaced=interlaced)
        expected = cv2.imdecode(np.frombuffer(file, np.uint8), cv2.IMREAD_UNCHANGED)
        for without in ("", "imagecodecs", "kornia_rs"):
            with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
                if without == "imagecodecs":
                    patch.setattr("kldeval.data.readers.png._add_up", lambda: None)
                elif without:
                    patch.setitem(sys.modules, without, None)
                found = read(Path(folder), "x.png", file).array
            np.testing.assert_array_equal(found, expected)
            assert expected is not None
            assert found.dtype == expected.dtype

    @settings(max_examples=80, deadline=None)
    @given(data=st.data())
    def test_damage_that_hides_behind_right_checksums_is_noticed(self, data: Any) -> None:
        whole = any_png(np.random.default_rng(5), 12, 17, GREY, 8, interlaced=False)
        pixels = bytearray(inflated(whole))
        stream = bytearray(zlib.compress(bytes(pixels), data.draw(st.integers(0, 9))))
        stream[data.draw(st.integers(0, len(stream) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        file = whole[:33] + png_chunk(b"IDAT", bytes(stream)) + png_chunk(b"IEND")
        with TemporaryDirectory() as folder:
            try:
                found = read(Path(folder), "x.png", file).array
            except UnreadableMap:
                return
            np.testing.assert_array_equal(found, read(Path(folder), "y.png", whole).array)

    @pytest.mark.parametrize("extra", [-40, 40])
    def test_the_pixels_must_be_as_many_as_declared(self, tmp_path: Path, extra: int) -> None:
        rows = b"".join(b"\0" + row.tobytes() for row in MAP)
        stream = zlib.compress(rows[:extra] if extra < 0 else rows + rows[:extra])
        header = struct.pack(">IIBBBBB", MAP.shape[1], MAP.shape[0], 8, 0, 0, 0, 0)
        data = MAGIC + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", stream) + png_chunk(b"IEND")
        what = "damaged: the compressed pixels of the PNG are not those that its header declares"
        assert refusal(tmp_path, "a.png", data) == what

    def test_a_large_one_is_verified_before_opencv_decodes_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("kldeval.data.readers.png.IN_MEMORY", 100)
        whole = png_of(MAP)
        np.testing.assert_array_equal(read(tmp_path, "a.png", whole).array, MAP)
        stream = bytearray(whole[41:-16])
        stream[-1] ^= 1
        damaged = whole[:33] + png_chunk(b"IDAT", bytes(stream)) + png_chunk(b"IEND")
        assert refusal(tmp_path, "a.png", damaged).startswith("damaged: the compressed pixels of the PNG")

    def test_a_transparent_colour_counts_where_a_pixel_has_it(self, tmp_path: Path) -> None:
        for name, array, kind, key in (
            ("grey", MAP, GREY, (int(MAP[3, 4]),)),
            ("rgb", np.dstack([MAP, MAP, MAP]), RGB, (int(MAP[3, 4]),) * 3),
            ("deep", MAP.astype(np.uint16) * 257, GREY, (int(MAP[3, 4]) * 257,)),
        ):
            shown = read(tmp_path, f"{name}.png", png_of(array, kind=kind, extra=transparent(*key))).array
            assert shown.shape[-1] == 4
            np.testing.assert_array_equal(shown[..., 3] == 0, MAP[3, 4] == MAP)
            path = tmp_path / f"{name}.png"
            outcome = kldeval(path, path)
            assert outcome.code == 1
            assert "its alpha is not opaque" in outcome.out + outcome.err
        unused = png_of(MAP[:1, :3], extra=transparent(99))
        np.testing.assert_array_equal(read(tmp_path, "unused.png", unused).array, MAP[:1, :3])

    def test_labels_are_the_indices_whatever_the_depth(self, tmp_path: Path) -> None:
        for depth in (1, 2, 4, 8):
            for interlaced in (False, True):
                file = any_png(np.random.default_rng(1), 9, 13, PALETTE, depth, interlaced=interlaced)
                found = read(tmp_path, "labels.png", file, labels=True).array
                as_colours = read(tmp_path, "labels.png", file).array
                assert found.max() < 2**depth
                assert len({tuple(c) for c in as_colours.reshape(-1, 3)}) <= len(np.unique(found))

    @pytest.mark.parametrize("name", ["frame_chunks.png", "frame_chunks_labels.png"])
    def test_frames_without_their_announcement_are_an_animation(self, name: str) -> None:
        with pytest.raises(UnreadableMap, match="an animation; a map is one image"):
            read_map(IMAGES / name)

    def test_one_without_a_header_is_refused(self) -> None:
        for name in ("01_only_iend.png", "no_header.png"):
            for labels in (False, True):
                with pytest.raises(UnreadableMap, match="damaged: the PNG does not begin with its IHDR chunk"):
                    read_map(IMAGES / name, labels=labels)

    def test_a_palette_that_is_missing_is_missed_by_labels_too(self) -> None:
        for labels in (False, True):
            with pytest.raises(UnreadableMap, match="damaged: a PNG of palette colours without a palette"):
                read_map(IMAGES / "no_palette.png", labels=labels)

    def test_a_depth_that_does_not_exist_is_refused(self) -> None:
        with pytest.raises(UnreadableMap, match="damaged: no PNG has 0 bits of colour type 0"):
            read_map(IMAGES / "02_depth0_label.png", labels=True)


def inflated(file: bytes) -> bytes:
    """The filtered rows of a PNG of two IDAT chunks."""
    stream, start = b"", 33
    while file[start + 4 : start + 8] == b"IDAT":
        (length,) = struct.unpack_from(">I", file, start)
        stream += file[start + 8 : start + 8 + length]
        start += 12 + length
    return zlib.decompress(stream)


def transparent(*key: int) -> bytes:
    return png_chunk(b"tRNS", struct.pack(f">{len(key)}H", *key))


def any_png(
    rng: np.random.Generator,
    height: int,
    width: int,
    kind: int,
    depth: int,
    filters: Sequence[int] = range(5),
    *,
    interlaced: bool,
) -> bytes:
    """A PNG of random samples, every row filtered by one of the filters."""
    samples = rng.integers(0, 2**depth, (height, width, SAMPLES[kind]))
    n_bytes, filtered = max(1, depth * samples.shape[-1] // 8), b""
    for first, left, down, right in ADAM7 if interlaced else ((0, 0, 1, 1),):
        part = samples[first::down, left::right]
        before = b""
        for row in part if part.size else ():
            packed = pack(row.reshape(-1), depth)
            filtered += apply_filter(int(rng.choice(filters)), packed, before or bytes(len(packed)), n_bytes)
            before = packed
    palette = png_chunk(b"PLTE", rng.integers(0, 256, 3 * 2**depth).astype(np.uint8).tobytes())
    stream = zlib.compress(filtered, int(rng.integers(0, 10)))
    cut = int(rng.integers(0, len(stream)))
    header = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, interlaced)
    chunks = [png_chunk(b"IHDR", header), *([palette] if kind == PALETTE else [])]
    return MAGIC + b"".join(
        [*chunks, *(png_chunk(b"IDAT", p) for p in (stream[:cut], stream[cut:])), png_chunk(b"IEND")]
    )


def pack(values: Array, depth: int) -> bytes:
    if depth >= 8:
        return values.astype(">u2" if depth == 16 else np.uint8).tobytes()
    bits = (values[:, None] >> np.arange(depth)[::-1]) & 1
    return np.packbits(bits.astype(np.uint8)).tobytes()


def apply_filter(number: int, row: bytes, above: bytes, n_bytes: int) -> bytes:
    """The row as PNG's filter of this number writes it."""
    out = bytearray([number])
    for place, value in enumerate(row):
        left = row[place - n_bytes] if place >= n_bytes else 0
        corner = above[place - n_bytes] if place >= n_bytes else 0
        paeth = min((left, above[place], corner), key=lambda near: abs(left + above[place] - corner - near))
        guess = (0, left, above[place], (left + above[place]) // 2, paeth)[number]
        out.append((value - guess) & 0xFF)
    return bytes(out)


class TestOrientation:
    @pytest.mark.parametrize("orientation", sorted(UPRIGHT))
    def test_maps_lie_as_viewers_show_them(self, tmp_path: Path, orientation: int) -> None:
        exif = with_exif(orientation)
        files = {
            "a.png": png_of(MAP, extra=png_chunk(b"eXIf", exif)),
            "a.tif": tiff_of(MAP, extratags=[(274, "H", 1, orientation, True)]),
        }
        for name, data in files.items():
            np.testing.assert_array_equal(read(tmp_path, name, data).array, UPRIGHT[orientation])
            assert read_size(tmp_path / name) == UPRIGHT[orientation].shape
        encoded = bytes(cv2.imencode(".jpg", MAP)[1])
        segment = b"\xff\xe1" + struct.pack(">H", 8 + len(exif)) + b"Exif\0\0" + exif
        stored = read(tmp_path, "plain.jpg", encoded).array
        turned = read(tmp_path, "a.jpg", encoded[:2] + segment + encoded[2:]).array
        again = {1: stored, 2: stored[:, ::-1], 3: stored[::-1, ::-1], 4: stored[::-1], 5: stored.T}
        again |= {6: stored.T[:, ::-1], 7: stored.T[::-1, ::-1], 8: stored.T[::-1]}
        np.testing.assert_array_equal(turned, again[orientation])
        assert read_size(tmp_path / "a.jpg") == UPRIGHT[orientation].shape

    @pytest.mark.parametrize("orientation", sorted(UPRIGHT))
    def test_webp_lies_as_viewers_show_it(self, tmp_path: Path, orientation: int) -> None:
        def chunk(kind: bytes, data: bytes) -> bytes:
            return kind + struct.pack("<I", len(data)) + data + b"\0" * (len(data) % 2)

        image = bytes(cv2.imencode(".webp", MAP, [cv2.IMWRITE_WEBP_QUALITY, 101])[1])[12:]
        sides = b"".join(struct.pack("<I", side - 1)[:3] for side in MAP.shape[::-1])
        extended = chunk(b"VP8X", b"\x08\0\0\0" + sides)
        for head in (b"", b"Exif\0\0"):
            body = b"WEBP" + extended + image + chunk(b"EXIF", head + with_exif(orientation))
            found = read(tmp_path, "a.webp", b"RIFF" + struct.pack("<I", len(body)) + body).array
            grey = found if found.ndim == 2 else found[..., 0]
            np.testing.assert_array_equal(grey, UPRIGHT[orientation])
            assert read_size(tmp_path / "a.webp") == UPRIGHT[orientation].shape

    @pytest.mark.parametrize("orientation", sorted(UPRIGHT))
    @pytest.mark.parametrize("order", "<>")
    @pytest.mark.parametrize("kind", ["B", "H", "I"])
    def test_every_whole_number_tells_an_orientation(
        self, tmp_path: Path, orientation: int, order: str, kind: str
    ) -> None:
        number = struct.pack(order + kind, orientation).ljust(4, b"\0")
        entries = struct.pack(order + "HHII", 271, 2, 1, 0)
        entries += struct.pack(order + "HHI", 274, {"B": 1, "H": 3, "I": 4}[kind], 1) + number
        start = {"<": b"II*\0", ">": b"MM\0*"}[order]
        exif = start + struct.pack(order + "IH", 8, 2) + entries + b"\0" * 4
        found = read(tmp_path, "a.png", png_of(MAP, extra=png_chunk(b"eXIf", exif))).array
        np.testing.assert_array_equal(found, UPRIGHT[orientation])

    def test_the_number_is_that_of_the_upright_maps(self, tmp_path: Path) -> None:
        gt = MAP[:, ::-1].T.copy()
        cv2.imwrite(str(tmp_path / "gt.png"), gt)
        (tmp_path / "p.png").write_bytes(png_of(np.ascontiguousarray(gt.T[:, ::-1].T[:, ::-1].T)))
        (tmp_path / "exif.png").write_bytes(
            png_of(np.ascontiguousarray(gt[:, ::-1].T), extra=png_chunk(b"eXIf", with_exif(6)))
        )
        shown = read_map(tmp_path / "exif.png").array
        cv2.imwrite(str(tmp_path / "shown.png"), shown)
        assert score(tmp_path / "exif.png", tmp_path / "gt.png") == score(tmp_path / "shown.png", tmp_path / "gt.png")


class TestJpeg:
    def test_one_that_is_cut_and_closed_is_refused(self) -> None:
        assert read_map(IMAGES / "whole.jpg").array.shape == (40, 60)
        with pytest.raises(UnreadableMap, match="damaged: libjpeg warns of the JPEG"):
            read_map(IMAGES / "half_plus_eoi.jpg")

    @pytest.mark.parametrize("suffix_options", [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_OPTIMIZE, 1)])
    @pytest.mark.parametrize("share", [0.3, 0.5, 0.7, 0.9])
    def test_every_way_of_losing_a_part_is_noticed(
        self, tmp_path: Path, suffix_options: tuple[int, ...], share: float
    ) -> None:
        noise = np.random.default_rng(0).integers(0, 256, (120, 160), dtype=np.uint8)
        blurred = cv2.GaussianBlur(noise, (0, 0), 3)
        for picture in (noise, blurred, np.dstack([blurred, blurred // 2, noise])):
            whole = bytes(cv2.imencode(".jpg", picture, suffix_options)[1])
            start = whole.rfind(b"\xff\xda")
            place = start + int(share * (len(whole) - start))
            assert refusal(tmp_path, "cut.jpg", whole[:place])
            assert refusal(tmp_path, "closed.jpg", whole[:place] + b"\xff\xd9")
            zeros = bytes(min(200, len(whole) - 2 - place))
            assert refusal(tmp_path, "zeroed.jpg", whole[:place] + zeros + whole[place + len(zeros) :])

    def test_a_progressive_one_without_its_last_scans_is_refused(self, tmp_path: Path) -> None:
        whole = bytes(cv2.imencode(".jpg", MAP, (cv2.IMWRITE_JPEG_PROGRESSIVE, 1))[1])
        scans = [place for place in range(len(whole)) if whole[place : place + 2] == b"\xff\xda"]
        tables = whole.rfind(b"\xff\xc4", 0, scans[-1])
        end = tables if tables > scans[-2] else scans[-1]
        message = refusal(tmp_path, "a.jpg", whole[:end] + b"\xff\xd9")
        assert message == "truncated: the progressive JPEG lacks its finer scans"

    def test_bytes_beside_the_image_change_nothing(self, tmp_path: Path) -> None:
        whole = (IMAGES / "whole.jpg").read_bytes()
        expected = read_map(IMAGES / "whole.jpg").array
        for data in (whole + b"trailing", whole[:-2] + bytes(3) + whole[-2:]):
            np.testing.assert_array_equal(read(tmp_path, "a.jpg", data).array, expected)

    @pytest.mark.parametrize("options", [(), (cv2.IMWRITE_JPEG_PROGRESSIVE, 1), (cv2.IMWRITE_JPEG_QUALITY, 30)])
    def test_the_pixels_are_those_of_opencv(self, tmp_path: Path, options: tuple[int, ...]) -> None:
        for array in (MAP, np.dstack([MAP, MAP // 2, 255 - MAP]), MAP[:1, :1], MAP[:17, :33]):
            data = bytes(cv2.imencode(".jpg", array, options)[1])
            expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
            np.testing.assert_array_equal(read(tmp_path, "a.jpg", data).array, expected)


TYPES = ["u1", "u2", "u4", "i1", "i2", "i4", "f2", "f4", "f8"]


class TestTiff:
    @pytest.mark.parametrize("compression", [None, "lzw", "zlib", "packbits", "zstd", "lzma"])
    @pytest.mark.parametrize(
        "layout", [{}, {"rowsperstrip": 7}, {"tile": (16, 32)}, {"byteorder": ">"}, {"bigtiff": True}]
    )
    def test_values_come_back_whatever_the_layout(
        self, tmp_path: Path, compression: str | None, layout: dict[str, Any]
    ) -> None:
        rng = np.random.default_rng(0)
        shapes: list[tuple[tuple[int, ...], str | None]]
        shapes = [((37, 53), None), ((37, 53, 3), "contig"), ((3, 37, 53), "separate")]
        turn = len(str(compression)) + len(str(layout))  # every type has every shape, under some of the layouts
        for place, dtype in enumerate(TYPES, turn):
            shape, order = shapes[place % 3]
            array = (rng.random(shape) * 100).astype(dtype)
            options: dict[str, Any] = {"photometric": "rgb", "planarconfig": order} if order else {}
            data = tiff_of(array, compression=compression, **options, **layout)
            expected = (
                array if order is None else (np.moveaxis(array, 0, -1) if order == "separate" else array)[..., ::-1]
            )
            found = read(tmp_path, "a.tif", data).array
            np.testing.assert_array_equal(found, expected)
            assert found.dtype == array.dtype

    @pytest.mark.parametrize("compression", ["lzw", "zlib"])
    def test_predictors_are_undone(self, tmp_path: Path, compression: str) -> None:
        for array in (MAP, MAP.astype(np.uint16) * 200, MAP.astype(np.float32) / 7):
            data = tiff_of(array, compression=compression, predictor=True)
            np.testing.assert_array_equal(read(tmp_path, "a.tif", data).array, array)

    @pytest.mark.parametrize("name", ["damaged_lzw_u8.tif", "short_lzw.tif"])
    def test_a_damaged_strip_is_refused(self, name: str) -> None:
        with pytest.raises(UnreadableMap, match="damaged: "):
            read_map(IMAGES / name)

    @pytest.mark.parametrize("compression", ["lzw", "zlib", "packbits", "zstd", "lzma"])
    def test_a_strip_with_missing_bytes_is_refused(self, tmp_path: Path, compression: str) -> None:
        noise = np.random.default_rng(0).integers(0, 256, (40, 56), dtype=np.uint8)
        data = bytearray(tiff_of(noise, compression=compression))
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            tag = file.pages[0].tags["StripByteCounts"]
            n_bytes, place = int(tag.value[0]), tag.valueoffset
        struct.pack_into("<I" if tag.dtype == 4 else "<H", data, place, n_bytes - 60)
        assert "damaged" in refusal(tmp_path, "a.tif", bytes(data))

    def test_damage_that_deflate_notices_is_refused(self, tmp_path: Path) -> None:
        data = bytearray(tiff_of(MAP, compression="zlib"))
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            start, n_bytes = file.pages[0].dataoffsets[0], file.pages[0].databytecounts[0]
        for place in range(start, start + n_bytes, 37):
            damaged = bytearray(data)
            damaged[place] ^= 16
            assert "damaged" in refusal(tmp_path, "a.tif", bytes(damaged))

    def test_three_equal_planes_are_grey_and_three_others_are_refused(self, tmp_path: Path) -> None:
        np.testing.assert_array_equal(read_map(IMAGES / "planar3_u16.tif").array, np.load(IMAGES / "truth16.npy"))
        planes = np.stack([MAP, MAP, 255 - MAP])
        data = tiff_of(planes, planarconfig="separate")
        assert refusal(tmp_path, "a.tif", data).startswith(("a TIFF of 3 samples per pixel", "a TIFF of 3 pages"))

    @pytest.mark.parametrize("name", ["miniswhite_u8.tif", "miniswhite_u16.tif"])
    def test_white_as_zero_is_refused_for_every_depth(self, name: str) -> None:
        with pytest.raises(UnreadableMap, match=r"0 is white \(MinIsWhite\).*; store it with 0 as black$"):
            read_map(IMAGES / name)

    def test_the_full_page_is_read_not_the_thumbnail_before_it(self, tmp_path: Path) -> None:
        file = io.BytesIO()
        with tifffile.TiffWriter(file) as writer:
            writer.write(MAP[::4, ::4], photometric="minisblack", subfiletype=1)
            writer.write(MAP, photometric="minisblack")
        np.testing.assert_array_equal(read(tmp_path, "a.tif", file.getvalue()).array, MAP)

    def test_a_stack_of_imagej_is_refused(self, tmp_path: Path) -> None:
        data = tiff_of(np.stack([MAP, MAP]), imagej=True)
        assert refusal(tmp_path, "a.tif", data) == "a TIFF of 2 pages; a map is one"

    @pytest.mark.parametrize("bits", [10, 12, 14])
    def test_other_depths_are_shares_of_their_own_largest_value(self, tmp_path: Path, bits: int) -> None:
        values = (MAP.astype(np.uint16) << (bits - 8)) | 3
        found = read(tmp_path, "a.tif", tiff_of(values, bitspersample=bits))
        np.testing.assert_array_equal(found.array, values)
        assert found.scale == 2**bits - 1
        np.save(tmp_path / "shares.npy", values / (2**bits - 1))
        np.save(tmp_path / "gt.npy", MAP + 1.0)
        norm = ("--pred-norm", "flatten-softmax")
        assert score(tmp_path / "a.tif", tmp_path / "gt.npy", *norm) == pytest.approx(
            score(tmp_path / "shares.npy", tmp_path / "gt.npy", *norm), rel=1e-12
        )

    @pytest.mark.parametrize("bits", [1, 2, 4])
    def test_few_bits_fill_eight(self, tmp_path: Path, bits: int) -> None:
        values = MAP >> (8 - bits)
        data = tiff_of(values.astype(bool) if bits == 1 else values, **({} if bits == 1 else {"bitspersample": bits}))
        np.testing.assert_array_equal(read(tmp_path, "a.tif", data).array, values * (255 // (2**bits - 1)))

    def test_jpeg_2000_inside_is_read_and_bounded(self, tmp_path: Path) -> None:
        data = tiff_of(MAP, compression="jpeg2000")
        np.testing.assert_array_equal(read(tmp_path, "a.tif", data).array, MAP)
        place = data.find(b"\xff\x4f\xff\x51") + 8
        larger = data[:place] + struct.pack(">I", 60_000) + data[place + 4 :]
        assert "a strip of JPEG 2000 declares 60000 x 40 pixels" in refusal(tmp_path, "b.tif", larger)

    def test_other_compressions_need_trust(self, tmp_path: Path) -> None:
        data = (
            tiff_of(MAP, compression="webp")
            if False
            else tiff_of(np.dstack([MAP] * 3), photometric="rgb", compression="webp", compressionargs={"level": 100})
        )
        assert refusal(tmp_path, "a.tif", data).endswith("whose sizes cannot be bounded: --trust-files")
        assert read(tmp_path, "a.tif", data, trusts_files=True).array.shape == (*MAP.shape, 3)

    def test_a_width_of_a_signed_type_is_a_width(self, tmp_path: Path) -> None:
        data = bytearray(tiff([MAP]))
        place = data.find(struct.pack("<HHI", 256, 4, 1))
        struct.pack_into("<HHIi", data, place, 256, 9, 1, 60_000_000)
        message = refusal(tmp_path, "a.tif", bytes(data))
        assert "--max-pixels" in message or "damaged" in message


class TestNetpbm:
    @pytest.mark.parametrize("name", ["p2_max100.pgm", "p5_max100.pgm"])
    def test_a_declared_maximum_is_the_full_scale_in_text_and_binary(self, name: str) -> None:
        found = read_map(IMAGES / name)
        assert found.scale == 100
        assert found.array.dtype == np.uint8
        np.testing.assert_array_equal(found.array, read_map(IMAGES / "p2_max100.pgm").array)

    def test_a_black_and_white_pam_is_black_and_white(self) -> None:
        np.testing.assert_array_equal(read_map(IMAGES / "bw.pam").array, np.load(IMAGES / "truth_bw.npy"))

    @pytest.mark.parametrize("largest", [1, 7, 100, 255, 1000, 65535])
    def test_every_maximum_in_every_form(self, tmp_path: Path, largest: int) -> None:
        dtype = np.dtype(">u2" if largest > 255 else "u1")
        values = (np.arange(12).reshape(3, 4) * 321 % (largest + 1)).astype(dtype)
        size = b"4 3\n%d\n" % largest
        text = b" ".join(b"%d" % value for value in values.ravel())
        pam = b"P7\nWIDTH 4\nHEIGHT 3\nDEPTH 1\nMAXVAL %d\nTUPLTYPE GRAYSCALE\nENDHDR\n" % largest
        for name, data in {
            "a.pgm": b"P5\n" + size + values.tobytes(),
            "b.pgm": b"P2\n# a comment\n" + size + text,
            "c.pam": pam + values.tobytes(),
        }.items():
            found = read(tmp_path, name, data)
            np.testing.assert_array_equal(found.array, values)
            assert found.scale == largest

    @pytest.mark.parametrize("data", [b"P5\n2 1\n100\n\x65\x01", b"P2\n2 1\n100\n101 1", b"P2\n2 1\n100\n70000 1"])
    def test_a_value_beyond_the_maximum_is_refused(self, tmp_path: Path, data: bytes) -> None:
        assert refusal(tmp_path, "a.pgm", data).startswith("damaged: a value of ")

    @pytest.mark.parametrize(
        "data",
        [b"P2\n2 1\n9\n1", b"P2\n2 1\n9\n1 2 3", b"P2\n2 1\n9\n1 x", b"P5\n2 1\n9\n1", b"P1\n2 1\n1", b"P4\n9 1\n1"],
    )
    def test_missing_and_foreign_values_are_refused(self, tmp_path: Path, data: bytes) -> None:
        assert refusal(tmp_path, "a.pgm", data).startswith("truncated")

    def test_two_images_in_a_file_are_refused(self, tmp_path: Path) -> None:
        one = b"P5\n2 1\n255\nab"
        assert refusal(tmp_path, "a.pgm", one + one) == "several images; a map is one"


class TestOthers:
    def test_moving_and_turned_avif_are_refused(self, tmp_path: Path) -> None:
        still = b"\0\0\0\x1cftypavif\0\0\0\0avifmif1miaf"
        size = b"\0\0\0\x14ispe\0\0\0\0" + struct.pack(">II", 30, 40)
        assert refusal(tmp_path, "a.avif", b"\0\0\0\x1cftypavis\0\0\0\0avismsf1miaf" + size) == (
            "an animated AVIF; a map is one image"
        )
        assert "to be turned or mirrored" in refusal(tmp_path, "a.avif", still + size + b"\0\0\0\x09irot\1")

    @pytest.mark.parametrize("suffix", [".avif", ".jp2"])
    def test_deep_lossy_images_are_shares_of_their_own_maximum(self, tmp_path: Path, suffix: str) -> None:
        import imagecodecs

        values = MAP.astype(np.uint16) * 4
        encode = {
            ".avif": lambda: imagecodecs.avif_encode(values, level=100, bitspersample=10),
            ".jp2": lambda: imagecodecs.jpeg2k_encode(values, level=0, reversible=True, bitspersample=10),
        }
        found = read(tmp_path, f"a{suffix}", bytes(encode[suffix]()))
        np.testing.assert_array_equal(found.array, values)
        assert found.scale == 1023

    def test_a_small_jpeg_2000_of_a_huge_image_is_refused_before_decoding(self, tmp_path: Path) -> None:
        data = bytes(cv2.imencode(".jp2", MAP)[1])
        codestream, box = data.find(b"\xff\x4f\xff\x51"), data.find(b"ihdr")
        huge = bytearray(data)
        struct.pack_into(">II", huge, box + 4, 20_000, 20_000)
        struct.pack_into(">II", huge, codestream + 8, 20_000, 20_000)
        assert "--trust-files" in refusal(tmp_path, "a.jp2", bytes(huge)) or "tiles" in refusal(
            tmp_path, "a.jp2", bytes(huge)
        )
        other = bytearray(data)
        struct.pack_into(">II", other, box + 4, 41, 56)
        assert "contradicts itself" in refusal(tmp_path, "a.jp2", bytes(other))

    def test_a_missing_package_of_open_exr_is_one_line(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        found = importlib.util.find_spec
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "OpenEXR" else found(name))
        for folder in ("pred", "gt"):
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "a.exr").write_bytes(b"\x76\x2f\x31\x01\x02" + b"\0" * 64)
        said = "OpenEXR images need OpenEXR, which is not installed: pip install 'kldeval[exr]'"
        for command in ((), ("check",)):
            done = kldeval(*command, tmp_path / "pred", tmp_path / "gt")
            assert (done.code, done.out, done.err) == (2, "", f"kldeval: {said}\n")
        (tmp_path / "a.png").write_bytes((tmp_path / "gt" / "a.exr").read_bytes())
        done = kldeval(tmp_path / "a.png", tmp_path / "a.png")
        assert (done.code, done.out, done.err) == (2, "", f"kldeval: {said}\n")

    def test_open_exr_keeps_its_halves(self, tmp_path: Path) -> None:
        openexr = pytest.importorskip("OpenEXR")
        values = (MAP / 255).astype(np.float16)
        path = tmp_path / "a.exr"
        with openexr.File(
            {"compression": openexr.ZIP_COMPRESSION, "type": openexr.scanlineimage}, {"Y": values}
        ) as file:
            file.write(str(path))
        np.testing.assert_array_equal(read_map(path).array, values)
        assert read_size(path) == MAP.shape
        assert "--max-pixels" in refusal(tmp_path, "b.exr", path.read_bytes(), max_pixels=10)

    @pytest.mark.parametrize(
        ("data", "cause"),
        [
            (b"<!DOCTYPE html><html><head>", "a web page, as an error of a download saves it; download the file again"),
            (
                b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
                "a Git LFS pointer, not the file itself; fetch it with: git lfs pull",
            ),
            (b"\x28\xb5\x2f\xfd\x04\x00", "compressed by Zstandard; decompress it with: zstd -d"),
            (b"\x1f\x8b\x08\x00", "compressed by gzip; decompress it with: gunzip"),
            (b"\x80\x04\x95", "a Python pickle, which is never loaded; save the array with numpy.save"),
            (b"PK\x03\x04abc", "a zip archive (an .npz, or a model of torch?); unpack it, or give it the suffix .npz"),
            (bytes(4096), "nothing but zero bytes, as a lost download or a full disk leaves it"),
            (b"\0\0\0\x18ftypmp42\0\0\0\0", "a video; store its frames as PNG"),
        ],
    )
    def test_what_is_no_image_is_named_with_the_way_out(self, tmp_path: Path, data: bytes, cause: str) -> None:
        assert refusal(tmp_path, "a.png", data) == f"no image that can be decoded but {cause}"


class TestBounds:
    def test_methods_of_zip_without_a_bound_need_trust(self, tmp_path: Path) -> None:
        with pytest.raises(UnreadableMap, match=r"compressed by method 14 of zip.*--trust-files"):
            read_map(IMAGES / "05_lzma.npz")
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as archive, archive.open("a.npy", "w") as member:
            np.lib.format.write_array(member, MAP)
        np.testing.assert_array_equal(read(tmp_path, "a.npz", file.getvalue(), trusts_files=True).array, MAP)

    def test_a_long_header_is_refused_before_it_is_parsed(self, tmp_path: Path) -> None:
        data = b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**31) + b"{"
        assert refusal(tmp_path, "a.npy", data) == "a header of 2147483648 bytes; that of a map has 10000 at most"

    def test_a_claim_beyond_the_archive_is_refused(self, tmp_path: Path) -> None:
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            header, {"descr": "<f8", "fortran_order": False, "shape": (20_000, 20_000)}
        )
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.npy", header.getvalue() + bytes(1000))
        assert (
            refusal(tmp_path, "a.npz", file.getvalue()) == "truncated: 1000 of the array's 3200000000 bytes are there"
        )

    def test_a_trusted_file_is_asked_for_on_the_command_line(self, tmp_path: Path) -> None:
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w", zipfile.ZIP_LZMA) as archive, archive.open("a.npy", "w") as member:
            np.lib.format.write_array(member, MAP)
        (tmp_path / "a.npz").write_bytes(file.getvalue())
        np.save(tmp_path / "gt.npy", MAP)
        assert kldeval(tmp_path / "a.npz", tmp_path / "gt.npy").code == 1
        assert score(tmp_path / "a.npz", tmp_path / "gt.npy", "--trust-files")
        with (
            zipfile.ZipFile(tmp_path / "mask.npz", "w", zipfile.ZIP_LZMA) as archive,
            archive.open("a.npy", "w") as member,
        ):
            np.lib.format.write_array(member, MAP > 50)
        beside = (tmp_path / "gt.npy", tmp_path / "gt.npy", "--mask", tmp_path / "mask.npz")
        assert kldeval(*beside).code != 0
        assert score(*beside, "--trust-files")

    def test_an_archive_is_held_once_while_it_is_read(self, tmp_path: Path) -> None:
        values = np.zeros((2000, 3000))
        np.savez_compressed(tmp_path / "a.npz", values)
        tracemalloc.start()
        try:
            read_map(tmp_path / "a.npz")
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < 1.2 * values.nbytes

    @pytest.mark.parametrize("suffix", [".png", ".npy", ".npz", ".tif", ".mat"])
    def test_a_fifo_is_refused_at_once(self, tmp_path: Path, suffix: str) -> None:
        path = tmp_path / f"pipe{suffix}"
        os.mkfifo(path)
        for reader in (read_map, read_size, read_fixations):
            with pytest.raises(UnreadableMap, match=r"it is a FIFO, not a regular file$"):
                reader(path)

    def test_a_device_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "zero.png").symlink_to("/dev/zero")
        with pytest.raises(UnreadableMap, match=r"it is a device, not a regular file$"):
            read_map(tmp_path / "zero.png")


class TestDoor:
    def test_a_link_to_nothing_says_where_it_leads(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").symlink_to(tmp_path / "gone.png")
        for reader in (read_map, read_size, read_fixations):
            with pytest.raises(UnreadableMap) as problem:
                reader(tmp_path / "a.png")
            assert str(problem.value) == (f"{tmp_path}/a.png is a link to {tmp_path}/gone.png, which does not exist")
            assert problem.value.code == "dangling-link"

    def test_codes_tell_the_kinds_of_refusals_apart(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe.png")
        (tmp_path / "large.png").write_bytes(png_of(MAP))
        (tmp_path / "text.png").write_bytes(b"hello")
        codes = {}
        for name in ("pipe", "large", "text"):
            with pytest.raises(UnreadableMap) as problem:
                read_map(tmp_path / f"{name}.png", max_pixels=10)
            codes[name] = problem.value.code
        assert codes == {"pipe": "not-a-file", "large": "too-large", "text": "unreadable"}

    @pytest.mark.parametrize(
        "error",
        [
            struct.error("x"),
            ZeroDivisionError("x"),
            IndexError("x"),
            OverflowError("x"),
            RecursionError("x"),
            cv2.error("x"),
        ],
    )
    def test_whatever_a_reader_raises_is_a_refusal(
        self, tmp_path: Path, error: Exception, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: Any) -> Any:
            raise error

        (tmp_path / "a.png").write_bytes(b"x")
        monkeypatch.setattr("kldeval.data.readers.Readers.get", lambda *_: fail)
        with pytest.raises(UnreadableMap, match=f"damaged, or not what it seems to be .{type(error).__name__}: x"):
            read_map(tmp_path / "a.png")

    @each_of("path", sorted(IMAGES.iterdir()))
    def test_hostile_images_are_read_or_refused_in_one_line(self, path: Path) -> None:
        for labels in (False, True):
            message = ""
            try:
                read_map(path, labels=labels)
            except KldevalError as error:
                message = str(error)
            assert "\n" not in message

    @each_of("path", sorted((HOSTILE / "fixations").iterdir()))
    def test_hostile_fixations_are_refused_in_one_line(self, path: Path) -> None:
        with pytest.raises(KldevalError) as problem:
            read_fixations(path)
        assert "\n" not in str(problem.value)


class TestBeside:
    @pytest.mark.parametrize("path", sorted((HOSTILE / "weights").iterdir()), ids=lambda path: path.name)
    def test_hostile_class_weights_are_refused_in_one_line(self, path: Path) -> None:
        with pytest.raises(UsageProblem, match=r"^--class-weights .*: it holds no list of numbers"):
            weights_text(str(path))

    def test_class_weights_are_no_device(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "weights.txt")
        with pytest.raises(UsageProblem, match=r"^--class-weights .*: it is a FIFO, not a regular file$"):
            weights_text(str(tmp_path / "weights.txt"))

    @pytest.mark.parametrize(
        "claim",
        [
            {"made": "gaussian(sigma=24)", "fixations": -1},
            {"made": "gaussian(sigma=24)", "fixations": True},
            {"made": "gaussian(sigma=24)", "fixations": 10**30},
            {"made": "gaussian(sigma=24)\nkldeval: note: all is well", "fixations": 3},
            {"made": "gaussian(sigma=24", "fixations": 3},
            {"made": "", "fixations": 3},
        ],
    )
    def test_what_a_sidecar_claims_is_checked(self, tmp_path: Path, claim: dict[str, Any]) -> None:
        for name in ("pred", "gt"):
            np.save(tmp_path / f"{name}.npy", MAP + 1.0)
        (tmp_path / "gt.json").write_text(json.dumps({"schema": "kldeval.density/1", **claim}))
        outcome = kldeval(tmp_path / "pred.npy", tmp_path / "gt.npy")
        assert outcome.code == 1
        assert (
            "a kldeval.density/1 says what was made and of how many fixations; this does not"
            in outcome.out + outcome.err
        )


class TestMatlab:
    def test_a_matrix_is_a_map(self, tmp_path: Path) -> None:
        import scipy.io

        path = tmp_path / "a.mat"
        for options in ({}, {"do_compression": True}, {"format": "4"}):
            scipy.io.savemat(path, {"salmap": MAP / 7}, **options)
            np.testing.assert_array_equal(read_map(path).array, MAP / 7)
        scipy.io.savemat(path, {"salmap": MAP, "other": MAP.T})
        with pytest.raises(UnreadableMap, match=r"it holds 2 arrays \(salmap, other\); choose one with --key"):
            read_map(path)
        np.testing.assert_array_equal(read_map(path, key="salmap").array, MAP)

    def test_a_folder_of_maps_may_hold_fixations_beside_them(self, tmp_path: Path) -> None:
        import scipy.io

        for side in ("pred", "gt"):
            (tmp_path / side).mkdir()
            scipy.io.savemat(tmp_path / side / "a.mat", {"m": MAP + 1.0})
        assert score(tmp_path / "pred", tmp_path / "gt") == pytest.approx([0, 7.5], abs=0.5)
        (tmp_path / "gt" / "a.png").write_bytes(png_of(MAP))
        (tmp_path / "pred" / "a.png").write_bytes(png_of(MAP))
        assert score(tmp_path / "pred", tmp_path / "gt")[0] == pytest.approx(0, abs=1e-9)

    @pytest.mark.parametrize("counts", [1e19, 1e30, -1, 2.0**31])
    def test_counts_that_nobody_makes_are_refused(self, tmp_path: Path, counts: float) -> None:
        import scipy.io

        array = np.zeros((4, 5))
        array[1, 2], array[2, 3] = counts, 1
        scipy.io.savemat(tmp_path / "a.mat", {"I": array})
        np.save(tmp_path / "a.npy", array)
        (tmp_path / "a.csv").write_text(f"name,x,y,count\na,1,2,{counts}\n")
        for suffix in (".mat", ".npy", ".csv"):
            with pytest.raises(UnreadableMap):
                read_fixations(tmp_path / f"a{suffix}")

    def test_a_crash_of_the_hdf5_library_is_a_refusal(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("kldeval.data.readers.apart._answer_of", ended)
        monkeypatch.setattr("kldeval.data.readers.apart.ENDING", 0.0)  # this child goes on
        (tmp_path / "a.mat").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
        damaged = r"damaged: the process that read it ended \(signal 9 \(SIGKILL\)\)$"
        with another_child():
            with pytest.raises(UnreadableMap, match=damaged):
                read_fixations(tmp_path / "a.mat")
            monkeypatch.undo()
            with pytest.raises(UnreadableMap, match="damaged, or no MATLAB file"):
                read_fixations(tmp_path / "a.mat")


NAMES = {
    "PNG": {".png"},
    "JPEG": {".jpg", ".jpeg", ".jpe"},
    "TIFF": {".tif", ".tiff"},
    "PBM, PGM, PPM, PAM": {".pbm", ".pgm", ".ppm", ".pnm", ".pxm", ".pam"},
    "PFM": {".pfm"},
    "JPEG 2000, AVIF, WebP, BMP, GIF, Radiance": {".jp2", ".avif", ".webp", ".bmp", ".dib", ".gif", ".hdr", ".pic"},
    "OpenEXR (`pip install 'kldeval[exr]'`)": {".exr"},
    ".npy": {".npy"},
    ".npz": {".npz"},
    ".mat, version 4 to 7": {".mat"},
    ".mat, version 7.3 (`pip install 'kldeval[matlab73]'`)": {".mat"},
    "HDF5 (`pip install 'kldeval[hdf5]'`)": {".h5", ".hdf5"},
    "torch.save (`pip install torch`)": {".pt", ".pth"},
    "safetensors": {".safetensors"},
    "NIfTI, `.nii`, `.nii.gz` (`pip install 'kldeval[volumes]'`)": {".nii", ".nii.gz"},
    "NRRD (`pip install 'kldeval[volumes]'`)": {".nrrd", ".nhdr"},
    "NetCDF (`pip install 'kldeval[xarray]'`)": {".nc", ".nc4"},
    "zarr stores (`pip install 'kldeval[xarray]'`)": {".zarr", ".zarr.zip"},
    "raw single floats": {".bin"},
}
"""The suffixes that each row of the table in docs/files.md is about."""


def test_the_table_of_formats_has_a_row_for_every_reader() -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "files.md").read_text()
    table = page.partition("| :----- |")[2].partition("\n\n")[0].splitlines()[1:]
    assert [row.split("|")[1].strip() for row in table] == list(NAMES)
    assert set().union(*NAMES.values()) == SUFFIXES


def ended(child: Any, _question: bytes) -> Any:
    child.kill()
    raise EOFError
