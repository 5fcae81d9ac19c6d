"""Rows of logits as units: numbers of torch, the table of llama.cpp, and memory that rows do not need."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from command_line import kldeval
from torch.nn.functional import cross_entropy, kl_div, log_softmax

if TYPE_CHECKING:
    from pathlib import Path

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


def of_torch(folder: Path) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    quant, base = (torch.tensor(np.load(folder / f"{name}.npy").astype(np.float64)) for name in ("quant", "base"))
    return log_softmax(quant, -1), log_softmax(base, -1), torch.tensor(np.load(folder / "labels.npy").astype(int))


def run(folder: Path, *arguments: Any) -> dict[str, Any]:
    outcome = kldeval(folder / "quant.npy", folder / "base.npy", "--rows", *arguments, "--format", "json", "-q")
    assert outcome.code == 0, outcome.err
    document: dict[str, Any] = json.loads(outcome.out)
    return document


def test_numbers_are_those_of_torch(logits: Path) -> None:
    quant, base, labels = of_torch(logits)
    found = run(logits, "--labels", logits / "labels.npy", "-m", "kld,ce,kld-reverse")
    kld = kl_div(quant, base, log_target=True, reduction="none").sum(-1)
    assert found["summary"]["kld"]["mean"] == pytest.approx(float(kld.mean()), rel=1e-9)
    assert found["summary"]["kld"]["error"] == pytest.approx(float(kld.std() / ROWS**0.5), rel=1e-9)
    for part, value in found["summary"]["kld"]["quantiles"].items():
        assert value == pytest.approx(float(torch.quantile(kld, float(part))), rel=1e-9)
    reverse = kl_div(base, quant, log_target=True, reduction="none").sum(-1)
    assert found["summary"]["kld-reverse"]["mean"] == pytest.approx(float(reverse.mean()), rel=1e-9)
    same = (quant.argmax(-1) == base.argmax(-1)).double().mean()
    assert found["summary"]["same-top"]["mean"] == pytest.approx(float(same), rel=1e-12)
    ours, theirs = (cross_entropy(one, labels) for one in (quant, base))
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
    kld = kl_div(quant, base, log_target=True, reduction="none").sum(-1).numpy()
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
    expected = cross_entropy(quant, torch.tensor(labels.astype(int)), ignore_index=-100).exp()
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
        (("--format", "html"), "unknown format 'html'"),
        (("--worst", "3"), "--worst has no meaning beside --rows"),
        (("--labels", "none.npy"), "--labels none.npy does not exist"),
    ],
)
def test_what_rows_do_not_have_is_refused(arguments: tuple[str, ...], message: str, logits: Path) -> None:
    outcome = kldeval(logits / "quant.npy", logits / "base.npy", "--rows", *arguments)
    assert outcome.code == 2
    assert message in outcome.err


def test_a_signature_of_rows_runs_again(logits: Path) -> None:
    text = run(logits)["signature"]["kld"]
    pair = logits / "quant.npy", logits / "base.npy"
    again = kldeval(*pair, "--signature", text, "--format", "json", "-q")
    assert json.loads(again.out)["summary"] == run(logits)["summary"]


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    """Of files of 25 MB each, which stay where they are as larger ones do, nothing as large is made in memory."""
    for name in ("a", "b"):
        file = np.lib.format.open_memmap(tmp_path / f"{name}.npy", "w+", np.float16, (400, 32000))
        file[:] = np.random.default_rng(len(name)).normal(size=32000).astype(np.float16)
        file.flush()
    code = (
        "from kldeval.cli.main import run_arguments\n"
        "import kldeval.analysis.rows\n"
        "import kldeval.data.readers.numpy_files as files\n"
        "files.MAPPED_BYTES = 1\n"
        "def own():\n"
        "    return int([line for line in open('/proc/self/status') if line.startswith('RssAnon')][0].split()[1])\n"
        "before = own()\n"
        f"run_arguments([{str(tmp_path / 'a.npy')!r}, {str(tmp_path / 'b.npy')!r}, '--rows', '--jobs', '1', '-q'])\n"
        "print((own() - before) // 1024)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert int(done.stdout.splitlines()[-1]) < 24
