"""Fixation files of every layout: what is read, what is reported, and how a file that cannot be read is refused."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from late import late
from matlab_files import SAVERS, cell, save_v73, struct_array
from reading import counts_of, read_fixations

from kldeval.errors import MissingDependency, UnreadableMap, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

h5py = late("h5py")
matlab = late("scipy.io")
sparse = late("scipy.sparse")


MAP = np.asarray([[0, 0, 1, 0], [1, 0, 0, 0], [0, 0, 0, 1]], np.uint8)
"""Three fixated pixels of 3 x 4."""


COORDINATES = (
    "the variable fixations of shape (2, 2) looks like a list of coordinates, not like a map; "
    "store it as .csv with the columns name, x, y"
)

UNKNOWN = (
    "the variable I is neither a map, nor a gaze struct with the field fixations, nor cells of img and subjects, "
    "nor structs of x and y"
)


@pytest.fixture(params=SAVERS)
def save(request: pytest.FixtureRequest) -> Callable[[Path, dict[str, Any]], None]:
    """A function that writes variables to a MATLAB file."""
    return SAVERS[request.param]


def only(read: Mapping[str, Any]) -> Any:
    (fixations,) = read.values()
    return fixations


def refusal(path: Path, **choices: Any) -> str:
    """The message about a file that cannot be read, without its folder."""
    with pytest.raises(UnreadableMap) as caught:
        read_fixations(path, **choices)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value).removeprefix(f"{path.parent}/")


@pytest.mark.parametrize("white", [1, 255])
@pytest.mark.parametrize("suffix", [".png", ".bmp", ".npy", ".mat"])
def test_a_binary_map_counts_each_pixel_once(tmp_path: Path, suffix: str, white: int) -> None:
    path, array = tmp_path / f"a{suffix}", MAP * white
    if suffix == ".npy":
        np.save(path, array)
    elif suffix == ".mat":
        matlab.savemat(path, {"fixLocs": array})
    else:
        cv2.imwrite(str(path), array)
    read = read_fixations(path)
    assert list(read) == ["a"]
    assert counts_of(only(read), (3, 4)).tolist() == MAP.tolist()
    assert (only(read).shape, only(read).observers) == ((3, 4), None)


def test_whole_numbers_of_an_array_are_repeats_and_those_of_an_image_are_not(tmp_path: Path) -> None:
    counts = MAP * np.asarray([1, 2, 3, 4], np.uint8)
    np.save(tmp_path / "a.npy", counts.astype(np.float64))
    matlab.savemat(tmp_path / "a.mat", {"I": counts})
    cv2.imwrite(str(tmp_path / "a.png"), counts)
    assert counts_of(only(read_fixations(tmp_path / "a.npy")), (3, 4)).tolist() == counts.tolist()
    assert only(read_fixations(tmp_path / "a.mat")).total == 1 + 3 + 4
    assert refusal(tmp_path / "a.png") == (
        "a.png: no fixation map: 3 different values other than 0, from 1 to 4; "
        "a fixation map is binary; store numbers of fixations as .npy, or say with --fixation-threshold above which "
        "value a pixel is fixated"
    )
    above = only(read_fixations(tmp_path / "a.png", threshold=2))
    assert counts_of(above, (3, 4)).tolist() == (counts > 2).tolist()


def test_a_colour_image_is_read_where_its_channels_agree(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    cv2.imwrite(str(path), np.repeat(MAP[..., None] * 255, 3, axis=-1))
    assert only(read_fixations(path)).total == 3
    cv2.imwrite(str(path), np.stack([MAP, MAP, MAP * 0], axis=-1))
    assert refusal(path) == "a.png: no fixation map: its colour channels differ, or its alpha is not uniform"


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -1.0])
def test_a_map_that_cannot_count_is_refused(tmp_path: Path, wrong: float) -> None:
    np.save(tmp_path / "a.npy", np.asarray([[0.0, 1.0, wrong]]))
    assert refusal(tmp_path / "a.npy") == (
        "a.npy: a fixation map counts fixations, so it holds no nan, inf or negative values"
    )


def test_a_map_without_fixations_is_read_as_none(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", MAP * 0)
    nobody = only(read_fixations(tmp_path / "a.npy"))
    assert (nobody.total, nobody.shape) == (0, (3, 4))
    assert not counts_of(nobody, (3, 4)).any()


@pytest.mark.parametrize("name", ["fixLocs", "I", "fixations", "anything"])
def test_a_matrix_is_a_map(tmp_path: Path, save: Callable[..., None], name: str) -> None:
    save(tmp_path / "a.mat", {name: MAP})
    assert counts_of(only(read_fixations(tmp_path / "a.mat")), (3, 4)).tolist() == MAP.tolist()


def test_a_sparse_matrix_is_a_map(tmp_path: Path) -> None:
    matlab.savemat(tmp_path / "a.mat", {"fixLocs": sparse.csc_matrix(MAP.astype(float))})
    columns = sparse.csc_matrix(MAP)
    with h5py.File(tmp_path / "b.mat", "w") as file:
        group = file.create_group("fixLocs")
        group.attrs["MATLAB_sparse"] = np.uint64(3)
        for name, part in (("data", columns.data), ("ir", columns.indices), ("jc", columns.indptr)):
            group.create_dataset(name, data=part)
    for name in ("a", "b"):
        assert counts_of(only(read_fixations(tmp_path / f"{name}.mat")), (3, 4)).tolist() == MAP.tolist()


def salicon(*observers: dict[str, Any]) -> dict[str, Any]:
    return {"image": "COCO_1", "resolution": np.asarray([[3.0, 4.0]]), "gaze": struct_array(list(observers))}


def observer(fixations: list[list[int]], samples: list[list[int]]) -> dict[str, Any]:
    points = np.asarray(fixations, np.uint16).reshape(-1, 2) if fixations else np.zeros((0, 0))
    return {"location": np.asarray(samples, float), "timestamp": np.arange(len(samples))[:, None], "fixations": points}


def test_salicon_counts_x_and_y_from_one(tmp_path: Path, save: Callable[..., None]) -> None:
    path = tmp_path / "COCO_1.mat"
    save(path, salicon(observer([[1, 1], [4, 3]], [[2, 2]]), observer([], [[1, 1]]), observer([[4, 3]], [[5, 3]])))
    found = only(read_fixations(path))
    assert (found.cols.tolist(), found.rows.tolist()) == ([0, 3, 3], [0, 2, 2])
    assert (found.observers, found.shape) == (("1", "1", "3"), (3, 4))
    samples = only(read_fixations(path, gaze="location"))
    assert (samples.cols.tolist(), samples.rows.tolist()) == ([1, 0, 4], [1, 0, 2])
    assert str(samples.inside((3, 4))[1]) == (
        "1 of 3 fixations lie outside the map of 4 x 3 pixels, such as x 4, y 2 (counted from 0)"
    )
    assert only(read_fixations(path, base=0)).cols.tolist() == [1, 4, 4]


def test_one_salicon_observer_is_no_array_of_structs(tmp_path: Path, save: Callable[..., None]) -> None:
    save(tmp_path / "a.mat", salicon(observer([[2, 1]], [[2, 2]])))
    found = only(read_fixations(tmp_path / "a.mat"))
    assert (found.cols.tolist(), found.rows.tolist(), found.observers) == ([1], [0], ("1",))


def test_osie_holds_every_image_in_cells(tmp_path: Path, save: Callable[..., None]) -> None:
    def subject(x: list[float], y: list[float], ms: list[int]) -> dict[str, Any]:
        return {"fix_x": np.asarray([x]), "fix_y": np.asarray([y]), "fix_duration": np.asarray([ms])}

    images = [
        {"img": "1001.jpg", "subjects": cell(subject([1.5, 3.9], [0.2, 2.9], [200, 90]), subject([0.0], [1.0], [70]))},
        {"img": "1002.jpg", "subjects": cell(subject([2.0], [2.0], [50]))},
    ]
    save(tmp_path / "fixations.mat", {"fixations": cell(*images)})
    found = read_fixations(tmp_path / "fixations.mat")
    assert list(found) == ["1001", "1002"]
    first = found["1001"]
    assert (first.cols.tolist(), first.rows.tolist()) == ([1.5, 3.9, 0.0], [0.2, 2.9, 1.0])
    assert first.observers == ("1", "1", "2")
    assert first.durations is not None
    assert first.durations.tolist() == [200, 90, 70]
    assert counts_of(first, (3, 4)).tolist() == [[0, 1, 0, 0], [1, 0, 0, 0], [0, 0, 0, 1]]


@pytest.mark.parametrize(
    ("variables", "choices", "message"),
    [
        (
            {"b": MAP, "a": MAP},
            {},
            "none of the variables gaze, fixLocs, I, fixations; its variables are a, b; name the one",
        ),
        ({"a": MAP}, {"variable": "b"}, "no variable 'b'; its variables are a"),
        (
            {"fixations": np.asarray([[10.0, 20.0], [30.0, 40.0]])},
            {},
            COORDINATES,
        ),
        (
            {"I": {"a": MAP}},
            {},
            UNKNOWN,
        ),
        (
            {"gaze": {"fixations": np.asarray([[1.0, np.inf]]), "location": MAP}},
            {},
            "coordinates that are infinite",
        ),
        (
            {"fixations": cell({"img": "1.jpg", "subjects": {"fix_x": np.ones((1, 2)), "fix_y": np.ones((1, 3))}})},
            {},
            "a subject has 2 fix_x and 3 fix_y; they must be as many",
        ),
        (
            {"fixations": cell(*({"img": "1.jpg", "subjects": {"fix_x": MAP, "fix_y": MAP}} for _ in range(2)))},
            {},
            "the image 1 occurs more than once",
        ),
    ],
)
def test_a_matlab_file_of_another_layout_is_refused(
    tmp_path: Path,
    save: Callable[..., None],
    variables: dict[str, Any],
    choices: dict[str, str],
    message: str,
) -> None:
    save(tmp_path / "a.mat", variables)
    assert refusal(tmp_path / "a.mat", **choices) == f"a.mat: {message}"


def test_a_named_variable_is_taken_out_of_several(tmp_path: Path, save: Callable[..., None]) -> None:
    save(tmp_path / "a.mat", {"fixLocs": MAP, "white": 1 - MAP})
    assert only(read_fixations(tmp_path / "a.mat", variable="white")).total == 9


@pytest.mark.parametrize("content", [b"", b"not MATLAB", b"\x89HDF\r\n\x1a\n", b"MATLAB 5.0".ljust(300, b"\xff")])
def test_a_damaged_matlab_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.mat").write_bytes(content)
    assert refusal(tmp_path / "a.mat").startswith("a.mat: damaged, or no MATLAB file (")


def test_a_truncated_matlab_file_is_refused(tmp_path: Path, save: Callable[..., None]) -> None:
    save(tmp_path / "whole.mat", {"I": MAP})
    whole = (tmp_path / "whole.mat").read_bytes()
    for kept in (140, 180):
        (tmp_path / "a.mat").write_bytes(whole[:kept])
        assert refusal(tmp_path / "a.mat").startswith("a.mat: damaged, or no MATLAB file (")


def test_a_matlab_file_does_not_lead_to_other_files(tmp_path: Path) -> None:
    save_v73(tmp_path / "secret.mat", {"I": MAP})
    with h5py.File(tmp_path / "link.mat", "w") as file:
        file["I"] = h5py.ExternalLink("secret.mat", "/I")
    with h5py.File(tmp_path / "raw.mat", "w") as file:
        file.create_dataset("I", (3, 4), "u1", external=[(str(tmp_path / "secret.mat"), 0, 12)])
    for name in ("link", "raw"):
        message = refusal(tmp_path / f"{name}.mat")
        assert message.startswith(f"{name}.mat: damaged, or no MATLAB file (")
        assert message.endswith("I is a link or lies in another file)")


def test_a_missing_package_is_named_with_the_way_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for version, save in SAVERS.items():
        save(tmp_path / f"{version}.mat", {"I": MAP})
    monkeypatch.setitem(sys.modules, "h5py", None)
    monkeypatch.setitem(sys.modules, "scipy.io", None)
    assert list(read_fixations(tmp_path / "v5.mat")) == ["v5"]
    with pytest.raises(MissingDependency) as caught:
        read_fixations(tmp_path / "v7.3.mat")
    assert str(caught.value) == (
        "MATLAB files of version 7.3 need h5py, which is not installed: pip install 'kldeval[matlab73]'"
    )


POINTS = [
    {"name": "a/1.png", "x": 1.5, "y": 0, "observer": "ann", "duration": 200, "count": 2},
    {"name": "b", "x": 0, "y": 1, "observer": "bob", "duration": 90.5, "count": 1},
    {"name": "a/1.png", "x": 3, "y": 2, "observer": "bob", "duration": 70, "count": 1},
]
"""One list of fixations, in the order of the file."""


def write_list(path: Path, records: list[dict[str, Any]]) -> Path:
    if path.suffix == ".json":
        path.write_text(json.dumps(records))
    elif path.suffix == ".jsonl":
        path.write_text("\n".join(map(json.dumps, records)) + "\n\n")
    else:
        separator = "," if path.suffix == ".csv" else "\t"
        rows = [list(records[0]), *(record.values() for record in records)]
        path.write_text("".join(separator.join(map(str, row)) + "\r\n" for row in rows), encoding="utf-8-sig")
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".json", ".jsonl"])
def test_a_list_gives_the_fixations_of_every_image(tmp_path: Path, suffix: str) -> None:
    found = read_fixations(write_list(tmp_path / f"list{suffix}", POINTS))
    assert list(found) == ["a/1", "b"]
    first = found["a/1"]
    assert (first.cols.tolist(), first.rows.tolist(), first.counts.tolist()) == ([1.5, 3], [0, 2], [2, 1])
    assert (first.observers, first.shape) == (("ann", "bob"), None)
    assert found["b"].durations is not None
    assert found["b"].durations.tolist() == [90.5]
    assert counts_of(first, (3, 4)).tolist() == [[0, 2, 0, 0], [0, 0, 0, 0], [0, 0, 0, 1]]


@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_coordinates_may_count_from_one(tmp_path: Path, suffix: str) -> None:
    path = write_list(tmp_path / f"list{suffix}", [{"name": "a", "x": 4, "y": 3}])
    found = only(read_fixations(path, base=1))
    assert (found.cols.tolist(), found.rows.tolist(), found.observers, found.durations) == ([3], [2], None, None)


def test_scanpaths_in_json_are_read_with_the_words_of_their_data_set(tmp_path: Path) -> None:
    records = [
        {"name": "1.jpg", "subject": 2, "task": "bottle", "X": [1.0, 2.0], "Y": [0.5, 1.5], "T": [100, 200]},
        {"name": "1.jpg", "subject": 10, "task": "bottle", "X": [3.0], "Y": [2.0], "T": [50]},
    ]
    found = only(read_fixations(write_list(tmp_path / "list.json", records)))
    assert (found.cols.tolist(), found.rows.tolist(), found.observers) == ([1, 2, 3], [0.5, 1.5, 2], ("2", "2", "10"))
    assert found.durations is not None
    assert found.durations.tolist() == [100, 200, 50]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.csv", "", "no list of fixations: it is empty"),
        ("a.csv", "name,x,y\n", "no list of fixations: it is empty"),
        (
            "a.csv",
            "name,x\na,1\n",
            (
                "line 2: no y; a list of fixations has name, x, y, this has name, x; where it is called otherwise: "
                "--fixation-columns y=TITLE"
            ),
        ),
        ("a.csv", "name,x,y\na,1,2\na,,2\n", "line 3: no x; a list of fixations has name, x, y, this has name, x, y"),
        ("a.csv", "name,x,y\na,left,2\n", "line 2: x is 'left', which is no finite number"),
        ("a.csv", "name,x,y\na,1,inf\n", "line 2: y is 'inf', which is no finite number"),
        ("a.csv", "name,x,y,count\na,1,1,0\n", "line 2: count is '0'; it must be a whole number from 1 to 2147483647"),
        (
            "a.csv",
            "name,x,y,count\na,1,1,1.5\n",
            "line 2: count is '1.5'; it must be a whole number from 1 to 2147483647",
        ),
        (
            "a.csv",
            "name,x,y,observer\na,1,1,ann\na,1,1,\n",
            "image a: 1 of 2 fixations have no observer",
        ),
        ("a.json", "3", "no list of fixations: the JSON is not a list of objects"),
        (
            "a.json",
            "{}",
            (
                "no list of fixations: an object with no members; fixations are an object with images and annotations "
                "(SALICON), a list of objects with name, x, y, or a list of [row, column] pairs for each frame of a "
                "video"
            ),
        ),
        (
            "a.json",
            "[[1, 2], [3, 4]]",
            (
                "a list of pairs does not say which image they are on, nor which number is x: store it as .csv with "
                "the columns name, x, y"
            ),
        ),
        ("a.json", "[[[1, 2]], [[1]]]", "frame 2: its fixations are no list of [row, column] pairs of numbers"),
        (
            "a.json",
            '{"images": [], "annotations": [{"image_id": 3, "fixations": []}]}',
            "annotation 0: no image has the id 3",
        ),
        (
            "a.json",
            '{"images": [{"id": 3}], "annotations": [{"image_id": 3, "fixations": [[1, 2]]}]}',
            "image 3: no file_name; it has id",
        ),
        ("a.json", "[1]", "entry 0: int instead of an object with name, x, y"),
        ("a.json", "[", "no JSON: Expecting value: line 1 column 2 (char 1)"),
        ("a.json", '[{"name": "a", "x": true, "y": 1}]', "entry 0: x is True, which is no finite number"),
        (
            "a.json",
            '[{"name": "a", "x": [1, 2], "y": [1]}]',
            "entry 0: 2 x, 1 y and 2 durations; they must be as many",
        ),
        ("a.jsonl", '\n{"name": "a", "x": 1, "y": Infinity}', "line 2: y is inf, which is no finite number"),
        (
            "a.jsonl",
            "{\n",
            "line 1: no JSON: Expecting property name enclosed in double quotes: line 2 column 1 (char 2)",
        ),
    ],
)
def test_a_list_that_cannot_be_read_is_refused_with_its_line(
    tmp_path: Path, name: str, text: str, message: str
) -> None:
    (tmp_path / name).write_text(text)
    assert refusal(tmp_path / name) == f"{name}: {message}"


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "bytes.csv").write_bytes(b"name,x,y\n\xff,1,1\n")
    assert refusal(tmp_path / "bytes.csv").startswith("bytes.csv: no list of fixations: 'utf-8' codec can't decode")
    assert refusal(tmp_path / "a.txt") == (
        "a.txt: fixations are read from maps, .mat and .csv .json .jsonl .tsv, not from files ending in '.txt'"
    )
    for name in ("gone.csv", "gone.mat", "gone.json"):
        assert refusal(tmp_path / name) == f"{name}: no such file or directory"


def test_choices_that_mean_nothing_are_refused() -> None:
    with pytest.raises(UsageProblem) as caught:
        read_fixations(Path("a.csv"), base=2)
    assert str(caught.value) == "coordinates count from 0 or from 1, not from 2"
    with pytest.raises(UsageProblem) as caught:
        read_fixations(Path("a.mat"), gaze="mouse")
    assert str(caught.value) == "gaze 'mouse' is none of fixations, location"
