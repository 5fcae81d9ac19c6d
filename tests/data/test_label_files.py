"""Class maps and labels as files: which arrays are read, palette indices instead of colours, lists of weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from image_files import GREY, GREY_ALPHA, PALETTE, RGB, RGBA, png, png_chunk, png_of
from reading import read_map, read_pair

from kldeval.data.class_weights import weights_text
from kldeval.errors import MapProblem, RefusedMap, UnreadableMap, UsageProblem

if TYPE_CHECKING:
    from pathlib import Path

RNG = np.random.default_rng(0)
PRED = RNG.normal(size=(3, 4, 5))


@pytest.fixture
def pair(tmp_path: Path) -> Any:
    """Writes two arrays (or bytes of an image) and gives the pair."""

    def write(stem: str, content: Any, suffix: str) -> Path:
        path = tmp_path / f"{stem}{suffix or ('.png' if isinstance(content, bytes) else '.npy')}"
        if isinstance(content, bytes):
            path.write_bytes(content)
        elif path.suffix == ".npz":
            np.savez(path, content)
        else:
            np.save(path, content)
        return path

    return lambda pred, gt, suffix="": (write("pred", pred, suffix), write("gt", gt, suffix))


def packed(indices: np.ndarray, depth: int) -> list[bytes]:
    """Rows of pixels of 1, 2, 4 or 8 bits."""
    bits = np.unpackbits(indices.astype(np.uint8)[..., None], axis=-1)[..., 8 - depth :]
    return [np.packbits(row.ravel()).tobytes() for row in bits]


PALETTE_CHUNK = png_chunk(b"PLTE", RNG.integers(0, 256, 256 * 3).astype(np.uint8).tobytes())


class TestImages:
    @pytest.mark.parametrize("depth", [1, 2, 4, 8])
    @pytest.mark.parametrize("kind", [GREY, PALETTE])
    def test_a_label_is_the_index_whatever_its_bits_and_colours(self, tmp_path: Path, depth: int, kind: int) -> None:
        indices = RNG.integers(0, 2**depth, (7, 13))
        palette = png_chunk(b"PLTE", RNG.integers(0, 256, 3 * 2**depth).astype(np.uint8).tobytes())
        extra = palette + png_chunk(b"tRNS", b"\0") if kind == PALETTE else b""
        path = tmp_path / "a.png"
        path.write_bytes(png(packed(indices, depth), 13, depth=depth, kind=kind, extra=extra))
        found = read_map(path, labels=True).array
        np.testing.assert_array_equal(found, indices)
        assert found.dtype == np.uint8

    def test_a_density_keeps_the_colours_of_its_palette(self, tmp_path: Path) -> None:
        path = tmp_path / "a.png"
        path.write_bytes(png(packed(np.zeros((2, 3), int), 8), 3, kind=PALETTE, extra=PALETTE_CHUNK))
        assert read_map(path).array.shape == (2, 3, 3)

    def test_16_bits_are_as_they_are(self, tmp_path: Path) -> None:
        labels = RNG.integers(0, 2**16, (4, 5)).astype(np.uint16)
        (tmp_path / "a.png").write_bytes(png_of(labels))
        np.testing.assert_array_equal(read_map(tmp_path / "a.png", labels=True).array, labels)

    def test_an_interlaced_palette_is_read_as_well(self, tmp_path: Path) -> None:
        """Adam7 of one pixel is that pixel: enough to see that the header keeps its last byte."""
        whole = png(packed(np.asarray([[9]]), 8), 1, kind=PALETTE, extra=PALETTE_CHUNK)
        header = whole[12:28] + b"\x01"
        (tmp_path / "a.png").write_bytes(whole[:8] + png_chunk(b"IHDR", header[4:]) + whole[33:])
        assert read_map(tmp_path / "a.png", labels=True).array.tolist() == [[9]]

    def test_three_equal_channels_are_grey(self, pair: Any) -> None:
        labels = RNG.integers(0, 3, (4, 5)).astype(np.uint8)
        grey = np.repeat(labels[..., None], 3, axis=-1)
        np.testing.assert_array_equal(read_pair(*pair(PRED, png_of(grey, kind=RGB)), class_maps=True).gt, labels)
        opaque = np.concatenate([grey, np.full((4, 5, 1), 255, np.uint8)], axis=-1)
        np.testing.assert_array_equal(read_pair(*pair(PRED, png_of(opaque, kind=RGBA)), class_maps=True).gt, labels)

    def test_colours_are_no_labels(self, pair: Any) -> None:
        found = pair(PRED, png_of(RNG.integers(0, 256, (4, 5, 3)).astype(np.uint8), kind=RGB))
        with pytest.raises(RefusedMap) as caught:
            read_pair(*found, class_maps=True)
        assert str(caught.value) == (
            f"{found[1]}: its colour channels differ (uint8, shape (4, 5, 3)); labels are numbers of classes, in grey "
            "or as indices of a palette"
        )

    def test_transparent_labels_are_refused(self, pair: Any) -> None:
        found = pair(PRED, png_of(np.zeros((4, 5, 2), np.uint8), kind=GREY_ALPHA))
        with pytest.raises(MapProblem, match="alpha"):
            read_pair(*found, class_maps=True)

    def test_a_lossy_label_map_is_noted(self, pair: Any) -> None:
        jpeg = cv2.imencode(".jpg", np.zeros((4, 5), np.uint8))[1].tobytes()
        found = pair(PRED, jpeg)
        assert read_pair(*found, class_maps=True).remarks == ("lossy-gt",)

    def test_damage_is_found_before_the_palette_is_dropped(self, pair: Any) -> None:
        damaged = bytearray(png(packed(np.zeros((4, 5), int), 8), 5, kind=PALETTE, extra=PALETTE_CHUNK))
        damaged[-20] ^= 1
        with pytest.raises(UnreadableMap, match="checksum"):
            read_pair(*pair(PRED, bytes(damaged)), class_maps=True)


class TestArrays:
    @pytest.mark.parametrize("suffix", ["", ".npz"])
    @pytest.mark.parametrize(
        ("pred", "gt"),
        [
            ((3, 4, 5), (4, 5)),
            ((4, 5, 3), (4, 5)),
            ((3, 4, 5), (3, 4, 5)),
            ((6, 3), (6,)),
            ((3, 4, 5), (1, 4, 5)),
            ((3, 4, 5), (4, 5, 1)),
        ],
    )
    def test_what_has_a_class_axis(self, pair: Any, pred: Any, gt: Any, suffix: str) -> None:
        maps = read_pair(*pair(RNG.random(pred), np.zeros(gt, np.int32), suffix), class_maps=True)
        assert maps.pred.shape == pred
        assert maps.gt.shape == ((4, 5) if 1 in gt else gt)
        assert maps.shape == (pred[0], int(np.prod(pred[1:])))

    @pytest.mark.parametrize("pred", [(4, 5), (1, 4, 5), (4, 5, 1)])
    def test_maps_of_height_and_width_are_read_as_ever(self, pair: Any, pred: Any) -> None:
        found = pair(RNG.random(pred), np.zeros((4, 5), np.uint8))
        maps = read_pair(*found, class_maps=True)
        assert maps.pred.shape == maps.gt.shape == maps.shape == (4, 5)

    def test_labels_that_are_asked_for_are_never_resized_nor_coloured(self, pair: Any) -> None:
        indices = png(packed(np.full((4, 5), 7), 8), 5, kind=PALETTE, extra=PALETTE_CHUNK)
        maps = read_pair(*pair(RNG.random((4, 5)), indices), class_maps=True, labels=True)
        assert maps.gt.tolist() == [[7] * 5] * 4

    def test_without_a_named_axis_a_class_map_is_refused(self, pair: Any) -> None:
        found = pair(PRED, np.zeros((4, 5), np.uint8))
        with pytest.raises(UnreadableMap) as caught:
            read_pair(*found)
        assert str(caught.value) == (
            f"{found[0]}: its shape is (3, 4, 5); a map's is (H, W), beside axes of length 1; a class map needs its "
            "class axis: --axis 0 for (C, H, W), --axis -1 for (H, W, C); N maps need --stack, "
            "a volume --spatial-axes 3"
        )

    def test_a_batch_is_no_map(self, pair: Any) -> None:
        found = pair(PRED[None], np.zeros((4, 5), np.uint8))
        with pytest.raises(UnreadableMap) as caught:
            read_pair(*found, class_maps=True)
        assert str(caught.value) == (
            f"{found[0]}: its shape is (1, 3, 4, 5); a class map's is (C, H, W), (H, W, C) or (N, C), one map a file"
        )

    def test_labels_have_two_axes_or_one(self, pair: Any) -> None:
        found = pair(PRED, np.zeros((), np.uint8))
        with pytest.raises(UnreadableMap) as caught:
            read_pair(*found, class_maps=True)
        assert str(caught.value) == (
            f"{found[1]}: its shape is (); that of labels is (H, W) or (N,), of soft labels that of the prediction"
        )

    def test_values_are_counted_before_they_are_read(self, pair: Any) -> None:
        found = pair(PRED, np.zeros((4, 5), np.uint8))
        with pytest.raises(UnreadableMap) as caught:
            read_pair(*found, class_maps=True, max_pixels=59)
        assert str(caught.value) == f"{found[0]}: 60 pixels (20 x 3) are more than --max-pixels 59"

    def test_class_maps_are_not_resized(self, pair: Any) -> None:
        found = pair(PRED, np.zeros((8, 10), np.uint8))
        with pytest.raises(RefusedMap) as caught:
            read_pair(*found, class_maps=True, resize="pred-to-gt")
        assert str(caught.value) == (
            "--resize pred-to-gt is for maps of height and width; store class maps and labels in one size"
        )

    def test_a_damaged_header_is_left_to_the_reader(self, pair: Any) -> None:
        found = pair(PRED, np.zeros((4, 5), np.uint8))
        for content in (b"", b"no array", b"\x93NUMPY\x01\x00\x10\x00garbage"):
            for suffix in (".npy", ".npz"):
                path = found[0].with_suffix(suffix)
                path.write_bytes(content)
                with pytest.raises(UnreadableMap):
                    read_pair(path, found[1], class_maps=True)


class TestClassWeights:
    @pytest.mark.parametrize("text", ["1,0.5,2", "(1,0.5,2)", " 1, .5 ,2.0 ", "1,0.5,2,"])
    def test_numbers_are_one_text(self, text: str) -> None:
        assert weights_text(text) == "(1,0.5,2)"

    def test_a_file_holds_them_in_any_layout(self, tmp_path: Path) -> None:
        for number, content in enumerate(("1,0.5,2\n", "1\n0.5\n2\n", "1 0.5\t2", " 1, 0.5,\n2,")):
            path = tmp_path / f"{number}.txt"
            path.write_text(content)
            assert weights_text(str(path)) == "(1,0.5,2)"
        np.save(tmp_path / "a.npy", np.asarray([1, 0.5, 2], np.float32))
        assert weights_text(str(tmp_path / "a.npy")) == "(1,0.5,2)"

    @pytest.mark.parametrize(
        ("content", "what"),
        [
            (b"", "it holds no list of numbers, one for each class, such as 1,0.5,2"),
            (b"road 1\n", "it holds no list of numbers, one for each class, such as 1,0.5,2"),
            (b"\xff\xfe", "it holds no list of numbers, one for each class, such as 1,0.5,2"),
            (b"1," * 2**20, "it is too large for a list of weights"),
        ],
    )
    def test_another_content_is_refused(self, tmp_path: Path, content: bytes, what: str) -> None:
        path = tmp_path / "weights.csv"
        path.write_bytes(content)
        with pytest.raises(UsageProblem) as caught:
            weights_text(str(path))
        assert str(caught.value) == f"--class-weights {path}: {what}"

    def test_another_array_is_refused(self, tmp_path: Path) -> None:
        path = tmp_path / "weights.npy"
        for content in (np.zeros((2, 2)), np.asarray(["a"])):
            np.save(path, content)
            with pytest.raises(UsageProblem, match="no list of numbers"):
                weights_text(str(path))

    def test_what_is_neither_is_refused(self, tmp_path: Path) -> None:
        missing = tmp_path / "weights.txt"
        with pytest.raises(UsageProblem) as caught:
            weights_text(str(missing))
        assert str(caught.value) == f"--class-weights {missing}: neither numbers such as 1,0.5,2 nor a file"
        with pytest.raises(UsageProblem) as caught:
            weights_text(str(tmp_path))
        assert str(caught.value) == f"--class-weights {tmp_path}: is a directory"
