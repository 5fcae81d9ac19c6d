"""Reading: what a file stores is what comes out, and a file that is damaged in any way is refused."""

from __future__ import annotations

import io
import struct
import sys
import zipfile
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from image_files import GREY_ALPHA, PALETTE, RGB, RGBA, png, png_chunk, png_of, tiff
from reading import SUFFIXES, read_map, read_size

import kldeval
from kldeval.errors import MissingDependency, UnreadableMap

if TYPE_CHECKING:
    from pathlib import Path

Array = np.ndarray[Any, np.dtype[Any]]

MAP = (np.add.outer(np.arange(64) ** 2, np.arange(96) * 5) % 256).astype(np.uint8)
MAP16 = MAP.astype(np.uint16) * 257
FLOAT = (MAP / 255).astype(np.float32)
COLOUR = np.dstack([MAP, MAP // 2, MAP // 3])


def encoded(suffix: str, array: Array, *options: int) -> bytes:
    """An image as OpenCV writes it."""
    return bytes(cv2.imencode(suffix, array, options)[1])


WHOLE = {
    ".png": encoded(".png", MAP16),
    ".jpg": encoded(".jpg", MAP),
    ".bmp": encoded(".bmp", MAP),
    ".tif": encoded(".tif", FLOAT),
    ".webp": encoded(".webp", COLOUR),
    ".pgm": encoded(".pgm", MAP),
    ".ppm": encoded(".ppm", COLOUR),
    ".pam": encoded(".pam", MAP),
    ".pfm": encoded(".pfm", FLOAT),
    ".jp2": encoded(".jp2", MAP),
    ".hdr": encoded(".hdr", np.dstack([FLOAT] * 3)),
}


def npy(array: Any, *, pickle: bool = False) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=pickle)
    return file.getvalue()


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


@pytest.fixture
def stored(tmp_path: Path) -> Any:
    """Write bytes to a file and read the map."""

    def read(name: str, data: bytes, **options: Any) -> Any:
        path = tmp_path / name
        path.write_bytes(data)
        return read_map(path, **options)

    return read


@pytest.fixture
def refused(tmp_path: Path) -> Any:
    """Write bytes to a file and give the message of its refusal, without the path that it must begin with."""

    def refuse(name: str, data: bytes, **options: Any) -> str:
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(UnreadableMap) as problem:
            read_map(path, **options)
        message = str(problem.value)
        assert message.startswith(f"{path}: ")
        assert "\n" not in message
        assert problem.value.stage == "load"
        return message.removeprefix(f"{path}: ")

    return refuse


@pytest.mark.parametrize(
    ("suffix", "array"),
    [
        *((suffix, MAP) for suffix in (".png", ".bmp", ".tif", ".pgm", ".pam", ".dib", ".tiff", ".PNG")),
        *((suffix, MAP16) for suffix in (".png", ".tif", ".pgm")),
        *((suffix, FLOAT) for suffix in (".tif", ".pfm")),
        (".tif", FLOAT.astype(np.float64) / 3),
        *((suffix, COLOUR) for suffix in (".png", ".ppm", ".bmp", ".tif", ".webp")),
        (".png", np.dstack([COLOUR, MAP])),
    ],
)
def test_lossless_images_come_back_as_stored(stored: Any, suffix: str, array: Array) -> None:
    found = stored(f"map{suffix}", encoded(suffix.lower(), array))
    np.testing.assert_array_equal(found.array, array)
    assert found.array.dtype == array.dtype
    assert not found.lossy


@pytest.mark.parametrize("name", ["a map.png", "Überraschung.png", "显著图.png", "naïve\u0308 — ½.png", "a'b\"c.png"])
def test_any_name_is_read(stored: Any, name: str) -> None:
    np.testing.assert_array_equal(stored(name, WHOLE[".png"]).array, MAP16)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (png([b"\xa0"], 4, depth=1), [[255, 0, 255, 0]]),
        (png([b"\x1b"], 4, depth=2), [[0, 85, 170, 255]]),
        (png([b"\x01\xf0"], 4, depth=4), [[0, 17, 255, 0]]),
    ],
)
def test_few_bits_fill_eight(stored: Any, data: bytes, expected: list[list[int]]) -> None:
    assert stored("bits.png", data).array.tolist() == expected


def test_a_palette_becomes_its_colours_in_opencv_order(stored: Any) -> None:
    palette = png_chunk(b"PLTE", bytes([10, 20, 30, 7, 7, 7]))
    data = png([b"\x00\x01"], 2, kind=PALETTE, extra=palette)
    assert stored("palette.png", data).array.tolist() == [[[30, 20, 10], [7, 7, 7]]]
    transparent = png([b"\x00\x01"], 2, kind=PALETTE, extra=palette + png_chunk(b"tRNS", bytes([128])))
    assert stored("palette.png", transparent).array.tolist() == [[[30, 20, 10, 128], [7, 7, 7, 255]]]


def test_alpha_comes_last(stored: Any) -> None:
    grey_alpha = np.asarray([[[5, 200], [6, 255]]], np.uint8)
    assert stored("la.png", png_of(grey_alpha, kind=GREY_ALPHA)).array.tolist() == [[[5, 5, 5, 200], [6, 6, 6, 255]]]
    deep = np.asarray([[[1, 2, 3, 40000]]], np.uint16)
    found = stored("rgba16.png", png_of(deep, kind=RGBA)).array
    assert found.tolist() == [[[3, 2, 1, 40000]]]
    assert found.dtype == np.uint16


def test_pfm_rows_go_up_and_both_byte_orders_are_read(stored: Any) -> None:
    rows = np.asarray([[1.5, 2], [-3, 4]], np.float32)
    for scale, order in ((b"-1.0", "<f4"), (b"1.0", ">f4")):
        data = b"Pf\n2 2\n" + scale + b"\n" + rows[::-1].astype(order).tobytes()
        assert stored("map.pfm", data).array.tolist() == [[1.5, 2.0], [-3.0, 4.0]]


def test_text_netpbm_needs_no_last_line_break(stored: Any) -> None:
    assert stored("t.pgm", b"P2\n# made by hand\n3 1\n255\n1 20 255").array.tolist() == [[1, 20, 255]]


def test_the_bytes_decide_not_the_suffix(stored: Any) -> None:
    found = stored("really_a_jpeg.png", WHOLE[".jpg"])
    assert found.lossy
    assert found.array.shape == MAP.shape


@pytest.mark.parametrize(
    ("suffix", "options", "lossy"),
    [
        (".jpg", (cv2.IMWRITE_JPEG_QUALITY, 100), True),
        (".webp", (cv2.IMWRITE_WEBP_QUALITY, 60), True),
        (".webp", (cv2.IMWRITE_WEBP_QUALITY, 101), False),
        (".tif", (cv2.IMWRITE_TIFF_COMPRESSION, cv2.IMWRITE_TIFF_COMPRESSION_LZW), False),
    ],
)
def test_lossy_compression_is_noticed(stored: Any, suffix: str, options: tuple[int, int], *, lossy: bool) -> None:
    assert stored(f"map{suffix}", encoded(suffix, COLOUR, *options)).lossy is lossy


def test_jpeg_inside_tiff_is_lossy(stored: Any) -> None:
    assert stored("jpeg.tif", tiff([MAP], jpeg=WHOLE[".jpg"])).lossy


@pytest.mark.parametrize("suffix", sorted(WHOLE))
def test_the_header_tells_the_size_of_the_image(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"map{suffix}"
    path.write_bytes(WHOLE[suffix])
    n_pixels = MAP.size
    assert read_map(path, max_pixels=n_pixels).array.shape[:2] == MAP.shape
    with pytest.raises(UnreadableMap) as problem:
        read_map(path, max_pixels=n_pixels - 1)
    assert str(problem.value) == f"{path}: 6144 pixels (96 x 64) are more than --max-pixels 6143"


@pytest.mark.parametrize("suffix", sorted(WHOLE))
def test_the_size_is_known_without_decoding(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"map{suffix}"
    path.write_bytes(WHOLE[suffix])
    assert read_size(path) == MAP.shape


def test_rarer_headers_tell_the_size_too(tmp_path: Path) -> None:
    for data in (
        b"BM" + bytes(12) + struct.pack("<IHH", 12, 30, 40),
        b"BM" + bytes(12) + struct.pack("<Iii", 40, 30, -40),
        b"\0\0\0\x1cftypavif" + bytes(9) + b"ispe\0\0\0\0" + struct.pack(">II", 30, 40),
    ):
        path = tmp_path / ("rare.avif" if b"avif" in data else "rare.bmp")
        path.write_bytes(data)
        assert read_size(path) == (40, 30)


def test_a_decompression_bomb_is_refused_by_its_header(refused: Any) -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", b"tiny") + png_chunk(b"IEND")
    assert refused("bomb.png", data) == "3600000000 pixels (60000 x 60000) are more than --max-pixels 500000000"


def test_a_map_of_20_000_by_20_000_is_within_the_limit(tmp_path: Path) -> None:
    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", header) + png_chunk(b"IDAT", b"tiny") + png_chunk(b"IEND")
    (tmp_path / "a.png").write_bytes(data)
    assert read_size(tmp_path / "a.png") == (20_000, 20_000)
    with pytest.raises(UnreadableMap, match=r"damaged|expand|bytes"):
        read_map(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", sorted(WHOLE))
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(part=st.floats(0, 1, exclude_max=True))
def test_no_part_of_an_image_is_an_image(suffix: str, part: float, refused: Any) -> None:
    whole = WHOLE[suffix]
    assert refused(f"cut{suffix}", whole[: int(part * len(whole))])


def test_a_truncated_png_says_where_it_ends(refused: Any) -> None:
    data = WHOLE[".png"]
    assert refused("half.png", data[:150]) == "truncated: the PNG ends after 150 bytes, before its IEND chunk"


def test_a_truncated_jpeg_says_what_is_missing(refused: Any) -> None:
    data = WHOLE[".jpg"]
    assert (
        refused("half.jpg", data[:-2])
        == f"truncated: the JPEG ends after {len(data) - 2} bytes, without its end marker"
    )
    assert refused("head.jpg", data[:200]) == "truncated: the JPEG ends after 200 bytes, before its image data"


def test_the_end_marker_of_a_thumbnail_is_not_that_of_the_jpeg(refused: Any) -> None:
    data = WHOLE[".jpg"]
    thumbnail = b"\xff\xe1" + struct.pack(">H", 2 + 4) + b"\xff\xd8\xff\xd9"
    assert "without its end marker" in refused("thumb.jpg", data[:2] + thumbnail + data[2:-2])


def test_a_jpeg_whose_segments_are_garbage(refused: Any) -> None:
    assert refused("garbage.jpg", b"\xff\xd8\xff\xe0\0\4ab" + b"x" * 50) == "damaged: the JPEG has no segment at byte 8"


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(data=st.data())
def test_any_flipped_bit_in_a_png_is_noticed(data: Any, refused: Any) -> None:
    whole = bytearray(WHOLE[".png"])
    position = data.draw(st.integers(8, len(whole) - 1))
    whole[position] ^= 1 << data.draw(st.integers(0, 7))
    assert refused("flipped.png", bytes(whole))


def test_a_damaged_png_names_the_chunk(refused: Any) -> None:
    whole = bytearray(WHOLE[".png"])
    whole[60] ^= 1
    assert refused("flipped.png", bytes(whole)) == "damaged: the checksum of the PNG's IDAT chunk at byte 33 is wrong"


def test_nothing_is_written_to_stderr(refused: Any, stored: Any, capfd: pytest.CaptureFixture[str]) -> None:
    for suffix, whole in WHOLE.items():
        refused(f"cut{suffix}", whole[: len(whole) // 2])
    profile = png_chunk(b"iCCP", b"broken\0\0no profile") + png_chunk(b"gAMA", struct.pack(">I", 10_000))
    assert stored("warned.png", png_of(MAP, extra=profile)).array.tolist() == MAP.tolist()
    assert capfd.readouterr().err == ""


def test_text_next_to_the_pixels_and_bytes_after_the_end_change_nothing(stored: Any) -> None:
    noisy = png_of(MAP, extra=png_chunk(b"tEXt", b"Comment\0" + b"x" * 9_000_000)) + b"trailing"
    np.testing.assert_array_equal(stored("noisy.png", noisy).array, MAP)


def test_text_named_png(refused: Any) -> None:
    message = refused("text.png", b"hello, this is no image\n")
    assert message == r"no image but a text, which begins with 'hello, this is no image\n'"


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif"])
def test_an_empty_file(refused: Any, suffix: str) -> None:
    assert refused(f"empty{suffix}", b"") == "the file is empty"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    for name in ("gone.png", "gone.npy", "gone.npz"):
        with pytest.raises(UnreadableMap) as problem:
            read_map(tmp_path / name)
        assert str(problem.value) == f"{tmp_path}/{name}: no such file or directory"


@pytest.mark.parametrize("suffix", [".png", ".npy", ".npz"])
def test_a_folder_named_like_a_map(tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / f"folder{suffix}"
    folder.mkdir()
    with pytest.raises(UnreadableMap) as problem:
        read_map(folder)
    assert str(problem.value) == f"{folder}: is a directory"


def test_a_file_that_may_not_be_read(stored: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("kldeval.data.readers.image.read_bytes", refuse)
    with pytest.raises(UnreadableMap, match=r"/a\.png: permission denied$"):
        stored("a.png", b"")


def test_a_map_that_does_not_fit_into_memory(stored: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhaust(*_: object) -> bytes:
        raise MemoryError

    monkeypatch.setattr("kldeval.data.readers.image.read_bytes", exhaust)
    with pytest.raises(UnreadableMap, match=r"/a\.png: too large for the memory of this machine$"):
        stored("a.png", b"")


def test_an_unknown_suffix_names_the_known(refused: Any) -> None:
    known = " ".join(sorted(SUFFIXES))
    assert refused("a.txt", b"1 2 3") == f"files ending in '.txt' are not read as maps; known: {known}"


def test_readable_is_told_by_the_suffix(tmp_path: Path) -> None:
    for name in ("b.c/1.PNG", "a.png/1", "png"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(WHOLE[".png"])
    assert [one.name for one in kldeval.evaluate(tmp_path, tmp_path, metric="kld").scores] == ["b.c/1"]


def test_several_images_in_a_file_are_refused(refused: Any, stored: Any) -> None:
    animation = png_chunk(b"acTL", struct.pack(">II", 3, 0))
    assert refused("anim.png", png_of(MAP, extra=animation)) == "an animation of 3 frames; a map is one"
    assert refused("pages.tif", tiff([MAP, MAP, MAP])) == "a TIFF of 3 pages; a map is one"
    still = WHOLE[".webp"]
    moving = still[:12] + b"ANIM" + struct.pack("<I", 6) + bytes(6) + still[12:]
    assert refused("anim.webp", moving) == "an animated WebP; a map is one image"
    np.testing.assert_array_equal(stored("thumbnail.tif", tiff([MAP, MAP[::2, ::2]], subfile=1)).array, MAP)


def test_a_tiff_whose_directory_is_elsewhere(refused: Any) -> None:
    for data in (b"II*\0" + struct.pack("<I", 2**31), b"II+\0\x08\0\0\0" + struct.pack("<Q", 2**64 - 1)):
        what = f"truncated or damaged: the TIFF's directory is not in its {len(data)} bytes"
        assert refused("lost.tif", data).startswith(what)


def test_a_tiff_whose_pages_run_in_circles(refused: Any) -> None:
    data = bytearray(tiff([MAP]))
    data[-4:] = data[4:8]
    assert refused("circle.tif", bytes(data)) == (
        "damaged: the directories of the TIFF run in a circle, or are over 1024"
    )


def test_an_animated_gif_is_refused(refused: Any, stored: Any) -> None:
    if not cv2.haveImageWriter("a.gif"):
        pytest.skip("this OpenCV has no GIF")
    assert stored("still.gif", encoded(".gif", np.dstack([MAP] * 3))).array.shape[:2] == MAP.shape
    animation: Any = cv2.Animation()
    animation.frames = [np.dstack([MAP] * 3), np.dstack([255 - MAP] * 3)]
    animation.durations = np.asarray([100, 100])
    data = bytes(cv2.imencodeanimation(".gif", animation)[1])
    assert refused("anim.gif", data) == "an animated GIF; a map is one image"


def test_a_sun_raster_is_refused(refused: Any) -> None:
    data = struct.pack(">8I", 0x59A66A95, 96, 64, 8, MAP.size, 1, 0, 0) + MAP.tobytes()
    assert refused("sun.png", data) == "a Sun raster, of which OpenCV may read zeros; store a PNG"


def test_a_second_sample_that_would_be_dropped_is_refused(refused: Any) -> None:
    data = tiff([np.dstack([MAP, 255 - MAP])], samples=2)
    what = (
        "a TIFF of 2 samples per pixel that are not known to be a colour; --key N takes the N-th, and a class map, "
        "whose axis is named, has all of them for its classes: --axis 0"
    )
    assert refused("la.tif", data) == what


def test_a_missing_opencv_says_what_to_install(stored: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    monkeypatch.setattr("kldeval.data.readers.image.is_expendable", lambda: True)  # else another process reads it
    resolve_name("kldeval.arrays.opencv").cache_clear()
    try:
        with pytest.raises(
            MissingDependency, match=r"^OpenCV cannot be imported \(.+\); install it with: pip install "
        ):
            stored("a.bmp", WHOLE[".bmp"])
        assert stored("a.png", WHOLE[".png"]).array.shape == MAP.shape
        assert stored("a.npy", npy(MAP)).array.shape == MAP.shape
    finally:
        resolve_name("kldeval.arrays.opencv").cache_clear()


def test_a_missing_system_library_says_what_to_install() -> None:
    reason = "libGL.so.1: cannot open shared object file: No such file or directory"
    assert resolve_name("kldeval.arrays._advice")(reason) == (
        f"OpenCV cannot be imported ({reason}); install the system packages libgl1 and libglib2.0-0, "
        "or replace opencv-python: pip uninstall opencv-python && pip install opencv-python-headless"
    )


REAL = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness="<"),
    hnp.integer_dtypes(endianness=">"),
    hnp.unsigned_integer_dtypes(endianness=">"),
    hnp.floating_dtypes(endianness="<"),
    hnp.floating_dtypes(endianness=">"),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    array=hnp.arrays(REAL, st.tuples(st.integers(1, 4), st.integers(2, 4))),
    form=st.sampled_from(["hw", "1hw", "hw1", "fortran"]),
    mapped=st.booleans(),
)
def test_arrays_come_back_as_stored(array: Array, form: str, *, mapped: bool, stored: Any) -> None:
    shaped = {"hw": array, "1hw": array[None], "hw1": array[..., None], "fortran": np.asfortranarray(array)}[form]
    if form == "hw1" and array.shape[0] == 1:
        return  # this could as well be a column
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("kldeval.data.readers.numpy_files.MAPPED_BYTES", 0 if mapped else 2**40)
        for found in (stored("a.npy", npy(shaped)).array, stored("a.npz", npz(one=shaped)).array):
            np.testing.assert_array_equal(found, array)
            assert found.dtype == array.dtype.newbyteorder("=")
            assert found.dtype.isnative
            assert found.flags.c_contiguous


def test_a_large_array_is_mapped_not_read(stored: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kldeval.data.readers.numpy_files.MAPPED_BYTES", 1)
    assert isinstance(stored("a.npy", npy(MAP)).array.base, np.memmap)
    monkeypatch.setattr("kldeval.data.readers.numpy_files.MAPPED_BYTES", 2**30)
    assert not isinstance(stored("a.npy", npy(MAP)).array.base, np.memmap)


@pytest.mark.parametrize("shape", [(), (2, 3, 4), (2, 1, 3, 4), (1, 5, 1), (1,) * 9])
def test_other_shapes_are_refused(refused: Any, shape: tuple[int, ...]) -> None:
    hint = {
        3: "; a class map needs its class axis: --axis 0 for (C, H, W), --axis -1 for (H, W, C); N maps need --stack, "
        "a volume --spatial-axes 3",
        4: "; N maps (N, 1, H, W) need --stack, maps of four axes --spatial-axes 4",
    }.get(len(shape), "")
    message = f"its shape is {shape}; a map's is (H, W), beside axes of length 1{hint}"
    assert refused("a.npy", npy(np.zeros(shape))) == message


@pytest.mark.parametrize("shape", [(0, 4), (4, 0), (1, 0, 3)])
def test_arrays_without_pixels_are_refused(refused: Any, shape: tuple[int, ...]) -> None:
    message = refused("a.npy", npy(np.zeros(shape)))
    assert message == f"it has no pixels (height {shape[-2]}, width {shape[-1]})"


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (np.zeros((2, 2), np.complex64), "complex64"),
        (np.asarray([["a", "b"]]), "<U1"),
        (np.asarray([[b"a"]]), "|S1"),
        (np.zeros((2, 2), "datetime64[s]"), "datetime64[s]"),
        (np.zeros((2, 2), "V2"), "|V2"),
        (np.zeros((2, 2), [("x", "f4"), ("y", "f4")]), "[('x', '<f4'), ('y', '<f4')]"),
    ],
)
def test_values_that_are_not_real_are_refused(refused: Any, array: Array, kind: str) -> None:
    assert refused("a.npy", npy(array)) == f"its values are of type {kind}; a map's are real numbers"


class Trap:
    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return (pytest.fail, ("it was unpickled",))


def test_nothing_is_unpickled(refused: Any) -> None:
    message = "it holds pickled Python objects, which are never loaded; save an array of numbers"
    data = npy(np.asarray([[Trap()]], object), pickle=True)
    assert refused("a.npy", data) == message
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("a.npy", data)
    assert refused("a.npz", archive.getvalue()) == message


def test_text_named_npy(refused: Any) -> None:
    assert refused("a.npy", b"hello, this is no array") == "no .npy file: it begins with 'hello, this '"
    assert refused("a.npy", b"") == "no .npy file: it is empty"


def test_field_names_beyond_latin_mean_no_map(refused: Any) -> None:
    header = b"{'descr': [('\xe2\x82\xac', '<f4')], 'fortran_order': False, 'shape': (1, 1), }\n"
    data = b"\x93NUMPY\x03\x00" + struct.pack("<I", len(header)) + header + bytes(4)
    assert refused("a.npy", data) == "an .npy of version 3.0, which holds named fields, not a map"


@pytest.mark.parametrize(
    "header", [b"", b"(" * 5000, b"{'descr': 'nonsense', 'fortran_order': False, 'shape': (1,)}", b"\\"]
)
def test_a_header_of_garbage(refused: Any, header: bytes) -> None:
    data = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
    assert refused("a.npy", data) == f"no .npy file: it begins with the bytes {data[:12].hex(' ')}"


def test_a_truncated_array_says_how_much_is_there(refused: Any) -> None:
    data = npy(MAP)
    assert refused("a.npy", data[:-200]) == "truncated: 5944 of the array's 6144 bytes are there"


def test_a_second_array_in_the_file_is_refused(refused: Any) -> None:
    assert refused("a.npy", npy(MAP) + npy(MAP)) == f"{len(npy(MAP))} bytes follow its array; a map is one array"


def test_too_many_pixels_in_an_array(refused: Any) -> None:
    message = "6144 pixels (96 x 64) are more than --max-pixels 1000"
    assert refused("a.npy", npy(MAP), max_pixels=1000) == message
    assert refused("a.npz", npz(a=MAP), max_pixels=1000) == message


def test_one_array_of_several_is_named_by_its_key(stored: Any, refused: Any) -> None:
    data = npz(pred=MAP, gt=FLOAT)
    np.testing.assert_array_equal(stored("a.npz", data, key="gt").array, FLOAT)
    assert refused("a.npz", data) == "it holds 2 arrays (pred, gt); choose one with --key"
    assert refused("a.npz", data, key="prd") == "it holds no array 'prd'; it holds pred, gt"
    assert refused("a.npz", npz()) == "it holds no array"
    assert refused("a.npz", npz(), key="x") == "it holds no array 'x'; it holds none"


def test_only_some_of_many_keys_are_listed(refused: Any) -> None:
    message = refused("a.npz", npz(**{f"k{i:02d}": MAP[:1] for i in range(25)}))
    assert message.startswith("it holds 25 arrays (k00, k01, ")
    assert message.endswith(", k19, ...); choose one with --key")


def test_a_key_means_nothing_to_other_formats(stored: Any) -> None:
    assert stored("a.npy", npy(MAP), key="gt").array.shape == MAP.shape
    assert stored("a.png", WHOLE[".png"], key="gt").array.shape == MAP.shape


def test_damaged_archives(refused: Any) -> None:
    data = bytearray(npz(a=np.arange(10_000.0).reshape(100, 100)))
    assert refused("a.npz", b"hello") == "damaged, or no .npz archive (File is not a zip file)"
    assert refused("a.npz", bytes(data[:-30])) == "damaged, or no .npz archive (File is not a zip file)"
    data[len(data) // 2] ^= 0xFF
    assert refused("a.npz", bytes(data)).startswith("damaged, or no .npz archive (")


def test_a_wrong_checksum_in_an_archive_is_noticed(refused: Any) -> None:
    file = io.BytesIO()
    np.savez(file, a=MAP)
    data = bytearray(file.getvalue())
    data[len(data) // 2] ^= 1
    assert refused("a.npz", bytes(data)) == "damaged, or no .npz archive (Bad CRC-32 for file 'a.npy')"


def test_rgb_of_sixteen_bits(stored: Any) -> None:
    red_first = np.asarray([[[1000, 2000, 3000]]], np.uint16)
    assert stored("rgb16.png", png_of(red_first, kind=RGB)).array.tolist() == [[[3000, 2000, 1000]]]
