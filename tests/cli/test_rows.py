"""Rows of logits as units: numbers of torch, the table of llama.cpp, and memory that rows do not need."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from command_line import kldeval
from late import late
from schemas import validate
from watching import running

import kldeval as package

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

functional = late("torch.nn.functional")
torch = late("torch")

ROWS, ENTRIES = 300, 700


@pytest.fixture
def logits(tmp_path: Path) -> Path:
    """Logits in half precision, the same with noise, and the entry that is right."""
    rng = np.random.default_rng(0)
    base = (3 * rng.normal(size=(ROWS, ENTRIES))).astype(np.float16)
    np.save(tmp_path / "base.npy", base)
    np.save(tmp_path / "quant.npy", (base + 0.4 * rng.normal(size=base.shape)).astype(np.float16))
    labels = (base + rng.gumbel(size=base.shape)).argmax(axis=1).astype(np.int32)
    np.save(tmp_path / "labels.npy", labels)
    return tmp_path


def of_torch(folder: Path) -> tuple[Any, Any, Any]:
    quant, base = (torch.tensor(np.load(folder / f"{name}.npy").astype(np.float64)) for name in ("quant", "base"))
    return (
        functional.log_softmax(quant, -1),
        functional.log_softmax(base, -1),
        torch.tensor(np.load(folder / "labels.npy").astype(int)),
    )


def run(folder: Path, *arguments: Any) -> dict[str, Any]:
    outcome = kldeval(folder / "quant.npy", folder / "base.npy", "--rows", *arguments, "--format", "json", "-q")
    assert outcome.code == 0, outcome.err
    document: dict[str, Any] = json.loads(outcome.out)
    return document


def test_numbers_are_those_of_torch(logits: Path) -> None:
    quant, base, labels = of_torch(logits)
    found = run(logits, "--labels", logits / "labels.npy", "-m", "kld,ce,kld-reverse")
    kld = functional.kl_div(quant, base, log_target=True, reduction="none").sum(-1)
    assert found["summary"]["kld"]["mean"] == pytest.approx(float(kld.mean()), rel=1e-9)
    assert found["summary"]["kld"]["error"] == pytest.approx(float(kld.std() / ROWS**0.5), rel=1e-9)
    for part, value in found["summary"]["kld"]["quantiles"].items():
        assert value == pytest.approx(float(torch.quantile(kld, float(part))), rel=1e-9)
    reverse = functional.kl_div(base, quant, log_target=True, reduction="none").sum(-1)
    assert found["summary"]["kld-reverse"]["mean"] == pytest.approx(float(reverse.mean()), rel=1e-9)
    same = (quant.argmax(-1) == base.argmax(-1)).double().mean()
    assert found["summary"]["same-top"]["mean"] == pytest.approx(float(same), rel=1e-12)
    ours, theirs = (functional.cross_entropy(one, labels) for one in (quant, base))
    likelihoods = found["likelihoods"]
    assert likelihoods["perplexity"]["mean"] == pytest.approx(float(ours.exp()), rel=1e-9)
    assert likelihoods["ratio"]["mean"] == pytest.approx(float((ours - theirs).exp()), rel=1e-9)
    rows = torch.arange(ROWS)
    shift = quant[rows, labels].exp() - base[rows, labels].exp()
    assert likelihoods["delta_p"]["mean"] == pytest.approx(float(shift.mean()), rel=1e-9)
    assert likelihoods["delta_p_rms"]["mean"] == pytest.approx(float((shift**2).mean().sqrt()), rel=1e-9)
    assert "|maps:rows|" in found["signature"]["kld"]


def test_every_row_is_a_line_of_csv_and_a_value_of_saved_files(logits: Path) -> None:
    quant, base, _ = of_torch(logits)
    kld = functional.kl_div(quant, base, log_target=True, reduction="none").sum(-1).numpy()
    arguments = logits / "quant.npy", logits / "base.npy", "--rows", "--reduction", "none"
    outcome = kldeval(*arguments, "--format", "csv", "--save-maps", logits / "terms")
    head, *lines = outcome.out.splitlines()
    assert head == "name,row,kld,same-top"
    assert [line.split(",")[:2] for line in lines] == [["quant", str(row)] for row in range(ROWS)]
    assert [float(line.split(",")[2]) for line in lines] == pytest.approx(kld.tolist(), rel=1e-9)
    assert np.load(logits / "terms/kld/quant.npy") == pytest.approx(kld, rel=1e-9)


def test_the_table_of_llama_has_its_words(logits: Path) -> None:
    """The lines that programs look for (https://github.com/ggml-org/llama.cpp, tools/perplexity)."""
    arguments = logits / "quant.npy", logits / "base.npy", "--rows", "--labels", logits / "labels.npy"
    text = kldeval(*arguments, "--format", "llama").out
    found = run(logits, "--labels", logits / "labels.npy")
    mean, likelihoods = found["summary"]["kld"], found["likelihoods"]
    for line in (
        "====== Perplexity statistics ======",
        (
            f"Mean PPL(Q)                   : {likelihoods['perplexity']['mean']:10.6f} ± "
            f"{likelihoods['perplexity']['error']:10.6f}"
        ),
        f"Cor(ln(PPL(Q)), ln(PPL(base))): {100 * likelihoods['correlation']:6.2f}%",
        "====== KL divergence statistics ======",
        f"Mean    KLD: {mean['mean']:10.6f} ± {mean['error']:10.6f}",
        f"99.9%   KLD: {mean['quantiles']['0.999']:10.6f}",
        f"Median  KLD: {mean['quantiles']['0.5']:10.6f}",
        f" 5.0%   KLD: {mean['quantiles']['0.05']:10.6f}",
        "====== Token probability statistics ======",
    ):
        assert f"{line}\n" in text
    assert text.splitlines()[-1].startswith("Same top p: ")


def test_folders_and_class_maps_have_rows_too(logits: Path, tmp_path: Path) -> None:
    """Rows of all files together; of class maps each position is a row."""
    quant, base = (np.load(logits / f"{name}.npy") for name in ("quant", "base"))
    for side, array in (("q", quant), ("b", base)):
        (tmp_path / side).mkdir()
        np.save(tmp_path / side / "1.npy", array[:100])
        np.save(tmp_path / side / "2.npy", array[100:])
    outcome = kldeval(tmp_path / "q", tmp_path / "b", "--rows", "--format", "json", "-q")
    assert json.loads(outcome.out)["summary"] == run(logits)["summary"]
    for side, array in (("qc", quant), ("bc", base)):
        np.save(tmp_path / f"{side}.npy", array.T.reshape(ENTRIES, 20, 15))
    flags = ("--rows", "--norm", "softmax", "--axis", "0", "--format", "json", "-q")
    maps = json.loads(kldeval(tmp_path / "qc.npy", tmp_path / "bc.npy", *flags).out)["summary"]
    assert maps["kld"]["mean"] == pytest.approx(run(logits)["summary"]["kld"]["mean"], rel=1e-12)


def test_labels_that_do_not_count_are_left_out_of_perplexities(logits: Path) -> None:
    labels = np.load(logits / "labels.npy")
    labels[::3] = -100
    np.save(logits / "some.npy", labels)
    arguments = logits / "quant.npy", logits / "base.npy", "--rows", "--labels", logits / "some.npy"
    refused = kldeval(*arguments)
    assert refused.code == 1
    assert "label -100 of row 0 is none of the entries 0..699; if it marks rows that do not count" in refused.out
    found = run(logits, "--labels", logits / "some.npy", "--ignore-index", "-100")
    quant, _, _ = of_torch(logits)
    expected = functional.cross_entropy(quant, torch.tensor(labels.astype(int)), ignore_index=-100).exp()
    assert found["likelihoods"]["rows"] == 200
    assert found["likelihoods"]["perplexity"]["mean"] == pytest.approx(float(expected), rel=1e-9)
    assert found["rows"] == ROWS


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("-m", "cc"),
            "--rows is for metrics of densities within each row (kld, ce, jsd, ...), and cc is none of them",
        ),
        (("--norm", "sum-to-one"), "--rows takes a chain within rows on both sides, as --norm softmax --axis -1"),
        (("--format", "parquet"), "unknown format 'parquet'"),
        (("--worst", "3"), "--worst has no meaning for rows"),
        (("--resize", "pred-to-gt"), "--resize has no meaning for rows, in which every entry counts"),
        (("--sort", "kld"), "--sort has no meaning for rows"),
        (("--baselines",), "--baselines has no meaning for rows"),
        (("--bounds", "round"), "--bounds has no meaning for rows"),
        (("--digests",), "--digests has no meaning for rows"),
        (("--device", "cuda"), "--device cuda has no meaning for rows, which the CPU scores; leave it out"),
        (("--shard", "1/2"), "--shard has no meaning for rows"),
        (("--weights", "latitude"), "--weights has no meaning for rows, in which every entry counts"),
        (("--nodata", "0"), "--nodata has no meaning for rows"),
        (("--labels", "none.npy"), "--labels none.npy does not exist"),
        (("--ignore-index", "3"), "--ignore-index 3 is a label of rows that do not count, and there are no --labels"),
    ],
)
def test_what_rows_do_not_have_is_refused(arguments: tuple[str, ...], message: str, logits: Path) -> None:
    outcome = kldeval(logits / "quant.npy", logits / "base.npy", "--rows", *arguments)
    assert outcome.code == 2
    assert message in outcome.err


def test_labels_of_rows_are_refused_where_maps_are_scored(logits: Path) -> None:
    for command in ((), ("check",)):
        refused = kldeval(*command, logits / "quant.npy", logits / "base.npy", "--labels", logits / "labels.npy")
        assert refused.code == 2
        assert "is of the rows of --rows; labels of maps are the ground truths" in refused.err


def test_rows_of_other_vocabularies_are_no_pair(logits: Path) -> None:
    quant = np.load(logits / "quant.npy")
    np.save(logits / "quant.npy", quant[:, :-1])
    outcome = kldeval(logits / "quant.npy", logits / "base.npy", "--rows")
    assert outcome.code == 1
    sizes = f"the prediction is ({ROWS}, {ENTRIES - 1}), the ground truth ({ROWS}, {ENTRIES})"
    assert f"sizes differ: {sizes}; rows must be the same on both" in outcome.out
    assert "--resize" not in outcome.out


def test_gates_and_numbers_for_scripts(logits: Path) -> None:
    pair = logits / "quant.npy", logits / "base.npy", "--rows"
    found = run(logits, "-m", "kld,jsd")["summary"]
    one = kldeval(*pair, "-m", "kld,jsd", "--score-only")
    assert (one.code, one.out) == (0, f"{found['kld']['mean']!r} {found['jsd']['mean']!r}\n")
    gates = {"kld>1e9": 0, "kld>1e-9": 3, "kld.max>1e9": 0, "kld.median<1e9": 3, "failures>0": 0, "same-top<1": 3}
    for text, code in gates.items():
        gated = kldeval(*pair, "--fail-if", text)
        assert gated.code == code
        assert f"gate {text} {'fired' if code else 'passed'}" in gated.err
    assert "of rows there are mean, median, min and max" in kldeval(*pair, "--fail-if", "kld.std>1").err
    np.save(logits / "quant.npy", np.full((ROWS, ENTRIES), np.nan))
    failed = kldeval(*pair, "--score-only")
    assert (failed.code, failed.out) == (1, "")
    assert "holds nan" in failed.err


def test_check_understands_rows(logits: Path) -> None:
    pair = logits / "quant.npy", logits / "base.npy", "--rows"
    sound = kldeval("check", *pair, "--labels", logits / "labels.npy")
    assert (sound.code, sound.out) == (0, "300 rows of 1 map can be scored, 0 problems\n")
    np.save(logits / "labels.npy", np.full(ROWS, ENTRIES))
    wrong = kldeval("check", *pair, "--labels", logits / "labels.npy")
    assert wrong.code == 1
    assert f"label {ENTRIES} of row 0 is none of the entries" in wrong.out
    assert "0 rows of 0 maps can be scored, 1 problem\n" in wrong.out
    assert kldeval("check", *pair, "--ignore-index", "x").err == "kldeval: --ignore-index x: not a whole number\n"


def test_a_signature_of_rows_runs_again(logits: Path) -> None:
    text = run(logits)["signature"]["kld"]
    pair = logits / "quant.npy", logits / "base.npy"
    again = kldeval(*pair, "--signature", text, "--format", "json", "-q")
    assert json.loads(again.out)["summary"] == run(logits)["summary"]


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    """Of files of 25 MB each, which stay where they are as larger ones do, no more than the parts is ever in memory."""
    for name in ("a", "b"):
        file = np.lib.format.open_memmap(tmp_path / f"{name}.npy", "w+", np.float16, (400, 32000))
        file[:] = np.random.default_rng(len(name)).normal(size=32000).astype(np.float16)
        file.flush()
    peaks = tmp_path / "peaks"
    code = (
        "from kldeval.cli.main import run_arguments\n"
        "import kldeval.analysis.rows as rows\n"
        "import kldeval.data.readers.numpy_files as files\n"
        "files.MAPPED_BYTES, rows.PIECE = 1, 2**20\n"
        "begin = rows.RowScoring.begin\n"
        "def watched(*arguments, **keywords):\n"
        "    status = dict(line.split(':') for line in open('/proc/self/status'))\n"
        f"    print(status['VmHWM'].split()[0], file=open({str(peaks)!r}, 'a'))\n"
        "    return begin(*arguments, **keywords)\n"
        "rows.RowScoring.begin = watched\n"
        f"run_arguments([{str(tmp_path / 'a.npy')!r}, {str(tmp_path / 'b.npy')!r}, '--rows', '--jobs', '2', '-q'])\n"
    )
    with running([sys.executable, "-c", code], stdout=subprocess.DEVNULL):
        pass
    found = [int(line) / 1024 for line in peaks.read_text().splitlines()]
    assert len(found) == 13
    assert max(found) - min(found) < 24


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("shape", [(ROWS, ENTRIES), (20, 15, ENTRIES)])
def test_parts_of_large_files_have_the_numbers_of_the_whole(
    logits: Path, shape: tuple[int, ...], jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Arrays that stay in their files are scored in parts, by any number of workers."""
    flags = "--labels", logits / "labels.npy", "-m", "kld,jsd"
    expected = run(logits, *flags)
    for name in ("quant", "base"):
        np.save(logits / f"{name}.npy", np.load(logits / f"{name}.npy").reshape(shape))
    monkeypatch.setattr("kldeval.analysis.rows.PIECE", 32 * ENTRIES)
    monkeypatch.setattr("kldeval.data.readers.numpy_files.MAPPED_BYTES", 1)
    found = run(logits, *flags, "--jobs", str(jobs))
    for key in ("summary", "likelihoods", "rows", "maps"):
        assert found[key] == expected[key]
    labels = np.load(logits / "labels.npy")
    labels[ROWS - 1] = ENTRIES
    np.save(logits / "labels.npy", labels)
    refused = kldeval(logits / "quant.npy", logits / "base.npy", "--rows", *flags, "--jobs", str(jobs))
    assert refused.code == 1
    assert f"label {ENTRIES} of row {ROWS - 1} is none of the entries" in refused.out
    np.save(logits / "labels.npy", labels[1:])
    refused = kldeval(logits / "quant.npy", logits / "base.npy", "--rows", *flags, "--jobs", str(jobs))
    assert f"labels are one whole number a row: {ROWS} of them, not int32 of shape ({ROWS - 1},)" in refused.out


def test_the_table_of_llama_has_its_numbers(logits: Path) -> None:
    """Its formulas, as sums over rows; its percentiles lie between the two nearest ranks."""
    quant, base, labels = of_torch(logits)
    n, rows = ROWS, torch.arange(ROWS)
    ours, theirs = -quant[rows, labels], -base[rows, labels]
    change = quant[rows, labels].exp() - base[rows, labels].exp()

    def spread(values: Any) -> float:
        return float((((values**2).sum() / n - (values.sum() / n) ** 2) / (n - 1)).sqrt())

    shared = float(((ours * theirs).sum() / n - ours.sum() / n * (theirs.sum() / n)) / (n - 1))
    ppl, of_base = float(ours.mean().exp()), float(theirs.mean().exp())
    ratio_error = (spread(ours) ** 2 + spread(theirs) ** 2 - 2 * shared) ** 0.5
    ranked = change.sort().values
    place = 0.999 * (n - 1)
    percentile = float((1 - place % 1) * ranked[int(place)] + place % 1 * ranked[int(place) + 1])
    rms = float((change**2).mean().sqrt())
    same = float((quant.argmax(1) == base.argmax(1)).double().mean())
    difference = (ppl * spread(ours)) ** 2 + (of_base * spread(theirs)) ** 2 - 2 * ppl * of_base * shared
    lines = (
        f"Mean PPL(Q)                   : {ppl:10.6f} ± {ppl * spread(ours):10.6f}",
        f"Mean PPL(base)                : {of_base:10.6f} ± {of_base * spread(theirs):10.6f}",
        f"Cor(ln(PPL(Q)), ln(PPL(base))): {100 * shared / (spread(ours) * spread(theirs)):6.2f}%",
        f"Mean ln(PPL(Q)/PPL(base))     : {float((ours - theirs).mean()):10.6f} ± {ratio_error:10.6f}",
        f"Mean PPL(Q)/PPL(base)         : {ppl / of_base:10.6f} ± {ppl / of_base * ratio_error:10.6f}",
        f"Mean PPL(Q)-PPL(base)         : {ppl - of_base:10.6f} ± {difference**0.5:10.6f}",
        f"99.9%   Δp: {100 * percentile:6.3f}%",
        f"RMS Δp    : {100 * rms:6.3f} ± {100 * 0.5 / rms * spread(change**2):5.3f} %",
        f"Same top p: {100 * same:6.3f} ± {100 * (same * (1 - same) / (n - 1)) ** 0.5:5.3f} %",
    )
    flags = "--rows", "--labels", logits / "labels.npy", "--format", "llama"
    found = kldeval(logits / "quant.npy", logits / "base.npy", *flags).out.splitlines()
    assert [line for line in lines if line not in found] == []


@pytest.mark.parametrize(("side", "place"), [("prediction", 0), ("ground truth", 1)])
def test_a_row_without_a_distribution_is_refused_by_its_number(logits: Path, side: str, place: int) -> None:
    """A softmax of -inf alone is nan, which no mean and no perplexity may take or leave out."""
    names = "quant", "base"
    lost = np.load(logits / f"{names[place]}.npy")
    lost[[7, 200]] = -np.inf
    np.save(logits / f"{names[place]}.npy", lost)
    files = [logits / f"{name}.npy" for name in names]
    said = f"row 7 of the {side} is -inf in every entry, and has no distribution; leave such rows out of both files"
    for command in (("check",), ()):
        outcome = kldeval(*command, *files, "--rows", "--labels", logits / "labels.npy")
        assert outcome.code == 1
        assert said in outcome.out
    assert said in kldeval(*files, "--rows", "--norm", "softmax+temperature(t=2)").out


def test_infinite_rows_and_labels_that_never_count_are_said(logits: Path) -> None:
    quant = np.load(logits / "quant.npy")
    quant[3, 5] = -np.inf
    np.save(logits / "quant.npy", quant)
    (note,) = run(logits)["notes"]
    assert note == "kld is infinite or undefined in 1 of 300 rows; such values stay in the mean"
    np.save(logits / "none.npy", np.full(ROWS, -100))
    found = run(logits, "--labels", logits / "none.npy", "--ignore-index", "-100")
    assert found["notes"][1] == "no row has a label that counts (--ignore-index -100), so there is no perplexity"


def test_labels_may_be_a_list_in_any_file_of_arrays(logits: Path) -> None:
    labels = np.load(logits / "labels.npy")
    np.savez(logits / "a.npz", labels)
    torch.save(torch.tensor(labels), logits / "a.pt")
    wanted = run(logits, "--labels", logits / "labels.npy")["summary"]["delta-p"]
    assert [run(logits, "--labels", logits / name)["summary"]["delta-p"] for name in ("a.npz", "a.pt")] == [wanted] * 2


FLOATS = {
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "F8_E4M3FNUZ": "float8_e4m3fnuz",
    "F8_E5M2FNUZ": "float8_e5m2fnuz",
    "BF16": "bfloat16",
}


@pytest.mark.parametrize("kind", FLOATS)
def test_floats_that_numpy_lacks_are_read_as_torch_reads_them(logits: Path, kind: str) -> None:
    """Every code of a byte, in files of torch and of safetensors, and in memory."""
    dtype = getattr(torch, FLOATS[kind])
    codes = torch.arange(256, dtype=torch.uint8).repeat(2, 2).view(dtype)
    codes = torch.where(codes.float().isfinite(), codes.float(), 0.0).to(dtype)
    np.save(logits / "gt.npy", np.zeros(codes.shape))
    torch.save(codes, logits / "a.pt")
    header = {"a": {"dtype": kind, "shape": list(codes.shape), "data_offsets": [0, codes.nbytes]}}
    start = json.dumps(header).encode()
    values = codes.view(torch.uint8).numpy().tobytes()
    (logits / "a.safetensors").write_bytes(len(start).to_bytes(8, "little") + start + values)
    means = [
        package.evaluate(logits / name, logits / "gt.npy", metric="mae")["mae"].mean
        for name in ("a.pt", "a.safetensors")
    ]
    expected = float(codes.double().abs().mean())
    assert [*means, float(package.evaluate(codes, np.zeros(codes.shape), metric="mae")["mae"].mean)] == [expected] * 3


def test_tensors_that_are_no_maps_are_refused_in_one_line(logits: Path) -> None:
    plain = torch.rand(4, 5)
    with pytest.warns(UserWarning, match="quantize"):
        quantised = torch.quantize_per_tensor(plain, 0.1, 0, torch.qint8)
    cases = {
        "of the device meta": plain.to("meta"),
        "quantised": quantised,
        "of complex numbers": plain.to(torch.complex64),
    }
    np.save(logits / "gt.npy", plain.numpy())
    for said, tensor in cases.items():
        torch.save(tensor, logits / "a.pt")
        assert said in kldeval(logits / "a.pt", logits / "gt.npy", "--score-only").err
        with pytest.raises(package.RefusedMap, match=said):
            package.evaluate(tensor, plain)


class TestDocuments:
    def test_a_saved_document_is_shown_again(self, logits: Path) -> None:
        pair = logits / "quant.npy", logits / "base.npy"
        flags = "--rows", "--labels", logits / "labels.npy"
        saved = logits / "rows.json"
        for format_ in ("table", "json", "llama", "markdown", "latex"):
            expected = kldeval(*pair, *flags, "--format", format_, "-o", saved, "-q")
            shown = kldeval("show", saved, "--format", format_)
            assert (shown.code, shown.out) == (0, expected.out)
        validate(json.loads(saved.read_text()), "rows")
        assert kldeval("show", saved, "-o", logits / "rows.html").code == 0
        assert "kld|pred:softmax" in (logits / "rows.html").read_text()
        assert kldeval("show", saved, "--format", "csv").err == (
            "kldeval: a saved document of rows holds no single rows: score them again, with --format csv\n"
        )

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda made: made.update(rows=5), "rows is 5, and its maps have 300 rows"),
            (lambda made: made["summary"].pop("kld"), "summary lacks kld, which has a signature"),
            (lambda made: made["summary"]["kld"].pop("error"), "summary.kld lacks 'error'"),
            (lambda made: made.update(schema="kldeval.rows/9"), "is a kldeval.rows/9, of another version of kldeval"),
            (lambda made: made["summary"]["kld"].update(mean="1"), "summary.kld.mean is '1'"),
        ],
    )
    def test_a_document_of_another_form_is_refused(
        self, logits: Path, change: Callable[[dict[str, Any]], object], message: str
    ) -> None:
        made = run(logits)
        change(made)
        (logits / "rows.json").write_text(json.dumps(made))
        shown = kldeval("show", logits / "rows.json")
        assert shown.code == 2
        assert message in shown.err

    def test_a_page_shows_how_the_rows_are_distributed(self, logits: Path) -> None:
        pair = logits / "quant.npy", logits / "base.npy"
        assert kldeval(*pair, "--rows", "-o", logits / "rows.html", "-q").code == 0
        page = (logits / "rows.html").read_text()
        assert "kld of the rows" in page
        assert "300 rows from" in page


def test_statistics_of_rows_neither_merge_nor_pair_and_say_so(logits: Path) -> None:
    for name in ("one", "two"):
        run(logits, "--output", logits / f"{name}.json")
    for command in ("merge", "compare", "show"):
        refused = kldeval(command, logits / "one.json", logits / "two.json")
        assert refused.code == 2
        assert refused.err.endswith(
            "it holds statistics of rows, which kldeval show takes one file at a time; quantiles of parts neither add "
            "up nor pair, so give the folders of all parts to one run with --rows, and --format csv has every row\n"
        )
    assert kldeval("show", logits / "one.json").code == 0


class TestLibrary:
    def test_arrays_tensors_and_files_give_one_number(self, logits: Path) -> None:
        quant, base, labels = (np.load(logits / f"{name}.npy") for name in ("quant", "base", "labels"))
        expected = run(logits, "--labels", logits / "labels.npy")
        for pred, gt, right in (
            (quant, base, labels),
            (torch.tensor(quant), torch.tensor(base), torch.tensor(labels)),
            (str(logits / "quant.npy"), logits / "base.npy", logits / "labels.npy"),
            ([quant[:100], quant[100:]], [base[:100], base[100:]], [labels[:100], labels[100:]]),
        ):
            found = package.rows(pred, gt, labels=right)
            assert {**found.to_dict()["summary"], "likelihoods": found.to_dict()["likelihoods"]} == {
                **expected["summary"],
                "likelihoods": expected["likelihoods"],
            }

    def test_a_document_of_the_library(self, logits: Path) -> None:
        found = package.rows(logits / "quant.npy", logits / "base.npy", metric="kld,jsd")
        frame = found.to_pandas()
        assert list(frame.columns) == ["name", "row", "kld", "jsd", "same-top"]
        assert frame["kld"].mean() == pytest.approx(found["kld"].mean, rel=1e-12)
        assert found.values("kld").shape == (ROWS,)
        assert "kld" in found._repr_html_()
        assert str(found).startswith("300 rows of 1 map")
        assert repr(found).startswith("Rows(300 rows of 1 map)\n  kld: ")
        for suffix in ("json", "html", "csv", "md", "tex", "txt"):
            found.save(logits / f"rows.{suffix}")
        again = package.Rows.load(logits / "rows.json")
        assert again == found
        with pytest.raises(package.UsageProblem, match="holds no single rows"):
            again.values("kld")
        with pytest.raises(package.UsageProblem, match=r"holds a rows, not a report; kldeval\.Rows\.load reads it"):
            package.Report.load(logits / "rows.json")
        with pytest.raises(package.UnknownName, match="did you mean 'kld'"):
            found["kdl"]

    def test_what_has_no_meaning_is_refused(self, logits: Path) -> None:
        quant = np.load(logits / "quant.npy")
        with pytest.raises(package.UsageProblem, match="gt is missing"):
            package.rows(quant, None)
        with pytest.raises(package.UnknownName, match="fixation"):
            package.rows(quant, quant, fixation="x")  # type: ignore[call-arg]
        assert package.rows(quant, quant)["same_top"].mean == 1
        ignored = package.rows(quant, quant[:, 1:], on_failure="ignore")
        assert repr(ignored).startswith("Rows(0 rows of 0 maps, 1 failed)")
        with pytest.raises(package.UsageProblem, match="mask has no meaning for rows, in which every entry counts"):
            package.rows(quant, quant, mask=quant > 0)

    def test_pairs_that_fail_are_not_left_out_without_a_word(self, logits: Path) -> None:
        quant = np.load(logits / "quant.npy")
        broken = np.where(quant == quant.max(), np.nan, quant)
        sides = [quant, broken], [quant, quant]
        with pytest.warns(package.MapsFailed, match="1 of 2 maps failed, and the means are those of the others: map 1"):
            assert package.rows(*sides).n == ROWS
        with pytest.raises(package.RefusedMap, match=r"holds nan, which 'softmax' does not handle; repair the map$"):
            package.rows(*sides, on_failure="raise")

    def test_infinite_rows_have_infinite_quantiles_and_no_ratio(self, logits: Path) -> None:
        quant = np.load(logits / "quant.npy").astype(float)
        quant[: ROWS // 2, 0] = -np.inf
        base = np.load(logits / "base.npy")
        found = package.rows(quant, base, labels=np.zeros(ROWS, int))
        values = found.values("kld")
        assert np.isinf(values).sum() == ROWS // 2
        quantiles = found["kld"].quantiles
        assert np.isfinite(quantiles[0.25])
        assert (quantiles[0.0], quantiles[0.9], quantiles[1.0]) == (values.min(), np.inf, np.inf)
        assert found.likelihoods is not None
        assert found.likelihoods.pred.value == np.inf
        both = package.rows(quant, quant, labels=np.zeros(ROWS, int))
        assert both.likelihoods is not None
        assert np.isnan(both.likelihoods.ratio.value)


def test_a_name_is_no_formula_in_a_table_of_rows(tmp_path: Path) -> None:
    for side in ("pred", "gt"):
        (tmp_path / side).mkdir()
        np.save(tmp_path / side / "=1+1,a.npy", np.eye(2))
    assert kldeval(tmp_path / "pred", tmp_path / "gt", "--rows", "--format", "csv").out.splitlines() == [
        "name,row,kld,same-top",
        '"\'=1+1,a",0,0.0,1.0',
        '"\'=1+1,a",1,0.0,1.0',
    ]
