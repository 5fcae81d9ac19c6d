"""Columns of tables stand where folders do: images and arrays in Parquet and Arrow files, as `datasets` writes them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest
from command_line import kldeval, score
from late import late

import kldeval as package

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Array = np.ndarray[Any, Any]

pa = late("pyarrow")
pq = late("pyarrow.parquet")

NAMES = ("b", "a", "v/x", "c")
BOTH = ("--pred-column", "pred", "--gt-column", "gt")


def image(values: Array) -> bytes:
    encoded, data = cv2.imencode(".png", values)
    assert encoded
    return data.tobytes()


@pytest.fixture(autouse=True)
def maps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, list[Array]]:
    """Folders `pred` and `gt` of 8-bit images, and the same maps by side."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(7)
    found = {side: [rng.integers(1, 256, (6, 9), dtype=np.uint8) for _ in NAMES] for side in ("pred", "gt")}
    for side, arrays in found.items():
        for name, array in zip(NAMES, arrays, strict=True):
            Path(side, name).parent.mkdir(parents=True, exist_ok=True)
            Path(f"{side}/{name}.png").write_bytes(image(array))
    return found


def structs(arrays: Sequence[Array], names: Sequence[str] = NAMES) -> list[dict[str, Any]]:
    """The feature `Image` of `datasets`: https://huggingface.co/docs/datasets/about_dataset_features."""
    return [{"bytes": image(array), "path": f"{name}.png"} for array, name in zip(arrays, names, strict=True)]


def table(maps: dict[str, list[Array]], kind: str) -> Any:
    kinds: dict[str, Callable[[Sequence[Array]], list[Any]]] = {
        "structs": structs,
        "bytes": lambda arrays: [image(array) for array in arrays],
        "lists": lambda arrays: [array.tolist() for array in arrays],
    }
    cells = kinds[kind]
    columns = {side: cells(arrays) for side, arrays in maps.items()}
    types = {side: pa.list_(pa.list_(pa.uint8())) for side in maps} if kind == "lists" else {}
    columns = {side: pa.array(column, types.get(side)) for side, column in columns.items()}
    return pa.table({"id": NAMES, **columns, "number": range(len(NAMES)), "other": [0.5] * len(NAMES)})


def written(found: Any, file: str) -> str:
    if file.endswith(".parquet"):
        pq.write_table(found, file, row_group_size=3)
    else:
        new = pa.ipc.new_stream if file.startswith("stream") else pa.ipc.new_file
        with pa.OSFile(file, "wb") as sink, new(sink, found.schema) as writer:
            writer.write_table(found, max_chunksize=3)
    return file


def rows(out: str) -> Any:
    document = json.loads(out)
    return document["maps"], document["summary"], document["signature"]


@pytest.mark.parametrize("kind", ["structs", "bytes", "lists"])
@pytest.mark.parametrize("file", ["t.parquet", "stream.arrow", "t.feather"])
def test_two_columns_score_as_the_folders_of_their_maps(maps: dict[str, list[Array]], kind: str, file: str) -> None:
    expected = rows(kldeval("pred", "gt", "--format", "json").out)
    found = written(table(maps, kind), file)
    outcome = kldeval(found, found, *BOTH, "--name-column", "id", "--format", "json", "--jobs", "2")
    assert (outcome.code, outcome.err) == (0, "")
    assert rows(outcome.out) == expected
    numbered = json.loads(kldeval(found, found, *BOTH, "--format", "json").out)
    assert [row["name"] for row in numbered["maps"]] == ["0", "1", "2", "3"]
    assert numbered["summary"] == expected[1]


def test_a_column_pairs_by_name_with_folders_and_other_tables(maps: dict[str, list[Array]]) -> None:
    """In another order, and in files of a folder, of which a pattern takes some."""
    expected = score("pred", "gt")
    whole = table(maps, "structs")
    Path("shards").mkdir()
    written(whole.slice(0, 1), "shards/test-0.parquet")
    written(whole.slice(1), "shards/test-1.parquet")
    Path("shards/README.md").write_text("about them")
    mixed = written(whole.take([3, 1, 0, 2]), "mixed.parquet")
    by_id = ("--name-column", "id")
    assert score("shards", "gt", "--pred-column", "pred", *by_id) == expected
    assert score("pred", mixed, "--gt-column", "gt", *by_id) == expected
    assert score("shards", mixed, *BOTH, *by_id) == expected
    assert score("shards", mixed, *BOTH, "--name-column", "pred.path") == expected
    assert score("shards/test-*", mixed, *BOTH, *by_id) == expected
    written(whole.slice(0, 2), "shards/train-0.parquet")
    assert score("shards/test-*", mixed, *BOTH, *by_id) == expected
    assert kldeval("shards", mixed, *BOTH, *by_id).code == 2
    assert package.evaluate("shards/test-*", mixed, pred_column="pred", gt_column="gt", name_column="id").summaries[
        "kld"
    ].mean == pytest.approx(expected[0], rel=1e-14)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("t.parquet t.parquet", "t.parquet is a table: name its columns of maps with --pred-column and --gt-column"),
        (
            "t.parquet t.parquet --pred-column pred --name-column id",
            "t.parquet is a table: name its columns",
        ),
        (
            "t.parquet gt --pred-column pred",
            "which rows of t.parquet belong to which other maps is said by --name-column COLUMN; columns that can: id",
        ),
        (
            "t.parquet t.parquet --pred-column x --gt-column gt",
            "t.parquet: it has no column 'x'; it has id, pred, gt, number, other",
        ),
        (
            "t.parquet gt --pred-column pred --name-column pred.x",
            "t.parquet: it has no column 'pred.x'; it has id, pred, gt, number, other",
        ),
        (
            "t.parquet gt --pred-column pred --name-column other",
            "t.parquet: its column 'other' names no rows: it holds double",
        ),
        ("gaps.parquet gt --pred-column pred --name-column id", "gaps.parquet: row 1 has no name in the column 'id'"),
        (
            "twice.parquet gt --pred-column pred --name-column id",
            "the column 'id' of twice.parquet gives two rows the name a.png; --name-column",
        ),
        ("nowhere.parquet gt --pred-column pred --name-column id", "nowhere.parquet: no such file or directory"),
        ("pred gt --pred-column pred --name-column id", "pred holds no table with columns (.parquet .arrow .feather)"),
        ("damaged.parquet gt --pred-column pred --name-column id", "damaged.parquet: damaged, or not what it seems"),
        ("pred gt --name-column id", "--name-column says how rows are called: name a column of maps with"),
    ],
)
def test_what_cannot_be_paired_is_refused_in_one_line(maps: dict[str, list[Array]], words: str, message: str) -> None:
    whole = table(maps, "structs")
    written(whole, "t.parquet")
    written(whole.set_column(0, "id", pa.array(["a", None, "c", "d"])), "gaps.parquet")
    written(whole.set_column(0, "id", pa.array(["a", "b", "a", "d"])), "twice.parquet")
    Path("damaged.parquet").write_bytes(Path("t.parquet").read_bytes()[:-100])
    outcome = kldeval(*words.split())
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(f"kldeval: {message}")
    assert outcome.err.count("\n") == 1


def test_a_row_that_holds_no_map_is_a_failure_of_its_own(maps: dict[str, list[Array]]) -> None:
    cells = structs(maps["pred"])
    cells[0]["bytes"] = b"no image"
    cells[1]["bytes"] = None
    kind = pa.struct({"bytes": pa.binary(), "path": pa.string()})
    found = table(maps, "structs").set_column(1, "pred", pa.array([*cells[:2], None, cells[3]], kind))
    file = written(found, "t.parquet")
    document = json.loads(kldeval(file, file, *BOTH, "--format", "json").out)
    assert [row["name"] for row in document["maps"]] == ["3"]
    said = {failure["name"]: failure["message"] for failure in document["failures"]}
    assert said["0"].startswith("t.parquet/0.png: ")
    assert said["1"] == "t.parquet/1.png: the row holds the text 'a.png' and not the bytes of an image"
    assert said["2"] == "t.parquet/2.png: the row has no value here"


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ([[[1.0, 2.0], [3.0]]], "lists are not equally long"),
        ([[]], "the row holds an empty list"),
        ([[[1.0, None], [3.0, 4.0]]], "1 of its numbers are missing"),
        ([[["x", "y"]]], "its lists hold string and no numbers"),
        (["market"], "the row holds the text 'market'"),
        ([2.5], "the row holds double and no map"),
        ([True], "the row holds bool and no map"),
    ],
)
def test_cells_that_are_no_maps_are_refused(cells: list[Any], message: str) -> None:
    file = written(pa.table({"pred": cells, "gt": [[[1.0, 2.0], [3.0, 4.0]]]}), "t.parquet")
    document = json.loads(kldeval(file, file, *BOTH, "--format", "json").out)
    assert message in document["failures"][0]["message"]


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_a_table_that_was_replaced_is_read_anew(maps: dict[str, list[Array]], scheme: str) -> None:
    def values(file: str) -> list[float]:
        place = scheme + str(Path(written(table(maps, "bytes"), file)).absolute())
        found = package.evaluate(place, place, pred_column="pred", gt_column="gt", name_column="id", jobs=1)
        return [score.values["kld"] for score in found.scores]

    before = values("maps.parquet")
    maps["pred"].reverse()
    assert before != values("maps.parquet") == values("others.parquet")


def test_volumes_of_classes_may_be_cells() -> None:
    rng = np.random.default_rng(3)
    logits, labels = rng.normal(size=(2, 3, 4, 5)), rng.integers(0, 3, (2, 4, 5))
    found = pa.table({"pred": pa.array(logits.tolist()), "gt": pa.array(labels.tolist()), "id": ["x", "y"]})
    file = written(found, "t.parquet")
    options = ("-m", "ce", "--norm", "softmax", "--axis", "0")
    for name, one, other in zip("xy", logits, labels, strict=True):
        for side, values in (("P", one), ("G", other)):
            Path(side).mkdir(exist_ok=True)
            np.save(f"{side}/{name}.npy", values)
    assert score(file, file, *BOTH, *options) == score("P", "G", *options)
