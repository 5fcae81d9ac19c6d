"""The command line as a user runs it: what it prints, where, and its exit code."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pytest
from command_line import kldeval, score
from programs import in_shells

from kldeval.errors import UsageProblem

if TYPE_CHECKING:
    from pathlib import Path

DEFAULT = (
    "pred:sum-to-one|gt:sum-to-one|scale:unit|resize:none|color:error|empty:error|base:e|reduce:slices|maps:mean|"
    "dtype:float64|v:1"
)
KLD = f"kld(log_eps=2.2204e-16,ratio_eps=2.2204e-16)|{DEFAULT}"


def paths(folder: Path, name: str) -> tuple[Path, Path]:
    """The two files of a public pair."""
    pred = next(folder.glob(f"{name}_pred.*"))
    return pred, next(folder.glob(f"{name}_gt.*"))


def png(path: Path, array: object) -> None:
    """Write an 8-bit PNG, in a folder that may not exist yet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.asarray(array, np.uint8))


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    """Two pairs of maps in folders."""
    rng = np.random.default_rng(7)
    for name in ("a/1", "b"):
        for side in ("pred", "gt"):
            png(tmp_path / side / f"{name}.png", rng.integers(1, 256, (6, 8)))
    return tmp_path / "pred", tmp_path / "gt"


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("smooth8", (), 0.19774561910317784),
        ("zeros8", (), 0.9482536305238564),
        ("zeros8", ("--eps", "0"), math.inf),
        ("zeros8", ("--eps", "1e-7"), 0.281719647238834),
        ("logits", ("--norm", "flatten-softmax"), 2.4786024889623457),
        ("smooth8", ("--norm", "softmax", "--axis", "-1"), 0.0015059315327784894),
        ("smooth8", ("--norm", "softmax"), 0.0015059315327784894),
        ("smooth8", ("--norm", "flatten-softmax", "--reduction", "mean"), 6.140475554370028e-07),
        ("smooth8", ("--norm", "flatten-softmax", "--reduction", "batchmean"), 3.929904354796818e-05),
        ("smooth8", ("--base", "2"), 0.19774561910317784 / math.log(2)),
        ("zeros8", ("--convention", "eml-net"), 0.20321142746234414),
        ("zeros8", ("--convention", "sam"), 2.8171964717879385),
        ("zeros8", ("--convention", "exact"), math.inf),
        ("zeros8", ("--convention", "saliency360"), 0.520942764038316),
    ],
)
def test_named_numbers(pair_files: Path, name: str, options: tuple[str, ...], expected: float) -> None:
    (value,) = score(*paths(pair_files, name), "--metric", "kld", *options)
    assert value == pytest.approx(expected, rel=1e-9)


def test_parentheses_mean_exactly_those_constants(pair_files: Path, public_pairs: dict[str, np.ndarray]) -> None:
    p, q = (public_pairs[f"zeros8_{side}"] / 255 for side in ("pred", "gt"))
    p, q = p / p.sum(), q / q.sum()
    expected = math.fsum(q[q > 0] * np.log(q[q > 0] / (p[q > 0] + 1e-7)))
    (value,) = score(*paths(pair_files, "zeros8"), "-m", "kld(ratio_eps=1e-7)")
    assert value == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("norm", ["flatten-softmax", "softmax"])
def test_cross_entropy_is_entropy_plus_divergence(pair_files: Path, norm: str) -> None:
    kld, ce, entropy = score(*paths(pair_files, "logits"), "--norm", norm, "-m", "kld,ce,entropy-gt")
    assert ce - kld == pytest.approx(entropy, abs=1e-12 * max(1, ce))


def test_a_folder_against_itself_is_exactly_zero(folders: tuple[Path, Path]) -> None:
    assert score(folders[0], folders[0], "--eps", "0", "-m", "kld") == [0.0]


def test_infinity_is_a_score_and_a_string_in_json(pair_files: Path) -> None:
    outcome = kldeval(*paths(pair_files, "zeros8"), "--metric", "kld", "--eps", "0", "--format", "json")
    report = json.loads(outcome.out)
    assert outcome.code == 0
    assert report["summary"]["kld"]["mean"] == report["maps"][0]["kld"] == "inf"
    assert report["maps"][0]["n_uncovered"] == 339
    assert report["maps"][0].keys() == {"name", "kld", "n_uncovered", "uncovered_mass"}
    assert report["notes"] == [
        (
            "the prediction is exactly 0 under ground-truth mass (1 of 1 map): there the number is infinite, for no "
            "epsilon is added to the prediction; see n_uncovered and uncovered_mass"
        ),
        "the metric is infinite or undefined (1 of 1 map); such values stay in the mean",
    ]


def test_json_report(folders: tuple[Path, Path]) -> None:
    outcome = kldeval(*folders, "--metric", "kld", "--format", "json")
    report = json.loads(outcome.out)
    assert (outcome.code, outcome.err) == (0, "")
    assert list(report) == ["schema", "signature", "provenance", "summary", "maps", "failures", "notes"]
    assert report["schema"] == "kldeval.report/2"
    assert report["signature"] == {"kld": KLD}
    assert [row["name"] for row in report["maps"]] == ["a/1", "b"]
    assert report["summary"]["kld"]["n"] == 2
    values = [row["kld"] for row in report["maps"]]
    assert report["summary"]["kld"]["mean"] == math.fsum(values) / 2


def test_same_bytes_for_any_number_of_jobs(folders: tuple[Path, Path]) -> None:
    texts = []
    for jobs in ("1", "8"):
        report = json.loads(kldeval(*folders, "--jobs", jobs, "--format", "json").out)
        del report["provenance"]
        texts.append(json.dumps(report))
    assert texts[0] == texts[1]


def test_table_ends_in_the_signatures(folders: tuple[Path, Path]) -> None:
    outcome = kldeval(*folders)
    assert outcome.code == 0
    assert outcome.err == ""
    assert outcome.out.splitlines()[-2:] == [KLD, f"ce(ratio_eps=2.2204e-16)|{DEFAULT}"]


def test_score_only_prints_one_line_of_full_precision(folders: tuple[Path, Path]) -> None:
    report = json.loads(kldeval(*folders, "--format", "json").out)
    means = [report["summary"][key]["mean"] for key in ("kld", "ce")]
    assert kldeval(*folders, "--score-only").out == f"{means[0]!r} {means[1]!r}\n"


def test_score_only_captures_nothing_of_a_partial_run(folders: tuple[Path, Path]) -> None:
    (folders[0] / "b.png").write_text("hello world")
    outcome = kldeval(*folders, "--score-only")
    assert (outcome.code, outcome.out) == (1, "")
    expected = f"kldeval: b: {folders[0]}/b.png: no image but a text, which begins with 'hello world'\n"
    assert outcome.err == expected


def test_one_broken_map_leaves_the_others_scored(folders: tuple[Path, Path]) -> None:
    png(folders[1] / "b.png", np.zeros((6, 8)))
    outcome = kldeval(*folders, "--format", "json", "--quiet")
    report = json.loads(outcome.out)
    assert outcome.code == 1
    assert [row["name"] for row in report["maps"]] == ["a/1"]
    assert report["failures"] == [
        {
            "name": "b",
            "stage": "check",
            "message": "the ground truth is all zero, which 'sum-to-one' cannot normalise; "
            "choose --empty-gt skip, uniform, zero or nan; floats of 0..1 that are saved as integers become 0, too: "
            "multiply by 255 before saving",
            "code": "empty",
        }
    ]


@pytest.mark.parametrize(
    ("policy", "expected"),
    [("skip", []), ("zero", [0.0]), ("nan", ["nan"])],
)
def test_empty_ground_truth_by_flag(tmp_path: Path, policy: str, expected: list[object]) -> None:
    png(tmp_path / "pred.png", [[1, 2], [3, 4]])
    png(tmp_path / "gt.png", np.zeros((2, 2)))
    arguments = (tmp_path / "pred.png", tmp_path / "gt.png", "-m", "kld", "--empty-gt", policy, "--format", "json")
    report = json.loads(kldeval(*arguments).out)
    assert [row["kld"] for row in report["maps"]] == expected
    assert report["failures"] == []
    assert f"empty:gt={policy},pred=error" in report["signature"]["kld"]


def test_empty_ground_truth_as_uniform(tmp_path: Path) -> None:
    png(tmp_path / "pred.png", [[1, 1], [1, 1]])
    png(tmp_path / "gt.png", np.zeros((2, 2)))
    values = score(tmp_path / "pred.png", tmp_path / "gt.png", "-m", "ce", "--empty-gt", "uniform", "--eps", "0")
    assert values == [pytest.approx(math.log(4))]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("--norm", "flaten-softmax"),
            "kldeval: unknown step 'flaten-softmax'; did you mean 'flatten-softmax', 'softmax' or",
        ),
        (
            ("--metric", "klx"),
            "kldeval: unknown metric 'klx'; did you mean 'kld', 'll' or 'nll'? `kldeval metrics` lists all",
        ),
        (("--reduction", "mena"), "kldeval: --reduction mena: 'mena' is none of slices, sum, mean, batchmean, none; "),
        (("--eps", "-1"), "kldeval: --eps -1: not a number of 0 or more\n"),
        (("--eps", "1", "-m", "jsd"), "kldeval: --eps 1 has no effect: none of the metrics jsd uses it\n"),
        (("--norm", "flatten-softmax", "--axis", "0"), "kldeval: --axis 0 has no meaning for 'flatten-softmax': none "),
        (("--format", "xml"), "kldeval: unknown format 'xml'; known: "),
        (("--reduction", "none"), "kldeval: --reduction none leaves no number per map: add --save-maps DIR, or "),
        (("--convention", "mitt"), "kldeval: unknown convention 'mitt'; did you mean 'mit', "),
        (("--device", "cuda:x"), "kldeval: --device cuda:x: 'cuda:x' is none of auto, cpu, cuda, cuda:INDEX, mps\n"),
        (
            ("--signature", KLD.replace("v:1", "v:9")),
            "kldeval: the signature's part 'v:9' is another version of the definitions; here they are v:1\n",
        ),
        (
            ("--signature", KLD, "--eps", "1"),
            "kldeval: --signature says every number's setting already; leave out --eps\n",
        ),
        (
            ("--jobs", "0"),
            "kldeval: invalid value for '--jobs': 0 is not in the range x>=1; kldeval evaluate --help lists what it ",
        ),
        (("--qqq",), "kldeval: no such option '--qqq'; kldeval evaluate --help lists what it takes\n"),
        (("--limit",), "kldeval: option '--limit' requires an argument\n"),
    ],
)
def test_wrong_requests_exit_with_2_and_one_line(
    folders: tuple[Path, Path], arguments: tuple[str, ...], message: str
) -> None:
    outcome = kldeval(*folders, *arguments)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(message)
    assert outcome.err.count("\n") == 1


def test_nothing_at_all_shows_the_help() -> None:
    outcome = kldeval()
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == kldeval("--help").out


def test_all_bad_names_are_reported_together(folders: tuple[Path, Path]) -> None:
    outcome = kldeval(*folders, "--pred-norm", "sum", "--gt-norm", "softmx", "--metric", "klx", "--scale", "byte")
    assert outcome.code == 2
    lines = outcome.err.splitlines()
    assert [word for word in ("'sum'", "'softmx'", "'klx'", "'byte'") if any(word in line for line in lines)] == [
        "'sum'",
        "'softmx'",
        "'klx'",
        "'byte'",
    ]


def test_folders_that_cannot_be_paired(folders: tuple[Path, Path], tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    png(tmp_path / "other" / "z.png", [[1, 2]])
    empty = kldeval(folders[0], tmp_path / "empty")
    assert (empty.code, empty.out) == (2, "")
    assert empty.err == f"kldeval: {tmp_path}/empty holds no map: no files at all, hidden ones aside\n"
    other = kldeval(tmp_path / "other", folders[1])
    assert (other.code, other.out) == (2, "")
    assert other.err == (
        f"kldeval: no name is common to {tmp_path}/other (such as 'z') and {folders[1]} (such as 'a/1', 'b'); "
        "maps pair by their relative path without suffix\n"
    )


def test_a_signature_runs_again_exactly(pair_files: Path) -> None:
    first = kldeval(*paths(pair_files, "smooth8"), "--convention", "pysaliency", "--format", "json")
    report = json.loads(first.out)
    for key in ("kld", "ce"):
        again = kldeval(*paths(pair_files, "smooth8"), "--signature", report["signature"][key], "--format", "json")
        assert json.loads(again.out)["maps"][0][key] == report["maps"][0][key]
        assert json.loads(again.out)["signature"][key] == report["signature"][key]


def test_float32_says_so_in_the_signature(pair_files: Path) -> None:
    outcome = kldeval(*paths(pair_files, "float"), "--dtype", "float32", "-m", "kld", "--format", "json")
    report = json.loads(outcome.out)
    assert "dtype:float32" in report["signature"]["kld"]
    assert report["summary"]["kld"]["mean"] == pytest.approx(0.15969190498359018, rel=1e-5)


def test_logits_of_ten_thousand_stay_finite(tmp_path: Path) -> None:
    np.save(tmp_path / "pred.npy", np.asarray([[1e4, -1e4], [0.0, 0.0]]))
    np.save(tmp_path / "gt.npy", np.asarray([[-1e4, 1e4], [0.0, 0.0]]))
    options = ("--norm", "flatten-softmax", "-m", "kld,ce")
    assert score(tmp_path / "pred.npy", tmp_path / "gt.npy", *options) == [20000.0, 20000.0]


def test_sizes_are_refused_until_a_resize_is_chosen(tmp_path: Path) -> None:
    png(tmp_path / "pred.png", np.arange(1, 17).reshape(4, 4))
    png(tmp_path / "gt.png", np.arange(1, 65).reshape(8, 8))
    refused = kldeval(tmp_path / "pred.png", tmp_path / "gt.png", "--score-only")
    assert refused.code == 1
    assert refused.err == (
        "kldeval: pred: sizes differ: the prediction is (4, 4), the ground truth (8, 8) (height, width); "
        "choose who gives way, such as --resize 'pred-to-gt(kernel=bilinear)'\n"
    )
    for resize in ("pred-to-gt", "gt-to-pred(kernel=area)", "both(size=5x6,kernel=nearest,round=true)"):
        assert len(score(tmp_path / "pred.png", tmp_path / "gt.png", "--resize", resize, "-m", "kld")) == 1


def test_pixelwise_terms_are_written(pair_files: Path, tmp_path: Path) -> None:
    arguments = (*paths(pair_files, "smooth8"), "-m", "kld", "--save-maps", tmp_path / "out")
    (value,) = score(*arguments)
    terms = np.load(tmp_path / "out" / "kld" / "smooth8_pred.npy")
    assert terms.shape == (48, 64)
    assert math.fsum(terms.ravel()) == pytest.approx(value, rel=1e-12)
    outcome = kldeval(*arguments, "--reduction", "none", "--format", "json")
    assert json.loads(outcome.out)["summary"] == {}
    assert outcome.code == 0


def test_output_files_stand_beside_stdout(folders: tuple[Path, Path], tmp_path: Path) -> None:
    outcome = kldeval(*folders, "-o", tmp_path / "r.json", "-o", tmp_path / "r.csv", "--score-only")
    assert len(outcome.out.split()) == 2
    assert json.loads((tmp_path / "r.json").read_text())["summary"]["kld"]["n"] == 2
    assert (tmp_path / "r.csv").read_text().splitlines()[0] == "name,kld,ce,n_uncovered,uncovered_mass,failure"
    missing = kldeval(*folders, "-o", tmp_path / "nowhere" / "r.json")
    assert missing.code == 2


def test_check_scores_nothing_and_names_what_is_wrong(folders: tuple[Path, Path]) -> None:
    assert kldeval("check", *folders).code == 0
    png(folders[0] / "b.png", np.zeros((6, 8)))
    outcome = kldeval("check", *folders)
    assert outcome.code == 1
    assert outcome.out.splitlines()[-1] == "1 pair can be scored, 1 problem"


def test_explain_shows_row_beside_flat_softmax(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", [[-1.23909949, 0.77767204], [0.08646117, -0.14608897]])
    outcome = kldeval("explain", tmp_path / "x.npy", tmp_path / "x.npy", "--norm", "flatten-softmax")
    lines = [line.split() for line in outcome.out.splitlines()]
    assert ["-1.2391", "0.7777", "0.0655", "0.4923", "0.1175", "0.8825"] in lines
    assert ["0.0865", "-0.1461", "0.2467", "0.1955", "0.5579", "0.4421"] in lines
    assert ["kld", "0"] in lines


def run_program(*arguments: str | Path, **options: object) -> subprocess.CompletedProcess[str]:
    """The program in a process of its own."""
    command = [sys.executable, "-m", "kldeval", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload, no-any-return]


def test_program_needs_no_torch_and_speaks_no_numpy_warning(folders: tuple[Path, Path]) -> None:
    code = (
        "import sys; from kldeval.cli.main import run_arguments; code = run_arguments(sys.argv[1:]); "
        "sys.exit(3 if 'torch' in sys.modules else code)"
    )
    command = [sys.executable, "-W", "error", "-c", code, *map(str, folders), "--score-only"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from kldeval.cli.main import run_arguments; run_arguments(['--help']); "
        "print([m for m in ('numpy', 'cv2', 'torch', 'rich', 'scipy') if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"
    assert "kldeval pred_dir gt_dir --norm flatten-softmax" in done.stdout


def test_missing_opencv_says_what_to_install(tmp_path: Path) -> None:
    for side in ("pred", "gt"):  # PNG and JPEG are read without it
        cv2.imwrite(str(tmp_path / f"{side}.bmp"), np.full((8, 8), 7, np.uint8))
    (tmp_path / "cv2.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    done = run_program(tmp_path / "pred.bmp", tmp_path / "gt.bmp", env=environment)
    assert done.returncode == 2
    assert "opencv-python-headless" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_reader_that_leaves_early_is_no_error(folders: tuple[Path, Path]) -> None:
    command = f"{in_shells('-m', 'kldeval')} {folders[0]} {folders[1]} --per-map | head -n 1"
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.count("\n") == 1


def test_paths_may_hold_blanks_and_any_letters(tmp_path: Path) -> None:
    for side in ("vorhersage ü", "真值"):
        png(tmp_path / side / "плохо name.png", [[1, 2], [3, 4]])
    report = json.loads(kldeval(tmp_path / "vorhersage ü", tmp_path / "真值", "--format", "json").out)
    assert [row["name"] for row in report["maps"]] == ["плохо name"]


def test_a_full_disk_is_one_line_and_no_traceback(folders: tuple[Path, Path]) -> None:
    command = f"{in_shells('-m', 'kldeval')} {folders[0]} {folders[1]} --score-only > /dev/full"
    done = subprocess.run(["/bin/sh", "-c", command], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "kldeval: cannot write the result: No space left on device\n"


def test_debug_shows_the_traceback_and_keeps_the_exit_code(tmp_path: Path) -> None:
    outcome = kldeval(tmp_path / "nope", tmp_path, "--debug")
    assert outcome.code == 2
    assert outcome.err.startswith("Traceback")
    assert outcome.err.endswith("give two files or two folders of maps\n")


def test_values_that_are_no_densities_get_a_note(pair_files: Path) -> None:
    outcome = kldeval(*paths(pair_files, "smooth8"), "--norm", "minmax", "--format", "json")
    assert json.loads(outcome.out)["notes"] == [
        (
            "a chain ends in a step that makes no distribution: unless the values sum to 1 as they are, the number may "
            "be negative and is no divergence of densities"
        )
    ]


def test_a_metric_without_epsilon_is_not_said_to_depend_on_it(pair_files: Path) -> None:
    outcome = kldeval(*paths(pair_files, "zeros8"), "-m", "jsd,entropy-gt", "--format", "json")
    assert json.loads(outcome.out)["notes"] == []


@pytest.mark.parametrize("command", [[], ["audit"], ["compare"], ["identify", "--value", "1"], ["explain"], ["check"]])
def test_an_empty_path_is_no_current_folder(command: list[str], folders: tuple[Path, Path]) -> None:
    """What a script says whose variable is not set."""
    outcome = kldeval(*command, "", folders[1])
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == 'kldeval: a path is empty (""); is a variable of the shell unset?\n'


@pytest.mark.parametrize("command", ["evaluate", "audit", "compare", "calibrate", "explain", "observers", "reproduce"])
def test_an_empty_option_is_no_current_folder(command: str, folders: tuple[Path, Path]) -> None:
    """Whatever an option calls its path: `--cache "$UNSET"` writes nowhere."""
    told = kldeval(command, "--help-all").out
    options = sorted(set(re.findall(r"(--[a-z][a-z-]+) (?:PATH|FILE|DIR|WHAT)\b", told)))
    assert options
    for option in options:
        outcome = kldeval(command, *folders, option, "")
        expected = f'kldeval: {option} is empty (""); is a variable of the shell unset?\n'
        assert (outcome.code, outcome.out, outcome.err) == (2, "", expected)


def test_a_metric_without_a_name_is_not_the_default(folders: tuple[Path, Path]) -> None:
    outcome = kldeval(*folders, "--metric", "")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == "kldeval: --metric names none; name one, as in --metric kld, or leave it out\n"


def test_a_file_that_cannot_be_written_does_not_lose_the_numbers(
    folders: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        msg = "cannot write: No space left on device"
        raise UsageProblem(msg)

    expected = kldeval(*folders, "--score-only").out
    monkeypatch.setattr("kldeval.writers.files.write_atomically", fail)
    outcome = kldeval(*folders, "--score-only", "-o", tmp_path / "r.json")
    assert (outcome.code, outcome.out) == (2, expected)
    assert outcome.err.endswith("kldeval: cannot write: No space left on device\n")
