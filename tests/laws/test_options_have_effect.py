"""Every option that a command accepts does something there, or is refused by name."""

from __future__ import annotations

import json
from importlib import import_module
from typing import TYPE_CHECKING

import click
import numpy as np
import pytest
from command_line import Outcome, kldeval

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CLUSTER = ("scheduler", "scheduler_file", "engine_timeout")
"""Options that wait for a cluster."""

NEEDLESS = {
    **dict.fromkeys(("allow_missing", "allow_extra", "allow_lossy", "allow_different"), "allows what does not occur"),
    **dict.fromkeys(("max_pixels", "trust_files"), "bounds what is small"),
    **dict.fromkeys(("jobs", "device", "engine", "batch_bytes", "cache"), "says who computes"),
    **dict.fromkeys(
        ("quiet", "progress", "annotate", "debug", "config", "verbose"), "says more or less where there is more"
    ),
    **dict.fromkeys(("output", "output_dir", "save", "save_maps"), "writes files"),
    **dict.fromkeys(
        ("color", "empty_gt", "empty_pred", "missing", "resize", "nodata"), "is a rule for maps that do not occur"
    ),
    **dict.fromkeys(
        ("per_map", "worst", "intervals", "std", "signatures"), "is granted by a format that holds everything"
    ),
    **dict.fromkeys(("resamples", "seed"), "says how intervals are drawn, of which a report of one model has none"),
    "exclude": "leaves out what is not there",
    "picture": "needs a terminal",
}
"""Options that may be given without effect on the few maps here, and why."""

VALUES = {
    **dict.fromkeys(("norm", "pred_norm", "gt_norm"), "flatten-softmax"),
    "metric": "cc",
    "axis": "0",
    "eps": "1e-3",
    "base": "2",
    "reduction": "mean",
    "maps": "pixels",
    "scale": "raw",
    "pred_scale": "raw",
    "gt_scale": "raw",
    "resize": "pred-to-gt",
    "color": "luma",
    "empty_gt": "skip",
    "empty_pred": "uniform",
    "nodata": "-9999",
    "nodata_pred": "mask",
    "missing": "skip",
    "dtype": "float32",
    "convention": "sam",
    "conventions": "unisal",
    "signature": "kldeval:mit+v1",
    "preset": "salicon",
    "values": "0.4",
    "class_weights": "1,2,3",
    "label_smoothing": "0.1",
    "smoothing_over": "others",
    "shard": "1/2",
    "stack_axis": "0",
    "array_axes": "zyx",
    "shape": "4,5",
    "group_by": "parent",
    "engine": "local",
    "scheduler": "tcp://localhost:1",
    "ceiling": "observers(bandwidth=0.1)",
    "sort": "kld",
    "confidence": "0.5",
    "resamples": "150",
    "fail_if": "kld>9",
    "columns": "kld=KL",
    "signatures": "short",
    "format_": "markdown",
    "annotate": "github",
    "bounds": "round",
    "fixations": "{root}/list.csv",
    "baseline": "uniform",
    "other_map": "{root}/gt",
    "mask": "{root}/mask",
    "weights": "latitude",
    "stimuli": "{root}/gt",
    "manifest": "{root}/m.csv",
    "like": "{root}/gt",
    "labels": "{root}/gt",
    "fixation_first": "drop",
    "fixation_rounding": "nearest",
    "fixation_outside": "drop",
    "fixation_size": "5x4",
    "fixation_columns": "x=X",
    "fixation_where": "observer=1",
    "fixation_gaze": "location",
    "baseline_norm": "minmax",
    "pred_name": "p{{name}}",
    "gt_name": "g{{name}}",
    "exclude": "b*",
    "parts": "temperature,uniform",
    "counts": "2",
    "chance": "others",
    "size": "6x5",
    "device": "cpu",
    "fit_share": "0.4",
    "output": "{root}/out.json",
    "save": "{root}/x.png",
    "output_dir": "{root}/rows",
    "save_maps": "{root}/terms",
    "cache": "{root}/cache",
    "config": "/dev/null",
    "scheduler_file": "{root}/none",
    "names": "m",
    "spatial_axes": "3",
    "folds": "3",
}
"""What options are given; those that take a number get 2."""

REQUESTS = {
    "evaluate": "{root}/pred {root}/gt --format json",
    "audit": "{root}/pred {root}/gt --convention mit,sam --format json",
    "compare": "{root}/r.json {root}/s.json --resamples 100",
    "show": "{root}/r.json",
    "show several": "show {root}/r.json {root}/s.json --format json",
    "merge": "{root}/r1.json {root}/r2.json",
    "methods": "{root}/r.json",
    "check": "{root}/pred {root}/gt",
    "explain": "{root}/pred/a.npy {root}/gt/a.npy",
    "reproduce": "{root}/r.json",
}
"""Requests of the commands whose options are tried one by one; a first word is the command where that has more."""

SLOW = ("evaluate",)

CHECKED = {
    "check": (
        *("metric", "norm", "pred_norm", "gt_norm", "axis", "eps", "base", "reduction", "maps", "scale", "pred_scale"),
        *("gt_scale", "dtype", "convention", "signature", "weights"),
    ),
    "explain": ("limit",),
}
"""Settings that are checked, and move nothing that a command prints where they are right."""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("options")
    rng = np.random.default_rng(0)
    for side in ("pred", "other", "gt"):
        (folder / side).mkdir()
        for name in "abc":
            np.save(folder / side / f"{name}.npy", rng.random((4, 5)))
    (folder / "list.csv").write_text(
        "image,x,y,observer\n" + "\n".join(f"{name},{n + 1},{n},{n}" for name in "abc" for n in range(3))
    )
    for name, side in (("r", "pred"), ("s", "other")):
        kldeval(folder / side, folder / "gt", "-q", "-o", folder / f"{name}.json")
    for share in (1, 2):
        kldeval(folder / "pred", folder / "gt", "-q", "--shard", f"{share}/2", "-o", folder / f"r{share}.json")
    return folder


def words(request: str) -> list[str]:
    own, name = REQUESTS[request].split(), request.split(maxsplit=1)[0]
    return own if own[0] == name else [name, *own]


def options_of(request: str) -> Iterator[click.Option]:
    command = import_module(f"kldeval.cli.{request.split(maxsplit=1)[0]}").command
    yield from (one for one in command.params if isinstance(one, click.Option) and one.name not in (*CLUSTER, "help"))


@pytest.mark.parametrize(
    "request_", [pytest.param(one, marks=pytest.mark.slow) if one in SLOW else one for one in REQUESTS]
)
def test_an_option_does_something_or_is_refused_by_name(request_: str, root: Path) -> None:
    asked = [word.format(root=root) for word in words(request_)]
    plain = kldeval(*asked)
    assert plain.code in (0, 1), plain.err
    silent = []
    for option in options_of(request_):
        flag, name = max(option.opts, key=len), str(option.name)
        takes = not (option.is_flag or option.flag_value == "true")
        value = [VALUES.get(name, "2").format(root=root)] if takes else []
        found = kldeval(*asked, flag, *value)
        if found.code == 2:
            assert found.err.strip() not in ("", "kldeval:"), flag
        elif found == plain and name not in NEEDLESS and name not in CHECKED.get(request_.split(maxsplit=1)[0], ()):
            silent.append(" ".join((flag, *value)))
    assert silent == []


def test_what_gives_way_is_refused_by_name(root: Path) -> None:
    """Options beside others that leave them nothing to do."""
    maps = root / "pred", root / "gt"
    pairs = {
        "--score-only --format json": "--format json could mean nothing beside it",
        "--score-only --precision 3": "--precision has no effect in --score-only",
        "--score-only --per-map": "--per-map has no effect in --score-only",
        "--format csv --precision 3": "--precision has no effect in csv",
        "--siunitx": "--siunitx has no effect in table: it is of latex",
        "--columns kld=KL": "--columns has no effect in table: it is of latex or markdown",
        "--format latex --columns foo=KL": "unknown metric 'foo'",
        "--html-maps 3": "--html-maps has no effect in table: it is of html",
        "--digests": "--digests has no effect in table: it is of json",
        "--std": "--std is shown of several models, and here is one",
        "--missing uniform --allow-missing": "--allow-missing leaves out",
    }
    for text, message in pairs.items():
        found = kldeval(*maps, *text.split())
        assert (found.code, found.out, found.err.count("\n")) == (2, "", 1), text
        assert message in found.err, text
    served = ("--score-only --format scores", f"--score-only --precision 3 -o {root}/r.md", "--format csv --per-map")
    for text in (*served, f"--html-maps 1 -o {root}/r.html", "--confidence 0.9 --seed 3"):
        assert kldeval(*maps, *text.split()).code == 0, text


def test_settings_of_a_file_are_for_all_requests(root: Path, tmp_path: Path) -> None:
    """What a configuration says is for other requests, too: where it has nothing to do it is not refused."""
    (tmp_path / "c.toml").write_text(
        "precision = 3\nsiunitx = true\nstd = true\nseed = 3\ncolumns = ['foo=F']\nworst = 2\n"
    )
    found = kldeval(root / "pred", root / "gt", "--score-only", "--config", tmp_path / "c.toml")
    assert found == Outcome(0, found.out, found.err)
    assert len(found.out.split()) == 2


@pytest.mark.parametrize(("suffix", "what"), [("csv", "holds rows of maps"), ("md", "is a page for people")])
def test_what_is_no_saved_report_is_called_what_it_is(root: Path, tmp_path: Path, suffix: str, what: str) -> None:
    file = tmp_path / f"r.{suffix}"
    kldeval(root / "pred", root / "gt", "-q", "-o", file)
    way = "name the report in JSON that was written beside it, or write one with --output report.json"
    for command in ("show", "merge", "methods", "reproduce"):
        assert kldeval(command, file) == Outcome(2, "", f"kldeval: {file} {what}, and no saved report: {way}\n")
    assert f"{file} {what}" in kldeval("compare", file, root / "r.json").err
    assert "it is a folder; name a saved report" in kldeval("show", root / "pred").err


def test_lists_of_values_are_not_advised_to_be_resized(tmp_path: Path) -> None:
    """A map that was flattened, resized to its own shape, gives a number without meaning."""
    rng = np.random.default_rng(1)
    arrays = {"flat": rng.random(20), "short": rng.random(19), "map": rng.random((4, 5))}
    for name, array in arrays.items():
        np.save(tmp_path / f"{name}.npy", array)
    told = {
        ("flat", "map"): "the prediction is 20 values in one row, the ground truth (4, 5) (height, width): as many, so "
        "the prediction may be the map flattened; store it in its shape, array.reshape(4, 5), do not resize",
        (
            "short",
            "flat",
        ): "the prediction is 19 values in one row, the ground truth 20 values in one row",
        ("map", "short"): "the ground truth 19 values in one row (height, width); store both as maps",
    }
    for (pred, gt), message in told.items():
        found = kldeval(tmp_path / f"{pred}.npy", tmp_path / f"{gt}.npy", "--format", "csv")
        assert found.code == 1
        assert message in found.err
        assert "--resize" not in found.err
    np.save(tmp_path / "advised.npy", arrays["flat"].reshape(4, 5))
    assert kldeval(tmp_path / "advised.npy", tmp_path / "map.npy").code == 0


def test_merged_shares_say_what_the_whole_run_says(root: Path, tmp_path: Path) -> None:
    """All but where it was computed, and the intervals of a single model with it."""
    requests = {
        "one": ("--confidence", "0.9", "--resamples", "200", "--baselines"),
        "several": (root / "other", "--confidence", "0.9", "--resamples", "200", "--seed", "3"),
    }
    for name, (first, *words) in requests.items():
        asked = [root / "pred", *([first] if name == "several" else []), root / "gt"]
        asked += words if name == "several" else [first, *words]
        parts = [tmp_path / f"{name}{share}.json" for share in (1, 2)]
        for share, part in enumerate(parts, 1):
            assert kldeval(*asked, "-q", "--shard", f"{share}/2", "-o", part).code == 0
        kldeval(*asked, "-q", "-o", tmp_path / "whole.json")
        assert kldeval("merge", *parts, "-q", "-o", tmp_path / "merged.json").code == 0
        whole, merged = (_facts(json.loads((tmp_path / f"{one}.json").read_text())) for one in ("whole", "merged"))
        assert merged == whole
        assert "confidence=0.9" in json.dumps(merged)
    shown = kldeval("merge", *parts, "--intervals")
    assert shown.out == kldeval("show", tmp_path / "whole.json", "--intervals").out


def _facts(document: object) -> object:
    """A document without where it comes from."""
    if isinstance(document, dict):
        return {name: _facts(value) for name, value in document.items() if name != "provenance"}
    return [_facts(value) for value in document] if isinstance(document, list) else document
