"""Maps from wherever they are have the numbers that the command line prints of the same maps in files."""

from __future__ import annotations

import inspect
import json
import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from command_line import kldeval as command
from late import late
from looping import each_of
from PIL import Image
from reading import read_map

import kldeval
from kldeval import evaluate
from kldeval.errors import KldevalError, MapsFailed, RefusedMap, UnknownName, UsageProblem

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

torch = late("torch")

CAREFUL, BOLD, GT = (Path("sample_data") / name for name in ("careful", "bold", "gt"))
NAMES = sorted(path.stem for path in GT.iterdir())
METRICS = "kld,ce,cc,sim"
RNG = np.random.default_rng(5)
MAPS = RNG.random((4, 12, 15))


def stack(folder: Path) -> Any:
    return np.stack([read_map(folder / f"{name}.png").array for name in NAMES])


OF_THE_COMMAND_LINE = {
    *("output", "per_map", "fail_if", "worst", "labels", "html_maps", "columns", "precision", "help"),
    *("config", "quiet", "debug", "intervals", "std", "name", "score_only", "annotate", "signatures", "siunitx"),
    *("format", "stimuli", "rows", "help_all"),
}
"""Options on what is printed, which a library has other ways for."""


def printed(*arguments: str | Path) -> dict[str, Any]:
    """The JSON that the command line prints."""
    outcome = command(*arguments, "--format", "json", "--jobs", "1")
    found: dict[str, Any] = json.loads(outcome.out)
    return found


def numbers(report: kldeval.Report) -> list[dict[str, float]]:
    return [dict(score.values) for score in report.scores]


def batches(size: int) -> Iterator[Any]:
    names, pred, gt = NAMES, torch.as_tensor(stack(CAREFUL)), torch.as_tensor(stack(GT))
    for start in range(0, len(names), size):
        part = slice(start, start + size)
        yield names[part], pred[part, None], gt[part, None]


WAYS: dict[str, Callable[[], tuple[Any, ...]]] = {
    "folders": lambda: (CAREFUL, GT),
    "texts": lambda: (str(CAREFUL), str(GT)),
    "arrays": lambda: (stack(CAREFUL), stack(GT)),
    "tensors": lambda: (torch.as_tensor(stack(CAREFUL)), torch.as_tensor(stack(GT))),
    "sparse tensors": lambda: (torch.as_tensor(stack(CAREFUL)).to_sparse(), torch.as_tensor(stack(GT))),
    "one channel": lambda: (stack(CAREFUL)[:, None], stack(GT)[:, None]),
    "lists of arrays": lambda: (list(stack(CAREFUL)), list(stack(GT))),
    "lists of paths": lambda: ([CAREFUL / f"{one}.png" for one in NAMES], [GT / f"{one}.png" for one in NAMES]),
    "pairs": lambda: (list(zip(stack(CAREFUL), stack(GT), strict=True)),),
    "pairs of paths": lambda: ([(one, str(CAREFUL / f"{one}.png"), GT / f"{one}.png") for one in NAMES],),
    "a generator": lambda: (zip(NAMES, stack(CAREFUL), stack(GT), strict=True),),
    "mappings": lambda: (
        [{"name": n, "pred": p, "gt": g} for n, p, g in zip(NAMES, stack(CAREFUL), stack(GT), strict=True)],
    ),
    "batches": lambda: (batches(2),),
    "a DataLoader": lambda: (
        torch.utils.data.DataLoader(list(zip(NAMES, stack(CAREFUL), stack(GT), strict=True)), batch_size=3),
    ),
}


class TestWaysToGiveMaps:
    @pytest.mark.parametrize("options", [{}, {"norm": "flatten-softmax"}, {"convention": "sam"}])
    def test_every_way_has_the_numbers_of_the_command_line(self, options: dict[str, Any]) -> None:
        flags = [part for key, value in options.items() for part in (f"--{key}", value)]
        wanted = printed(CAREFUL, GT, "--metric", METRICS, *flags)
        rows = [{key: row[key] for key in METRICS.split(",")} for row in wanted["maps"]]
        for way, given in WAYS.items():
            report = evaluate(*given(), metric=METRICS.split(","), jobs=1, **options)
            assert numbers(report) == rows, way
            assert report["kld"].mean == wanted["summary"]["kld"]["mean"], way
            assert report.signatures == wanted["signature"], way

    @pytest.mark.parametrize("way", ["pairs of paths", "a generator", "mappings", "batches", "a DataLoader"])
    def test_an_iterable_names_its_maps(self, way: str) -> None:
        assert [score.name for score in evaluate(*WAYS[way](), jobs=1).scores] == NAMES

    def test_arrays_are_named_by_their_place(self) -> None:
        assert [score.name for score in evaluate(np.ones((11, 2, 3)), np.ones((11, 2, 3))).scores][8:] == [
            "08",
            "09",
            "10",
        ]

    def test_a_mapping_is_a_leaderboard(self) -> None:
        of_files = evaluate({"careful": CAREFUL, "bold": BOLD}, GT, metric="kld,cc", jobs=1)
        of_arrays = evaluate({"careful": stack(CAREFUL), "bold": stack(BOLD)}, stack(GT), metric="kld,cc", jobs=1)
        found = printed(CAREFUL, BOLD, GT, "--metric", "kld,cc")
        assert isinstance(of_files, kldeval.Leaderboard)
        for board in (of_files, of_arrays):
            assert list(board) == ["careful", "bold"]
            for model in board:
                assert board[model]["cc"].mean == found["reports"][model]["summary"]["cc"]["mean"]
        assert list(evaluate({"bold": BOLD, "careful": CAREFUL}, GT, sort="kld", jobs=1)) == ["careful", "bold"]

    def test_what_stands_beside_arrays(self, tmp_path: Path) -> None:
        fixations = (stack(GT) > 150).astype(np.uint8)
        for place, name in enumerate(NAMES):
            np.save(tmp_path / f"{name}.npy", fixations[place])
        wanted = printed(CAREFUL, GT, "--metric", "nss,auc-judd,sauc", "--fixations", tmp_path)
        pred, gt = stack(CAREFUL), stack(GT)
        items = list(zip(NAMES, pred, gt, fixations, strict=True))
        for given, beside in (
            ((pred, gt), fixations),
            ((pred, gt), torch.as_tensor(fixations)),
            ((CAREFUL, GT), dict(zip(NAMES, fixations, strict=True))),
            ((items,), None),
        ):
            report = evaluate(*given, metric="nss,auc-judd,sauc", fixations=beside, jobs=1)
            assert [list(row.values()) for row in numbers(report)] == [
                [row[key] for key in ("nss", "auc-judd", "sauc")] for row in wanted["maps"]
            ]
            assert report.signatures == wanted["signature"]

    def test_a_mask_of_all_maps_and_one_of_each(self) -> None:
        mask = np.ones((12, 15))
        mask[:5] = 0
        shared = evaluate(MAPS, MAPS[::-1], mask=mask)
        each = evaluate([(pred, gt, 1)[:2] for pred, gt in zip(MAPS[:, 5:], MAPS[::-1, 5:], strict=True)])
        np.testing.assert_allclose(shared.values("kld"), each.values("kld"), rtol=1e-12)
        assert "mask:maps" in shared.signatures["kld"]
        items = [{"pred": pred, "gt": gt, "mask": mask} for pred, gt in zip(MAPS, MAPS[::-1], strict=True)]
        assert numbers(evaluate(items)) == numbers(shared)

    def test_labels_and_class_maps(self) -> None:
        scores, labels = RNG.normal(size=(3, 4, 5, 6)), RNG.integers(0, 4, (3, 5, 6))
        report = evaluate(scores, labels, metric="ce", norm="softmax", axis=0)
        expected = [float(kldeval.cross_entropy(one, two, axis=0)) for one, two in zip(scores, labels, strict=True)]
        np.testing.assert_allclose(report.values("ce"), expected, rtol=1e-12)
        single = evaluate(scores[0], labels[0], metric="ce", norm="softmax", axis=0)
        assert single["ce"].mean == report.scores[0].values["ce"]

    def test_only_a_part_of_an_iterable_is_held(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("kldeval.api.sources.BLOCK_BYTES", 3 * MAPS[0].nbytes)
        whole, seen = evaluate([(MAPS[place % 4], MAPS[0]) for place in range(9)]), []

        def items() -> Iterator[Any]:
            for place in range(9):
                seen.append(place)
                yield MAPS[place % 4], MAPS[0]

        held = []
        report = evaluate(items(), progress=lambda _outcome, _total: held.append(len(seen)), jobs=1)
        assert numbers(report) == numbers(whole)
        assert held == [2, 2, 4, 4, 6, 6, 8, 8, 9]
        assert len(evaluate(items(), limit=5).scores) == 5


def parameters_of(function: Any) -> list[inspect.Parameter]:
    try:
        return list(inspect.signature(function).parameters.values())
    except ValueError:  # an exception of Python
        return []


class TestKeywords:
    def test_they_are_explicit(self) -> None:
        parameters = inspect.signature(evaluate).parameters
        options = re.findall(r"^  (?:-\w, )?--([a-z-]+)", command("evaluate", "--help-all").out, re.MULTILINE)
        flags = {option.replace("-", "_") for option in options} - OF_THE_COMMAND_LINE
        assert len(flags) > 50
        assert flags <= parameters.keys()
        assert {"signature", "preset", "on_failure", "progress", "sort"} <= parameters.keys()
        assert not any(one.kind is one.VAR_KEYWORD for one in parameters.values())
        for function in (kldeval.audit, kldeval.identify, kldeval.explain, kldeval.check):
            assert "fixations" in inspect.signature(function).parameters
        for made in (kldeval.Metric, kldeval.MetricCollection):
            assert {"norm", "convention", "rows"} <= inspect.signature(made).parameters.keys()

    def test_nothing_public_hides_its_keywords(self) -> None:
        """Editors complete what a signature names, and type checkers find what is misspelt."""
        public = [getattr(kldeval, name) for name in dir(kldeval) if not name.startswith("_")]
        classes = [one for one in public if isinstance(one, type)]
        methods = [value for one in classes for name, value in inspect.getmembers(one) if not name.startswith("_")]
        ours = [
            one for one in (*public, *methods) if callable(one) and "kldeval" in str(getattr(one, "__module__", ""))
        ]
        hidden = [one for one in ours if any(two.kind is two.VAR_KEYWORD for two in parameters_of(one))]
        assert len(ours) > 150
        assert hidden == []

    def test_how_a_table_looks_where_nothing_is_said(self, tmp_path: Path) -> None:
        looks = {one.name: one.default for one in parameters_of(kldeval.Report.save)[6:]}
        assert {"precision", "per_map", "worst", "columns", "std"} <= looks.keys()
        report = evaluate(MAPS, MAPS[::-1])
        report.save(tmp_path / "plain.md")
        report.save(tmp_path / "said.md", **looks)
        assert (tmp_path / "plain.md").read_text() == (tmp_path / "said.md").read_text()

    @pytest.mark.parametrize("metric", ["kld,cc", ["kld", "cc"], ("kld", " cc")])
    def test_metrics_are_a_text_or_a_list(self, metric: Any) -> None:
        assert list(evaluate(MAPS, MAPS, metric=metric)) == ["kld", "cc"]

    def test_progress(self, capsys: pytest.CaptureFixture[str]) -> None:
        told: list[int] = []
        evaluate(MAPS, MAPS, progress=lambda _outcome, total: told.append(total))
        assert told == [4, 4, 4, 4]
        evaluate(MAPS, MAPS, progress=True)
        assert capsys.readouterr().out == ""

    def test_progress_in_a_notebook_that_has_no_bars(
        self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        shell = type("ZMQInteractiveShell", (), {})()
        monkeypatch.setattr("builtins.get_ipython", lambda: shell, raising=False)
        monkeypatch.setattr("kldeval.writers.progress.find_spec", lambda _name: None)
        monkeypatch.setattr("kldeval.writers.progress.PATIENCE", -1)
        evaluate(MAPS, MAPS, progress=True)
        said = capsys.readouterr()
        assert said.out == ""
        assert re.fullmatch(r"\rpairs 1/4, \S+ pairs/s( *\rpairs \d/4, \S+ pairs/s)*\r *\r", said.err)


REFUSED: list[tuple[Callable[[], Any], type[Exception], str]] = [
    (lambda: evaluate(MAPS, MAPS[:3]), UsageProblem, "pred holds 4 maps and gt 3 maps; give one for each"),
    (lambda: evaluate(MAPS), UsageProblem, "pred is an array and there is no gt; give both"),
    (lambda: evaluate(5), UsageProblem, "pred is of type int and there is no gt; give both, or an iterable"),
    (
        lambda: evaluate([3]),
        UsageProblem,
        "item 0 is of type int; an item is (name, pred, gt), (pred, gt), or a mapping",
    ),
    (lambda: evaluate([(1, 2)]), UsageProblem, "item 0: pred is of type int; a map is a path or an array (H, W)"),
    (lambda: evaluate([{"pred": MAPS[0]}]), UsageProblem, "item 0 has the keys pred"),
    (lambda: evaluate([]), UsageProblem, "there are no pairs"),
    (lambda: evaluate([("a", MAPS[0], MAPS[0])] * 2), UsageProblem, "item 1: there is another pair of the name 'a'"),
    (lambda: evaluate([(["a"], MAPS[:2], MAPS[:2])]), UsageProblem, "item 0: 2 maps, but 1 name"),
    (lambda: evaluate("x", MAPS), UsageProblem, "give both as arrays, or both as paths"),
    (lambda: evaluate({}, MAPS), UsageProblem, "a leaderboard takes a mapping of one model or more"),
    (lambda: kldeval.audit(MAPS, MAPS, convention="mit"), UnknownName, "did you mean 'conventions'"),  # type: ignore[call-arg]
    (lambda: evaluate(MAPS, MAPS, tset=1), UnknownName, "unknown option 'tset'"),  # type: ignore[call-overload]
    (
        lambda: evaluate(MAPS, MAPS, metric="nss"),
        UsageProblem,
        "nss needs fixations: fixations=PATH, or counts (N, H, W)",
    ),
    (
        lambda: evaluate(MAPS, MAPS, metric="nss", fixations=MAPS[:2]),
        UsageProblem,
        "fixations holds 2 maps, and there are 4 pairs; give one for each",
    ),
    (lambda: evaluate(np.ones((20, 20, 3)), np.ones((20, 20, 3))), RefusedMap, "one picture with 3 channels"),
    (lambda: evaluate(MAPS * 1j, MAPS), RefusedMap, "maps hold real numbers"),
    (lambda: evaluate(np.ma.masked_greater(MAPS, 0.5), MAPS), RefusedMap, "of a masked array are masked"),
    (lambda: kldeval.kld(np.ma.masked_greater(MAPS, 0.5), MAPS), RefusedMap, "of a masked array are masked"),
    (lambda: kldeval.kld(torch.tensor(MAPS).to_sparse(), torch.tensor(MAPS)), RefusedMap, "give tensor.to_dense()"),
    (lambda: kldeval.cc(torch.tensor(MAPS), torch.tensor(MAPS, device="meta")), RefusedMap, "is on the device meta"),
    (lambda: evaluate(np.ones((0, 3, 4)), np.ones((0, 3, 4))), RefusedMap, "pred has the shape (0, 3, 4)"),
    (lambda: evaluate(MAPS, MAPS, eps=1, metric="cc"), UsageProblem, "eps=1 has no effect"),
    (lambda: evaluate(MAPS, MAPS, device="tpu"), UsageProblem, "device='tpu'"),
]


class TestMessages:
    @each_of(("call", "error", "message"), REFUSED)
    def test_a_call_that_means_nothing(self, call: Callable[[], Any], error: type[Exception], message: str) -> None:
        with pytest.raises(error) as problem:
            call()
        assert message in str(problem.value)
        assert "--" not in str(problem.value)

    def test_a_failure_speaks_python_and_names_its_place(self) -> None:
        gt = MAPS.copy()
        gt[2] = 0
        message = (
            "1 of 4 maps failed, and the means are those of the others: map 2: the ground truth is all zero, which "
            "'sum-to-one' cannot normalise; choose empty_gt='skip', 'uniform', 'zero' or 'nan'"
        )
        with pytest.warns(MapsFailed) as warned:
            report = evaluate(MAPS, gt)
        assert [str(one.message) for one in warned] == [message]
        assert warned[0].filename == __file__
        assert report.failures[0].message.endswith("choose empty_gt='skip', 'uniform', 'zero' or 'nan'")
        assert "--" not in str(report)
        with pytest.raises(RefusedMap, match="map 2: the ground truth is all zero"):
            evaluate(MAPS, gt, on_failure="raise")
        skipped = evaluate(MAPS, gt, empty_gt="skip")
        assert "1 map with an all-zero ground truth was skipped (empty_gt='skip')" in skipped.notes

    def test_functions_and_streams_speak_python(self) -> None:
        for call in (
            lambda: kldeval.kld(0 * MAPS, MAPS),
            lambda: kldeval.Metric("kld").update(0 * MAPS, MAPS),
            lambda: kldeval.Metric("cc", eps=2),
            lambda: kldeval.signature("cc", eps=2),
        ):
            with pytest.raises(KldevalError) as problem:
                call()
            assert "--" not in str(problem.value)


@pytest.mark.parametrize("metric", ["ce", "ece", "rps", "accuracy,brier"])
def test_pairs_of_class_maps_and_labels_come_one_by_one(metric: str) -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(4, 3, 6, 7)), rng.integers(0, 3, (4, 6, 7)).astype(np.uint8)
    options: dict[str, Any] = {"metric": metric, "norm": "softmax", "axis": 0, "gt_norm": "labels"}
    whole = kldeval.evaluate(logits, labels, **options)
    pairs = ((str(place), logits[place], labels[place]) for place in range(4))
    assert kldeval.evaluate(pairs, **options).summaries == whole.summaries
    pairs = ((str(place), logits[place], labels[place]) for place in range(4))
    with pytest.raises(
        kldeval.UsageProblem, match="ace has bins of equal numbers over all maps of a run: score them in"
    ):
        kldeval.evaluate(pairs, **{**options, "metric": "ace"})


class TestWhatNotebooksHold:
    def test_pictures_of_pillow_are_maps_where_their_values_are_grey(self) -> None:
        arrays = (np.random.default_rng(3).random((2, 3, 8, 9)) * 255).astype(np.uint8)
        pred: Any
        gt: Any
        scored: Any = kldeval.evaluate
        pred, gt = ([Image.fromarray(one) for one in side] for side in arrays)
        wanted = scored(*arrays, metric="kld,cc", jobs=1)
        assert scored(pred, gt, metric="kld,cc", jobs=1).scores == wanted.scores
        assert scored(zip(pred, gt, strict=True), metric="kld,cc")["kld"] == wanted["kld"]
        metric: Any = kldeval.Metric("kld")
        metric.update(pred, gt)
        assert metric.compute() == wanted["kld"].mean
        for mode in ("P", "RGB", "RGBA", "LA", "CMYK", "YCbCr"):
            coded = [
                one.convert("L").convert("RGB").convert(mode) if mode != "LA" else one.convert(mode) for one in pred
            ]
            calls: Any = (partial(kldeval.evaluate, coded, gt), partial(metric.update, coded, gt))
            for call in calls:
                with pytest.raises(RefusedMap, match=rf"Pillow of the mode {mode}.*convert\('L'\)"):
                    call()

    @each_of("name", ["jobs", "limit", "max_pixels", "batch_bytes"])
    @each_of("value", ["2", 1.5, 2.0, True, 0, -1])
    def test_counts_are_whole_numbers(self, name: str, value: Any) -> None:
        maps = np.ones((2, 3, 4))
        one: dict[str, Any] = {name: value}
        scored: Any = kldeval.evaluate
        with pytest.raises(UsageProblem, match=f"{name}=.*: a number of 1 or more"):
            scored(maps, maps, **one)
        scored(maps, maps, metric="kld", jobs=np.int64(1), limit=np.uint8(1))

    @pytest.mark.parametrize("metric", [3, [], kldeval.kld, object()])
    def test_metrics_are_named(self, metric: Any) -> None:
        maps = np.ones((2, 3, 4))
        with pytest.raises(UsageProblem, match=r"metric=.*: give a text such as 'kld,cc', or a list"):
            kldeval.evaluate(maps, maps, metric=metric)

    def test_a_batch_of_nothing_adds_nothing(self) -> None:
        maps = np.random.default_rng(1).random((3, 1, 4, 5))
        with_empty = kldeval.evaluate([(maps, maps[::-1]), (maps[:0], maps[:0])], metric="kld")
        assert with_empty == kldeval.evaluate([(maps, maps[::-1])], metric="kld")

    def test_models_of_one_name(self) -> None:
        maps = np.ones((2, 3, 4))
        with pytest.raises(UsageProblem, match="two models have one name: 1, '1'"):
            kldeval.evaluate({1: maps, "1": maps}, maps)

    def test_states_that_are_none(self) -> None:
        streams: Any = ((kldeval.Metric("kld"), "Metric"), (kldeval.MetricCollection("kld"), "MetricCollection"))
        for stream, kind in streams:
            with pytest.raises(UsageProblem, match=f"merge takes another {kind}, not a int"):
                stream.merge(3)
            with pytest.raises(UsageProblem, match="no saved state of metrics: it lacks moments, rows"):
                stream.load_state_dict({})
