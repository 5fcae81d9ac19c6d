"""Signatures of earlier versions: read as what they meant, or refused by the name of what has moved."""

from __future__ import annotations

import pytest
from evaluating import read_signature, signature_of
from looping import each_of

from kldeval.errors import UsageProblem

LONG = (
    "|pred:{pred}|gt:{gt}|scale:unit|resize:{resize}|color:error|empty:error|base:{base}|reduce:slices|maps:mean|"
    "dtype:float64|v:{v}"
)
USUAL = {"pred": "sum-to-one", "gt": "sum-to-one", "resize": "none", "base": "e", "v": "1"}
SHORT = "|pred:{pred}|gt:{gt}|scale:unit|resize:none|color:error|empty:error|maps:mean|dtype:float64|v:2"


def long(metric: str, **parts: str) -> str:
    return metric + LONG.format(**{**USUAL, **parts})


@each_of("metric", ["cc", "sim(minmax=true)", "mae", "emd", "nss(ddof=1)", "auc", "auc-judd", "sauc"])
def test_a_chain_that_was_never_applied_is_dropped(metric: str) -> None:
    found = read_signature(long(metric, pred="minmax", gt="flatten-softmax", base="2"))
    assert signature_of(found) == metric + SHORT.format(pred="stored", gt="stored")


def test_the_stored_logarithms_of_old_are_asked_for_in_words() -> None:
    found = read_signature(long("cc", pred="log-prob"))
    assert signature_of(found) == "cc(of=stored)" + SHORT.format(pred="stored", gt="stored")


def test_old_log_densities_were_not_checked() -> None:
    found = read_signature(long("kld", pred="log-prob"))
    assert signature_of(found) == long("kld", pred="log-prob(check=none)")


def test_a_log_density_that_was_resized_is_refused() -> None:
    with pytest.raises(UsageProblem) as caught:
        read_signature(long("kld", pred="log-prob", resize="pred-to-gt"))
    assert str(caught.value) == (
        "the signature is of v:1, and since v:2 a log density that is resized is resized as the density: the "
        "definition that it speaks of is gone"
    )


def test_the_reverse_divergence_is_what_it_was() -> None:
    found = read_signature(long("kld-reverse(ratio_eps=1e-07)"))
    assert signature_of(found) == long("kld-reverse(ratio_eps=1e-07)", v="2")


def test_a_likelihood_was_in_nats_whatever_its_base() -> None:
    assert "|base:e|" in signature_of(read_signature(long("ll", base="2")))


@pytest.mark.parametrize("name", ["scout-weights", "ram1n"])
def test_a_convention_whose_scale_has_moved_is_refused_by_name(name: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        read_signature(f"kldeval:{name}+v1")
    assert f"as in kldeval:{name}+v2. Version 1 added the constant to maps in 0..1" in str(caught.value)
    assert read_signature(f"kldeval:{name}+v2").scale == "raw"


def test_a_chain_that_moves_nothing_is_refused_in_a_new_signature() -> None:
    with pytest.raises(UsageProblem) as caught:
        read_signature("cc" + SHORT.format(pred="minmax", gt="stored"))
    assert "does not move cc, whose part is pred:stored; cc(of=norm) takes what the chain makes" in str(caught.value)
    assert read_signature("cc(of=norm)" + SHORT.format(pred="minmax", gt="none"))
