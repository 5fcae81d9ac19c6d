"""Metrics and conventions under the field's spellings, and what is said to the names of frameworks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command_line import kldeval
from evaluating import settings_of
from every import about, all_metrics, metrics
from looping import each_of

from kldeval.errors import UsageProblem

ROOT = Path(__file__).parent.parent.parent / "sample_data"
SIDES = ROOT / "bold" / "market.png", ROOT / "gt" / "market.png"

SPELT = {
    "KLD": "kld",
    "KL-Div": "kld",
    "kl_divergence": "kld",
    "AUC-J": "auc-judd",
    "auc_judd": "auc-judd",
    "AUC_Borji": "auc-borji",
    "s-AUC": "sauc",
    "NSS": "nss",
    "PCC": "cc",
    "SIM": "sim",
    "Entropy_GT": "entropy-gt",
}


@pytest.mark.parametrize("spelling", SPELT)
def test_a_metric_is_known_by_the_spellings_of_the_field(spelling: str) -> None:
    assert settings_of({"metric": spelling}).metrics == settings_of({"metric": SPELT[spelling]}).metrics


@each_of("name", metrics())
def test_case_and_hyphens_do_not_matter(name: str) -> None:
    needed = {"baseline": "others", "other_map": "others"} if about(name).requires else {}
    texts = {key: text for key, text in needed.items() if key.removesuffix("_map") in about(name).requires}
    spelt = name.upper().replace("-", "_")
    assert settings_of({"metric": spelt, **texts}) == settings_of({"metric": name, **texts})


def test_constants_stay_with_their_metric() -> None:
    (call,) = settings_of({"metric": "KLD(ratio_eps=1e-7)"}).metrics
    assert str(call) == "kld(ratio_eps=1e-07)"


def test_from_the_command_line() -> None:
    spelt = kldeval(*SIDES, "-m", "KLD,CC", "--convention", "MIT", "--format", "json")
    assert spelt.out == kldeval(*SIDES, "-m", "kld,cc", "--convention", "mit", "--format", "json").out
    assert kldeval("conventions", "TranSalNet").out == kldeval("conventions", "transalnet").out


@pytest.mark.parametrize(
    ("name", "way"),
    [
        ("KLDivLoss", "--pred-norm log-prob -m kld --reduction batchmean"),
        ("NLLLoss", "-m nll"),
        ("CrossEntropyLoss", "--norm softmax --axis 0 -m ce"),
        ("LogSigmoid", "--norm log-sigmoid"),
    ],
)
def test_names_of_frameworks_are_answered_with_what_to_type(name: str, way: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        settings_of({"metric": name})
    assert str(caught.value).startswith(f"unknown metric {name!r}: ")
    assert way in str(caught.value)
    assert "docs/labels.md" in str(caught.value)


# commands, and all bad names at once


@pytest.mark.parametrize(
    ("word", "meant"),
    [("audti", "audit"), ("score", "evaluate"), ("Check", "check"), ("evalute", "evaluate"), ("report", "show")],
)
def test_a_word_that_is_no_command_gets_the_one_that_was_meant(word: str, meant: str) -> None:
    outcome = kldeval(word, "pred", "gt")
    expected = f"kldeval: {word} is no command, and no file or folder is called so; did you mean kldeval {meant}?\n"
    assert (outcome.code, outcome.out, outcome.err) == (2, "", expected)


def test_a_folder_that_is_called_like_a_command_is_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("score", "gt"):
        Path(folder).mkdir()
        np.save(f"{folder}/a.npy", np.ones((2, 3)))
    assert kldeval("score", "gt").code == 0
    assert "zebra does not exist; give two files or two folders" in kldeval("zebra", "gt").err


def test_all_names_of_a_run_that_are_wrong_are_told_together() -> None:
    outcome = kldeval(
        *("pred", "gt", "--metric", "kdl,NLLLoss,zzz", "--norm", "minmx+sum-to-won", "--convention", "mti"),
        *("--scale", "unt"),
    )
    lines = outcome.err.splitlines()
    wrong = ("'mti'", "'kdl'", "'zzz'", "'NLLLoss'", "'unt'", "'minmx'", "'sum-to-won'")
    assert all(sum(name in line for line in lines) == 1 for name in wrong)
    assert all(len(line) < 300 for line in lines)
    both = kldeval("audit", "pred", "gt", "--convention", "mti,foo").err.splitlines()
    assert [line.split(";")[0].split()[-1] for line in both] == ["'mti'", "'foo'"]


def test_names_differ_in_case_and_hyphens_alone() -> None:
    for name in ("MIT", "EML_Net", "emlnet", "TranSalNet", "Mit Tuebingen"):
        assert kldeval("conventions", name).code == 0
    assert kldeval("metrics", "KL-Divergence").out == kldeval("metrics", "kld").out


def test_every_metric_says_its_range() -> None:
    assert [name for name in all_metrics() if "\nRange: " not in kldeval("metrics", name).out] == []
    assert kldeval("metrics", "cc").out.endswith("\nRange: -1 to 1.\n")
    assert kldeval("steps", "MinMax").out.endswith("\nRange: 0 to 1.\n")
