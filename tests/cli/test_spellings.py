"""Metrics and conventions under the field's spellings, and what is said to the names of frameworks."""

from __future__ import annotations

from pathlib import Path

import pytest
from command_line import kldeval

from kldeval.errors import UsageProblem
from kldeval.metrics.registry import METRICS
from kldeval.settings.build import make_settings

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
    assert make_settings({"metric": spelling}).metrics == make_settings({"metric": SPELT[spelling]}).metrics


@pytest.mark.parametrize("name", list(METRICS))
def test_case_and_hyphens_do_not_matter(name: str) -> None:
    needed = {"baseline": "others", "other_map": "others"} if METRICS[name].info.requires else {}
    texts = {key: text for key, text in needed.items() if key.removesuffix("_map") in METRICS[name].info.requires}
    spelt = name.upper().replace("-", "_")
    assert make_settings({"metric": spelt, **texts}) == make_settings({"metric": name, **texts})


def test_constants_stay_with_their_metric() -> None:
    (call,) = make_settings({"metric": "KLD(ratio_eps=1e-7)"}).metrics
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
        make_settings({"metric": name})
    assert str(caught.value).startswith(f"unknown metric {name!r}: ")
    assert way in str(caught.value)
    assert "docs/labels.md" in str(caught.value)
