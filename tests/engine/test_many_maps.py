"""Runs of many maps: the numbers are those of rows that are kept, and memory does not grow with the number of maps."""

from __future__ import annotations

import io
import json
import shutil
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from command_line import kldeval
from looked_at import make_looked_at
from many import adds_at_most, as_many, few_in_memory

import kldeval as library

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def maps(tmp_path: Path) -> tuple[Path, Path]:
    rng = np.random.default_rng(11)
    for side in ("pred", "gt"):
        (tmp_path / side / "v").mkdir(parents=True)
        for number in range(14):
            array = rng.random((6, 8)) ** 3
            np.save(tmp_path / side / "v" / f"{number:02d}.npy", array * (side == "pred" or number != 7))
    (tmp_path / "gt" / "v" / "03.npy").write_bytes(b"damaged")
    return tmp_path / "pred", tmp_path / "gt"


@pytest.mark.parametrize("format_", ["json", "jsonl", "csv", "table", "markdown", "scores"])
@pytest.mark.parametrize(
    "words", ["", "-m kld,cc,nss", "--group-by parent", "--empty-gt skip", "-m kld --maps pixels"], ids=str
)
def test_what_is_on_disk_is_what_would_be_in_memory(
    maps: tuple[Path, Path], format_: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "nss" in words:
        seen = make_looked_at(maps[0].parent / "seen")
        maps, words = seen.maps, f"{words} --fixations {seen.fixations}"
    kept = kldeval(*maps, *words.split(), "--format", format_)
    few_in_memory(monkeypatch, 1)
    spooled = kldeval(*maps, *words.split(), "--format", format_)
    assert spooled == kept


@pytest.mark.parametrize(
    "words",
    ["--maps groups --format markdown --per-map", "--maps fixations -m nss --format csv", "-m kld,nss --baselines"],
    ids=str,
)
def test_leaderboards_on_disk_are_those_in_memory(
    maps: tuple[Path, Path], words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One model lacks a map, and of one a map cannot be read; with fixations of several observers where these count."""
    seen = make_looked_at(maps[0].parent / "seen")
    pred, gt = seen.maps if "nss" in words else maps
    models = [pred.parent / name for name in ("one", "two", "three")]
    for model in models:
        shutil.copytree(pred, model)
    lost, damaged, *_ = sorted(path for path in models[1].rglob("*.*"))
    lost.unlink()
    damaged.write_bytes(b"damaged")
    asked: tuple[Any, ...] = (
        *models,
        gt,
        *words.split(),
        "--allow-missing",
        "--resamples",
        "100",
        "--fixations",
        seen.fixations,
    )
    asked = asked if "nss" in words else asked[:-2]
    outputs = [pred.parent / name for name in ("all.json", "all.csv", "all.jsonl", "all.html")]
    written = [word for path in outputs for word in ("-o", str(path))]
    few = kldeval(*asked, *written), [path.read_bytes() for path in outputs]
    few_in_memory(monkeypatch, 1)
    many = kldeval(*asked, *written), [path.read_bytes() for path in outputs]
    assert few[0].code == 1
    assert many == few


def test_tables_per_class_and_failures_on_disk_are_those_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some maps have a number for one metric alone, and some none; of one the classes are fewer."""
    rng = np.random.default_rng(2)
    for number in range(12):
        for side, array in (("pred", rng.random((3, 4, 5))), ("gt", rng.integers(0, 3, (4, 5)))):
            (tmp_path / side).mkdir(exist_ok=True)
            np.save(tmp_path / side / f"{number:02d}.npy", array if number % 5 else array[..., :2])
    for number in (2, 3):
        np.save(tmp_path / "gt" / f"{number:02d}.npy", np.full((4, 5), 7))
    (tmp_path / "pred" / "04.npy").unlink()
    outputs = [tmp_path / name for name in ("all.json", "all.csv", "all.html")]
    written = [word for path in outputs for word in ("-o", str(path))]
    asked: tuple[Any, ...] = (
        tmp_path / "pred",
        tmp_path / "gt",
        *["--norm", "softmax", "--axis", "0", "-m", "ce,accuracy", "--per-class"],
        *written,
    )
    few = kldeval(*asked), [path.read_bytes() for path in outputs]
    few_in_memory(monkeypatch, 1)
    assert (kldeval(*asked), [path.read_bytes() for path in outputs]) == few
    with pytest.raises(
        library.errors.RefusedMap, match="3 of 12 maps failed, and the means are those of the others: map 02: "
    ):
        library.evaluate(*asked[:2], metric="ce", norm="softmax", axis=0, on_failure="raise")


@pytest.mark.parametrize("models", [1, 2])
def test_parts_on_disk_merge_as_those_in_memory(
    maps: tuple[Path, Path], models: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some maps have failed, and one that stands in two parts is named."""
    preds = [maps[0], shutil.copytree(maps[0], maps[0].parent / "other")][:models]
    parts = [maps[0].parent / f"{place}.json" for place in range(4)]
    for place, part in enumerate(parts, 1):
        kldeval(*preds, maps[1], "--shard", f"{place}/4", "-o", part, "-q", "--resamples", "100")
    whole = kldeval("merge", *parts, "--format", "json")
    copied = shutil.copy(parts[1], maps[0].parent / "again.json")
    Path(copied).write_text(parts[1].read_text().replace('"2/4"', '"1/4"'))
    few = whole, kldeval("merge", copied, *parts[1:])
    few_in_memory(monkeypatch, 3)
    assert (kldeval("merge", *parts, "--format", "json"), kldeval("merge", copied, *parts[1:])) == few
    assert (few[0].code, few[1].code) == (1, 2)
    assert "maps in all): every map must be in one part alone" in few[1].err


def test_files_are_the_same(maps: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    names = ("rows.csv", "rows.tsv", "rows.jsonl", "rows.parquet")
    outputs = [word for name in names for word in ("-o", str(tmp_path / name))]
    assert kldeval(*maps, *outputs, "-q").code == 1
    kept = {name: (tmp_path / name).read_bytes() for name in names}
    few_in_memory(monkeypatch)
    assert kldeval(*maps, *outputs, "-q").code == 1
    for name in names[:3]:
        assert (tmp_path / name).read_bytes() == kept[name]
    ours, theirs = parquet.read_table(tmp_path / "rows.parquet"), parquet.read_table(io.BytesIO(kept["rows.parquet"]))
    assert ours.equals(theirs)
    assert ours.schema.metadata == theirs.schema.metadata


def tiny(number: int) -> Iterator[tuple[str, Any, Any]]:
    rng = np.random.default_rng(1)
    pred, gt = rng.random((2, 2)), rng.random((2, 2))
    return ((f"{place:07d}", pred + place, gt) for place in range(number))


@pytest.mark.parametrize("most", [10, 1000])
def test_rows_of_an_iterable_are_in_the_order_of_their_names(most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever order they come in, and however many there are: the rows of folders are, too."""
    few_in_memory(monkeypatch, most)
    monkeypatch.setattr("kldeval.api.sources.LARGEST_BLOCK", 7)
    monkeypatch.setattr("kldeval.reports.spool.BYTES_AT_ONCE", 50)
    pairs = {f"{place * 37 % 50:02d}": pair for place, (_, *pair) in enumerate(tiny(50))}
    report = library.evaluate(((name, *pair) for name, pair in pairs.items()), metric="kld", jobs=1)
    assert [score.name for score in report.scores] == sorted(pairs)
    for score in report.scores[::9]:
        assert score.values == library.evaluate([("x", *pairs[score.name])], metric="kld").scores[0].values


def test_an_endless_iterable_ends_at_the_limit_and_two_of_a_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    few_in_memory(monkeypatch)
    monkeypatch.setattr("kldeval.sequences.BUCKETS", 2)
    _, pred, gt = next(tiny(1))
    endless = ((f"{place}", pred, gt) for place in count())
    assert len(library.evaluate(endless, metric="kld", limit=12).scores) == 12
    twice = ((f"{place % 40}", pred, gt) for place in count())
    with pytest.raises(library.errors.UsageProblem, match="item 40: there is another pair of the name '0'"):
        library.evaluate(twice, metric="kld")


def linked(root: Path, number: int) -> tuple[Path, Path]:
    """Folders of a tiny map under many names."""
    root.mkdir()
    np.save(root / "map.npy", np.eye(2))
    for side in ("pred", "gt"):
        (root / side).mkdir()
        for place in range(number):
            (root / side / f"COCO_val2014_{place:012d}.npy").hardlink_to(root / "map.npy")
    return root / "pred", root / "gt"


@pytest.mark.parametrize("models", [1, 2])
def test_a_pair_of_files_adds_its_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, models: int) -> None:
    """Two names of 25 letters, and 100 bytes for all else; a pair and its two paths would take 800."""
    as_many(monkeypatch, 128)
    few, many = (linked(tmp_path / f"{number}", number) for number in (150, 650))

    def pair(pred: Path, gt: Path) -> None:
        preds = {f"{model}": pred for model in range(models)} if models > 1 else pred
        library.evaluate(preds, gt, metric="kld", jobs=1, limit=1)

    assert adds_at_most(150 * models * 500, partial(pair, *few), partial(pair, *many))


def test_a_report_of_many_maps_can_be_read_again_and_again(
    maps: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = library.evaluate(*maps, on_failure="ignore")
    few_in_memory(monkeypatch)
    spooled = library.evaluate(*maps, on_failure="ignore")
    assert list(spooled.scores) == list(spooled.scores) == list(kept.scores)
    assert spooled.scores[-1] == kept.scores[-1]
    assert spooled.scores[2:9:3] == kept.scores[2:9:3]
    assert spooled.scores[9:2:-3] == kept.scores[9:2:-3]
    assert spooled.failures == kept.failures
    assert json.dumps(str(spooled)) == json.dumps(str(kept))


def test_a_full_disk_says_where_and_what_to_do(maps: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """As /dev/full says it."""
    few_in_memory(monkeypatch, 1)
    full = partial(Path("/dev/full").open, "r+b")
    monkeypatch.setattr("kldeval.reports.spool.TemporaryFile", lambda *, buffering, **_: full(buffering=buffering))
    outcome = kldeval(*maps, "-q")
    assert (outcome.code, outcome.out) == (2, "")
    way_out = "set TMPDIR to a larger place, and run it again (with --cache nothing is scored twice)"
    assert outcome.err.endswith(f" (no space left on device): {way_out}\n")


@pytest.mark.parametrize(
    "words",
    [
        "pred gt -m kld,cc,nss --fixations seen.csv --baselines",
        "pred gt -m kld,bce --save-maps terms",
        "classes labels --norm softmax --axis 0 -m ce,accuracy --ignore-index 9 --maps pixels --per-class",
        "classes labels --norm softmax --axis 0 -m ece --ignore-index 9 --maps pixels",
    ],
)
def test_numbers_that_some_maps_lack_or_that_count_nothing_are_so_on_disk(
    tmp_path: Path, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two maps have negative values, one was looked at by a single observer, and of one all labels are ignored.

    Of a map that has not all numbers the terms cannot be saved: its failures come in one order.
    """
    monkeypatch.chdir(tmp_path)
    for number in (0, 3, 5):
        Path(f"terms/kld/{number}.npy").mkdir(parents=True)
    rng = np.random.default_rng(2)
    for side in ("pred", "gt", "classes", "labels"):
        Path(side).mkdir()
    for number in range(6):
        size = (6, 8) if number != 4 else (5, 7)
        np.save(f"pred/{number}.npy", (rng.random(size) - (number == 2)) * (1 + number // 5))
        np.save(f"gt/{number}.npy", rng.random(size) - (number == 1))
        np.save(f"classes/{number}.npy", rng.random((3, *size)))
        np.save(f"labels/{number}.npy", rng.integers(0, 3, size) if number != 2 else np.full(size, 9))
    lines = [f"{number},{n},{n},{'ab'[n % 2 and number != 3]}" for number in range(6) for n in range(4)]
    Path("seen.csv").write_text("\n".join(["name,x,y,observer", *lines]))
    for number in (0, 3, 5):
        made = {"schema": "kldeval.density/1", "made": "gaussian(sigma=2)", "fixations": number + 1, "sigma": 2.0}
        Path(f"gt/{number}.json").write_text(json.dumps(made))
    asked = (*words.split(), "--format", "json", "--jobs", "1")
    few = kldeval(*asked)
    few_in_memory(monkeypatch, 1)
    assert kldeval(*asked) == few
    for name in ("engine.parts.TASKS_OF_PART", "engine.parts.TASKS_OF_PIECE"):
        monkeypatch.setattr(f"kldeval.{name}", 2)
    assert kldeval(*asked, "--output-dir", "rows") == few
