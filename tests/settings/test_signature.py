"""Settings as a signature and back, the parts that are refused, and the short form."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kldeval.conventions import CONVENTIONS
from kldeval.errors import UsageProblem
from kldeval.grammar import Call, Registry, split_call
from kldeval.metrics.registry import LABEL_METRICS, METRICS
from kldeval.normalization.chain import class_axis
from kldeval.normalization.steps import STEPS
from kldeval.settings.auxiliary import companion_parts
from kldeval.settings.build import alone, checked, make_settings
from kldeval.settings.settings import CHOICES, Settings
from kldeval.settings.signature import (
    OPTIONAL,
    PARTS,
    format_signature,
    matching_convention,
    parse_signature,
    short_signature,
    signatures,
)

FLOATS = st.floats(allow_nan=False, allow_infinity=False)
NOT_NEGATIVE = st.floats(0, 1e300)
POSITIVE = st.floats(1e-300, 1e300)
AXES = st.sampled_from([-3, -2, -1, 0, 1, 2])
OF = st.sampled_from(["stored", "norm"])
ARGUMENTS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "sum-to-one": {"offset": NOT_NEGATIVE, "axis": st.none() | AXES},
    "softmax": {"axis": AXES},
    "log-prob": {
        "axis": st.none() | AXES,
        "base": st.sampled_from(["e", "2", "10"]),
        "check": st.sampled_from(["sum", "none"]),
    },
    "none": {"axis": st.none() | AXES},
    "labels": {"ignore_index": st.none() | st.integers(-300, 300), "reduce_zero": st.booleans()},
    "minmax": {"offset": NOT_NEGATIVE},
    "add": {"value": FLOATS},
    "clip": {"min": st.none() | st.floats(-1e9, 0), "max": st.floats(0, 1e9)},
    "blank": {"below": FLOATS},
    "divide": {"value": POSITIVE},
    "threshold": {"above": FLOATS},
    "temperature": {"t": POSITIVE},
    "centre": {"sigma": POSITIVE},
    "mix-uniform": {"share": st.floats(0, 1)},
    "blur": {"sigma": st.floats(1e-300, 1e5), "size": st.none() | st.integers(0, 99).map(lambda half: 2 * half + 1)},
    "kld": {
        "log_eps": NOT_NEGATIVE,
        "num_eps": NOT_NEGATIVE,
        "ratio_eps": NOT_NEGATIVE,
        "direction": st.sampled_from(["gt-pred", "pred-gt", "mean"]),
        "factor": POSITIVE,
    },
    "kld-reverse": {"log_eps": NOT_NEGATIVE, "num_eps": NOT_NEGATIVE, "ratio_eps": NOT_NEGATIVE},
    "ce": {"ratio_eps": NOT_NEGATIVE},
    "cc": {"std_eps": NOT_NEGATIVE, "of": OF},
    "sim": {"minmax": st.booleans(), "of": OF},
    "mse": {"of": OF},
    "mae": {"of": OF},
    "emd": {"factor": st.integers(1, 64), "unit": st.sampled_from(["cells", "diagonal"]), "of": OF},
    "nss": {"ddof": st.integers(0, 1), "repeats": st.booleans(), "std_eps": NOT_NEGATIVE, "of": OF},
    "auc": {"negatives": st.sampled_from(["all", "unfixated"]), "repeats": st.booleans(), "of": OF},
    "auc-judd": {"jitter": st.sampled_from(["expected", "none", "unique"]), "of": OF},
    "auc-borji": {"ties": st.sampled_from(["exact", "float"]), "of": OF},
    "auc-shuffled": {"ties": st.sampled_from(["exact", "float"]), "of": OF},
    "sauc": {"of": OF},
    "sauc-salicon": {"step": st.floats(1e-6, 1), "of": OF},
    "ig": {"eps": NOT_NEGATIVE, "repeats": st.booleans()},
    "ig-mit": {"eps": st.floats(1e-300, 1e10), "of": OF},
    "bce": {"clamp": FLOATS},
    "bernoulli-kld": {"clamp": FLOATS},
    **{name: {"bins": st.integers(1, 100)} for name in METRICS if name.startswith("binary-")},
}
"""The arguments of every step and metric that has any."""


@st.composite
def calls(draw: st.DrawFn, registry: Registry[Any, Any], name: str) -> Call:
    """A call of `name` with arguments that it takes."""
    return registry[name].call(**{key: draw(value) for key, value in ARGUMENTS.get(name, {}).items()})


STEP_CALLS = st.sampled_from(sorted(set(STEPS) - {"labels"})).flatmap(lambda name: calls(STEPS, name))
METRIC_CALLS = st.sampled_from(sorted(METRICS)).flatmap(lambda name: calls(METRICS, name))
CHAINS = st.lists(STEP_CALLS, min_size=1, max_size=4).map(tuple)
RESIZES = st.sampled_from(
    [
        Call("none"),
        Call("pred-to-gt"),
        Call("gt-to-pred", (("kernel", "area"),)),
        Call("both", (("size", (256, 192)), ("kernel", "matlab-bicubic"), ("round", True))),
        Call("pred-to-gt", (("kernel", "matlab-bicubic"), ("round", False), ("border", "replicate"))),
    ]
)


def agree(settings: Settings) -> bool:
    try:
        checked(settings)
    except UsageProblem:
        return False
    return True


BESIDE = {
    "baseline": ["none", "uniform", "others(bandwidth=0.02)", "maps(norm=shift+sum-to-one)", "map(sha256=0a1b)"],
    "other_map": ["none", "others", "others(repeats=true)", "maps"],
    "mask": ["none", "maps", "map(sha256=0a1b)"],
    "weights": ["none", "latitude", "latitude(rows=ends)", "maps"],
    "fixation_base": ["0", "1"],
    "fixation_outside": ["error", "drop", "clip"],
    "fixation_rounding": ["floor", "nearest"],
}


@st.composite
def with_company(draw: st.DrawFn, chosen: Settings) -> Settings | None:
    """The settings with what stands beside the pairs; None where they mean nothing."""
    texts = {name: draw(st.sampled_from(choices)) for name, choices in BESIDE.items()}
    try:
        parts: dict[str, Any] = dict(companion_parts(texts, {}, chosen.metrics))
        return replace(chosen, **parts)
    except UsageProblem:
        return None


CHOSEN = {"resize": RESIZES, **{key: st.sampled_from(choices) for key, choices in CHOICES.items()}}
OF_DENSITIES = st.builds(
    Settings,
    metrics=st.lists(METRIC_CALLS, min_size=1, max_size=3, unique=True).map(tuple),
    pred=CHAINS,
    gt=CHAINS,
    **CHOSEN,
)
LABELLING = {
    "class_weights": st.none() | st.lists(st.floats(0, 1e300), min_size=1, max_size=4).map(tuple),
    "label_smoothing": st.floats(0, 1),
    "smoothing_over": st.sampled_from(["all", "others"]),
    "bins": st.integers(1, 100),
    "normalized": st.booleans(),
}
OF_LABELS = st.builds(
    Settings,
    metrics=st.lists(
        st.sampled_from(sorted(LABEL_METRICS)).flatmap(
            lambda name: st.fixed_dictionaries({key: LABELLING[key] for key in LABEL_METRICS[name].types}).map(
                lambda given: LABEL_METRICS[name].call(**given)
            )
        ),
        min_size=1,
        max_size=3,
        unique=True,
    ).map(tuple),
    pred=CHAINS.filter(lambda chain: class_axis(chain) is not None),
    gt=calls(STEPS, "labels").map(lambda call: (call,)),
    **CHOSEN,
)
ACCOMPANIED: st.SearchStrategy[Settings] = OF_DENSITIES.flatmap(with_company).filter(bool)  # type: ignore[assignment]
SETTINGS = (ACCOMPANIED | OF_LABELS).filter(agree).map(checked)

DEFAULT = (
    "kld(log_eps=2.2204e-16,ratio_eps=2.2204e-16),ce(ratio_eps=2.2204e-16)|pred:sum-to-one|gt:sum-to-one|scale:unit|"
    "resize:none|color:error|empty:error|base:e|reduce:slices|maps:mean|dtype:float64|v:1"
)


def test_every_argument_of_every_step_and_metric_is_drawn() -> None:
    for registry in (STEPS, METRICS):
        for name in registry:
            assert list(ARGUMENTS.get(name, {})) == list(registry[name].types)


@settings(max_examples=150, deadline=None)
@given(chosen=SETTINGS)
def test_a_signature_reads_back_as_the_settings(chosen: Settings) -> None:
    assert parse_signature(format_signature(chosen)) == chosen
    for key, text in signatures(chosen).items():
        assert parse_signature(text) == alone(chosen, chosen.metrics[chosen.keys.index(key)])


def test_the_signature_of_the_default() -> None:
    assert format_signature(make_settings({})) == DEFAULT
    assert parse_signature(DEFAULT) == make_settings({})


def test_every_part_stands_in_its_place() -> None:
    texts = {
        "metric": "kld(factor=10,ratio_eps=1e-7),jsd",
        "pred_norm": "minmax(offset=1e-7)+sum-to-one",
        "gt_norm": "blur(sigma=19)+sum-to-one",
        "scale": "raw",
        "resize": "both(size=256x192,kernel=area)",
        "color": "luma",
        "empty_gt": "zero",
        "empty_pred": "keep",
        "base": "2",
        "reduction": "batchmean",
        "dtype": "float32",
    }
    assert format_signature(make_settings(texts)) == (
        "kld(ratio_eps=1e-07,factor=10),jsd|pred:minmax(offset=1e-07)+sum-to-one|gt:blur(sigma=19)+sum-to-one|"
        "scale:raw|resize:both(size=256x192,kernel=area)|color:luma|empty:gt=zero,pred=keep|base:2|reduce:batchmean|"
        "maps:mean|dtype:float32|v:1"
    )


def test_a_bare_metric_in_a_signature_has_no_constants() -> None:
    """The default constants would be another number than the one the signature stands beside."""
    assert parse_signature(DEFAULT.replace("(log_eps=2.2204e-16,ratio_eps=2.2204e-16)", "")).metrics[0] == Call("kld")


def test_each_metric_has_its_own_signature_under_its_key() -> None:
    chosen = make_settings({"metric": "kld(),ce(),kld(ratio_eps=1e-7)"})
    rest = DEFAULT.partition("|")[2]
    assert signatures(chosen) == {
        "kld": f"kld|{rest}",
        "ce": f"ce|{rest}",
        "kld(ratio_eps=1e-07)": f"kld(ratio_eps=1e-07)|{rest}",
    }


NEEDED = ", ".join((*PARTS, "v"))
KNOWN = ", ".join((*PARTS, "v", *OPTIONAL))
REFUSED = {
    DEFAULT.replace("scale:unit|", ""): f"the signature lacks scale; after the metrics it needs {NEEDED}",
    DEFAULT.partition("|")[0]: f"the signature lacks {NEEDED}; after the metrics it needs {NEEDED}",
    DEFAULT + "|scale:raw": "the signature's part 'scale:raw' stands there twice",
    DEFAULT + "|v:1": "the signature's part 'v:1' stands there twice",
    DEFAULT + "|scal:raw": (f"the signature's part 'scal:raw' is unknown; did you mean 'scale'? Known: {KNOWN}"),
    DEFAULT + "|": f"the signature's part '' is unknown; known: {KNOWN}",
    DEFAULT.replace("gt:sum-to-one", "gt"): "the signature's part 'gt' has no value",
    DEFAULT.replace("pred:sum-to-one", "pred:"): "the signature's part 'pred:' has no value",
    DEFAULT.replace("v:1", "v:2"): (
        "the signature's part 'v:2' is another version of the definitions; here they are v:1"
    ),
    DEFAULT.replace("|v:1", "").replace("|scale", "|v:0|scale"): (
        "the signature's part 'v:0' is another version of the definitions; here they are v:1"
    ),
    DEFAULT.replace("maps:mean", "maps:median"): (
        "the signature's part 'maps:median' is unknown; known: maps:mean, maps:fixations, maps:groups, maps:pixels, "
        "maps:rows"
    ),
    DEFAULT.replace("|v:1", "|groups:parent|v:1"): (
        "the signature's part 'groups:parent' has no meaning under 'maps:mean'"
    ),
    DEFAULT.replace("empty:error", "empty:zero"): (
        "the signature's part 'empty:zero' is not of the form empty:error or empty:gt=zero,pred=keep"
    ),
    DEFAULT.replace("empty:error", "empty:gt=zero"): (
        "the signature's part 'empty:gt=zero' is not of the form empty:error or empty:gt=zero,pred=keep"
    ),
    DEFAULT.replace("empty:error", "empty:gt=zero,gt=nan,pred=keep"): (
        "the signature's part 'empty:gt=zero,gt=nan,pred=keep' is not of the form empty:error or "
        "empty:gt=zero,pred=keep"
    ),
    DEFAULT.replace("empty:error", "empty:gt=zer,pred=keep"): (
        "--empty-gt zer: 'zer' is none of error, skip, uniform, zero, nan; did you mean 'zero'?"
    ),
    DEFAULT.replace("scale:unit", "scale:byte"): "--scale byte: 'byte' is none of unit, raw",
    DEFAULT.replace("gt:sum-to-one", "gt:sum-to-two"): (
        "unknown step 'sum-to-two'; did you mean 'sum-to-one', 'stored' or 'sigmoid'? `kldeval steps` lists all"
    ),
    DEFAULT.replace("kld(", "kdl("): (
        "unknown metric 'kdl'; did you mean 'kld', 'll' or 'emd'? `kldeval metrics` lists all"
    ),
    "": f"the signature lacks {NEEDED}; after the metrics it needs {NEEDED}",
}


@pytest.mark.parametrize("text", REFUSED)
def test_a_part_that_is_wrong_is_named(text: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        parse_signature(text)
    assert str(caught.value) == REFUSED[text]


class TestShortForm:
    @pytest.mark.parametrize("name", CONVENTIONS)
    def test_a_convention_is_called_by_its_name(self, name: str) -> None:
        """Two rows may be the same settings; then the first of the table gives the name."""
        row = CONVENTIONS[name]
        chosen = make_settings({}, convention=row.texts)
        first = next(other for other in CONVENTIONS.values() if make_settings({}, convention=other.texts) == chosen)
        assert matching_convention(chosen) == first.name
        assert short_signature(chosen) == f"kldeval:{first.name}+v{first.version}"

    def test_the_name_covers_the_metrics_that_a_convention_does_not_define(self) -> None:
        texts = CONVENTIONS["mit"].texts
        assert short_signature(make_settings({"metric": "kld,jsd"}, convention=texts)) == "kldeval:mit+v1"
        assert short_signature(make_settings({"metric": "ce"}, convention=texts)) == "kldeval:mit+v1"

    @pytest.mark.parametrize("change", [{"scale": "raw"}, {"metric": "kld(ratio_eps=1)"}, {"metric": "kld,kld()"}])
    def test_another_number_loses_the_name(self, change: dict[str, str]) -> None:
        chosen = make_settings(change, convention=CONVENTIONS["mit"].texts)
        digits = sha256(format_signature(chosen).encode()).hexdigest()[:8]
        assert short_signature(chosen) == f"kldeval:{digits}+v1"

    def test_the_default_has_a_name(self) -> None:
        assert short_signature(make_settings({})) == "kldeval:default+v1"


def test_the_metrics_of_conventions_have_no_other_arguments_than_their_functions() -> None:
    for row in CONVENTIONS.values():
        for text in row.metrics:
            name, arguments = split_call(text)
            assert set(arguments) <= set(METRICS[name].types)


def test_the_reverse_divergence_has_the_name_whose_constants_it_has() -> None:
    for metric in ("kld,jsd", "kld-reverse", "kld,kld-reverse"):
        assert short_signature(make_settings({"metric": metric})) == "kldeval:default+v1"
    assert matching_convention(make_settings({"metric": "kld-reverse(log_eps=1,ratio_eps=1)"})) is None
    for name, row in CONVENTIONS.items():
        (call,) = make_settings({"metric": "kld-reverse"}, convention=row.texts).metrics
        kld = make_settings({"metric": "kld"}, convention=row.texts).metrics[0]
        assert call.keywords == {key: value for key, value in kld.keywords.items() if key.endswith("_eps")}, name
