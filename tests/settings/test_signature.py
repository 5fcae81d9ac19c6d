"""Settings as a signature and back, the parts that are refused, and the short form."""

from __future__ import annotations

from hashlib import sha256
from typing import Any

import pytest
from evaluating import read_signature, settings_of, short_of, signature_of, signatures_of
from every import conventions, label_metrics, metrics, parameters, step_parameters, steps
from hypothesis import HealthCheck, given, reject, settings
from hypothesis import strategies as st
from looping import each_of

from kldeval.errors import UsageProblem

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
    **{name: {"bins": st.integers(1, 100)} for name in metrics() if name.startswith("binary-")},
}
"""The arguments of every step and metric that has any."""


def written(value: Any) -> str:
    """A value as a user types it."""
    if isinstance(value, bool) or value is None:
        return str(value).lower()
    return repr(value) if isinstance(value, float) else str(value)


def calls(name: str, arguments: dict[str, st.SearchStrategy[Any]]) -> st.SearchStrategy[str]:
    """A call of `name` with some of the arguments that it takes."""
    drawn = st.fixed_dictionaries({}, optional=arguments) if name not in NEEDY else st.fixed_dictionaries(arguments)
    return drawn.map(lambda given: f"{name}({','.join(f'{key}={written(value)}' for key, value in given.items())})")


NEEDY = {"add", "blank", "divide", "threshold", "temperature", "centre", "mix-uniform", "blur", "clip"}
"""Steps that take an argument without a default."""

STEP_CALLS = st.sampled_from(sorted(set(steps()) - {"labels"})).flatmap(
    lambda name: calls(name, ARGUMENTS.get(name, {}))
)
METRIC_CALLS = st.sampled_from(sorted(metrics())).flatmap(lambda name: calls(name, ARGUMENTS.get(name, {})))
CHAINS = st.lists(STEP_CALLS, min_size=1, max_size=3).map("+".join)
LIKELY_CHAINS = st.sampled_from(["sum-to-one", "softmax", "flatten-softmax", "minmax+sum-to-one(axis=0)"]) | CHAINS
RESIZES = (
    *("none", "pred-to-gt", "gt-to-pred(kernel=area)", "both(size=256x192,kernel=matlab-bicubic,round=true)"),
    "pred-to-gt(kernel=matlab-bicubic,round=false,border=replicate)",
)
BESIDE = {
    "baseline": ["uniform", "others(bandwidth=0.02)", "maps(norm=shift+sum-to-one)", "map(sha256=0a1b)"],
    "other_map": ["others", "others(repeats=true)", "maps"],
    "mask": ["none", "maps", "map(sha256=0a1b)"],
    "weights": ["none", "latitude", "latitude(rows=ends)", "maps"],
    "fixation_base": ["0", "1"],
    "fixation_outside": ["error", "drop", "clip"],
    "fixation_rounding": ["floor", "nearest"],
}
CHOICES = {
    "resize": RESIZES,
    "scale": ["unit", "raw"],
    "color": ["error", "luma", "mean", "first"],
    "empty_gt": ["error", "skip", "uniform", "zero", "nan"],
    "empty_pred": ["error", "keep", "uniform", "nan"],
    "base": ["e", "2", "10"],
    "reduction": ["slices", "sum", "mean", "batchmean"],
    "maps": ["mean", "pixels", "fixations", "groups"],
    "dtype": ["float64", "float32"],
}
LABELLING = {
    "class_weights": st.lists(st.floats(0, 1e300), min_size=1, max_size=4).map(lambda some: ",".join(map(repr, some))),
    "label_smoothing": st.floats(0, 1).map(repr),
    "ignore_index": st.integers(-300, 300).map(str),
}


def chosen(**choices: st.SearchStrategy[str]) -> st.SearchStrategy[dict[str, str]]:
    """Texts of which any may be left out."""
    return st.fixed_dictionaries({}, optional=choices)


CHOSEN = {key: st.sampled_from(values) for key, values in CHOICES.items()}
OF_DENSITIES = st.tuples(
    st.fixed_dictionaries({"metric": st.lists(METRIC_CALLS, min_size=1, max_size=3, unique=True).map(",".join)}),
    chosen(pred_norm=LIKELY_CHAINS, gt_norm=LIKELY_CHAINS),
    chosen(**CHOSEN),
    chosen(**{key: st.sampled_from(values) for key, values in BESIDE.items()}),
).map(lambda parts: {key: text for part in parts for key, text in part.items()})
OF_LABELS = st.tuples(
    st.fixed_dictionaries(
        {
            "metric": st.lists(st.sampled_from(sorted(label_metrics())), min_size=1, max_size=3, unique=True).map(
                ",".join
            ),
            "norm": st.sampled_from(["softmax", "log-prob", "clip(min=0)+sum-to-one"]),
            "axis": st.sampled_from(["-1", "0", "2"]),
            "gt_norm": st.just("labels"),
        }
    ),
    chosen(**LABELLING),
    chosen(scale=CHOSEN["scale"], color=CHOSEN["color"], dtype=CHOSEN["dtype"], maps=CHOSEN["maps"]),
).map(lambda parts: {key: text for part in parts for key, text in part.items()})
TEXTS = OF_DENSITIES | OF_LABELS

DEFAULT = (
    "kld(log_eps=2.2204e-16,ratio_eps=2.2204e-16),ce(ratio_eps=2.2204e-16)|pred:sum-to-one|gt:sum-to-one|scale:unit|"
    "resize:none|color:error|empty:error|base:e|reduce:slices|maps:mean|dtype:float64|v:1"
)


def test_every_argument_of_every_step_and_metric_is_drawn() -> None:
    held = {name: list(ARGUMENTS.get(name, {})) for name in (*steps(), *metrics())}
    known = {name: list(step_parameters(name)) for name in steps()} | {
        name: list(parameters(name)) for name in metrics()
    }
    assert held == known


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(texts=TEXTS)
def test_a_signature_reads_back_as_the_settings(texts: dict[str, str]) -> None:
    try:
        found = settings_of(texts)
    except UsageProblem:
        reject()
    text = signature_of(found)
    assert read_signature(text) == found
    for key, own in signatures_of(found).items():
        assert list(signatures_of(read_signature(own)).values()) == [own], key


def test_the_signature_of_the_default() -> None:
    assert signature_of(settings_of({})) == DEFAULT
    assert read_signature(DEFAULT) == settings_of({})


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
    assert signature_of(settings_of(texts)) == (
        "kld(ratio_eps=1e-07,factor=10),jsd|pred:minmax(offset=1e-07)+sum-to-one|gt:blur(sigma=19)+sum-to-one|"
        "scale:raw|resize:both(size=256x192,kernel=area)|color:luma|empty:gt=zero,pred=keep|base:2|reduce:batchmean|"
        "maps:mean|dtype:float32|v:1"
    )


def test_a_bare_metric_in_a_signature_has_no_constants() -> None:
    """The default constants would be another number than the one the signature stands beside."""
    bare = DEFAULT.replace("(log_eps=2.2204e-16,ratio_eps=2.2204e-16)", "")
    assert read_signature(bare).metrics[:1] == settings_of({"metric": "kld()"}).metrics


def test_each_metric_has_its_own_signature_under_its_key() -> None:
    chosen = settings_of({"metric": "kld(),ce(),kld(ratio_eps=1e-7)"})
    rest = DEFAULT.partition("|")[2]
    assert signatures_of(chosen) == {
        "kld": f"kld|{rest}",
        "ce": f"ce|{rest}",
        "kld(ratio_eps=1e-07)": f"kld(ratio_eps=1e-07)|{rest}",
    }


NEEDED = "pred, gt, scale, resize, color, empty, base, reduce, maps, dtype, v"
KNOWN = f"{NEEDED}, baseline, ..."
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


@each_of("text", REFUSED)
def test_a_part_that_is_wrong_is_named(text: str) -> None:
    with pytest.raises(UsageProblem) as caught:
        read_signature(text)
    expected, rest, _ = REFUSED[text].partition("...")
    said = str(caught.value)
    assert said[: len(expected)] == expected if rest else said == expected


class TestShortForm:
    @each_of("name", conventions())
    def test_a_convention_is_called_by_its_name(self, name: str) -> None:
        """Two rows may be the same settings; then the first of the table gives the name."""
        row = conventions()[name]
        chosen = settings_of({}, convention=row.texts)
        first = next(other for other in conventions().values() if settings_of({}, convention=other.texts) == chosen)
        assert short_of(chosen) == f"kldeval:{first.name}+v{first.version}"

    def test_the_name_covers_the_metrics_that_a_convention_does_not_define(self) -> None:
        texts = conventions()["mit"].texts
        assert short_of(settings_of({"metric": "kld,jsd"}, convention=texts)) == "kldeval:mit+v1"
        assert short_of(settings_of({"metric": "ce"}, convention=texts)) == "kldeval:mit+v1"

    @pytest.mark.parametrize("change", [{"scale": "raw"}, {"metric": "kld(ratio_eps=1)"}, {"metric": "kld,kld()"}])
    def test_another_number_loses_the_name(self, change: dict[str, str]) -> None:
        chosen = settings_of(change, convention=conventions()["mit"].texts)
        digits = sha256(signature_of(chosen).encode()).hexdigest()[:8]
        assert short_of(chosen) == f"kldeval:{digits}+v1"

    def test_the_default_has_a_name(self) -> None:
        assert short_of(settings_of({})) == "kldeval:default+v1"


def test_the_reverse_divergence_has_the_name_whose_constants_it_has() -> None:
    for metric in ("kld,jsd", "kld-reverse", "kld,kld-reverse"):
        assert short_of(settings_of({"metric": metric})) == "kldeval:default+v1"
    assert "default" not in short_of(settings_of({"metric": "kld-reverse(log_eps=1,ratio_eps=1)"}))
    for name, row in conventions().items():
        (call,) = settings_of({"metric": "kld-reverse"}, convention=row.texts).metrics
        kld = settings_of({"metric": "kld"}, convention=row.texts).metrics[0]
        assert call.keywords == {key: value for key, value in kld.keywords.items() if key.endswith("_eps")}, name
