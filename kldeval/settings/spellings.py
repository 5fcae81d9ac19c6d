"""The field's spellings of metrics: `KLD`, `KL-Div`, `AUC-J`, `auc_judd` and `s-AUC` name what kldeval calls otherwise.

Case, hyphens and underscores do not matter. Names of losses in other frameworks are no spellings, because they mean
other inputs: they are answered with what to type instead.
"""

from __future__ import annotations

from importlib import import_module

from kldeval.errors import UnknownName
from kldeval.grammar import split_top_level
from kldeval.metrics.registry import LABEL_METRICS, METRICS

SPELLINGS = {
    "kl": "kld",
    "kldiv": "kld",
    "kldivergence": "kld",
    "kullbackleibler": "kld",
    "crossentropy": "ce",
    "jsdivergence": "jsd",
    "jensenshannondivergence": "jsd",
    "totalvariation": "tv",
    "binarycrossentropy": "bce",
    "pcc": "cc",
    "pearson": "cc",
    "lcc": "cc",
    "similarity": "sim",
    "earthmover": "emd",
    "aucj": "auc-judd",
    "aucb": "auc-borji",
    "aucs": "auc-shuffled",
    "shuffledauc": "sauc",
    "infogain": "ig",
    "informationgain": "ig",
    "loglikelihood": "ll",
    "negativeloglikelihood": "nll",
    "brierscore": "brier",
}
"""Metrics by other names, without hyphens and in small letters."""

FRAMEWORKS = {
    "kldivloss": (
        "torch's KLDivLoss is kld of log-probabilities: --pred-norm log-prob -m kld --reduction batchmean; of scores "
        "name a softmax instead, --norm flatten-softmax, and of classes --norm softmax --axis 0"
    ),
    "nllloss": "torch's NLLLoss is nll on labels: --norm log-prob --axis 0 -m nll; of scores --norm softmax --axis 0",
    "crossentropyloss": "torch's CrossEntropyLoss is ce on labels: --norm softmax --axis 0 -m ce",
    "bceloss": "torch's BCELoss is bce of probabilities: -m bce",
    "bcewithlogitsloss": "torch's BCEWithLogitsLoss is bce of logits: --norm sigmoid -m bce",
    "logsigmoid": "LogSigmoid is a step and no metric: --norm log-sigmoid, and kldeval.log_sigmoid in Python",
    "logsoftmax": "LogSoftmax is a step and no metric: --norm flatten-softmax or --norm softmax, which keep logarithms",
    "softmax": "softmax is a step and no metric: --norm flatten-softmax or --norm softmax",
}
"""What to type for the losses and functions of frameworks, by their names in small letters."""


def canonical_metrics(text: str) -> str:
    """A list of metrics with every name in kldeval's spelling; what is unknown stays as it is.

    >>> canonical_metrics("KLD(ratio_eps=1e-7),AUC_Judd, s-AUC,kl_div")
    'kld(ratio_eps=1e-7),auc-judd,sauc,kld'

    Raises:
        UnknownName: a name is that of a framework's loss; the message says what to type.
    """
    return ",".join(_canonical(part) for part in split_top_level(text, ","))


def _canonical(part: str) -> str:
    name, bracket, rest = part.partition("(")
    name = name.strip()
    if name in METRICS:
        return part.strip()
    import_module("kldeval.metrics.classification")  # which registers the metrics of labels
    if name in LABEL_METRICS:
        return part.strip()
    bare = plain(name)
    if bare in FRAMEWORKS:
        msg = f"unknown metric {name!r}: {FRAMEWORKS[bare]} (docs/labels.md)"
        raise UnknownName(msg)
    known = {plain(known): known for known in (*METRICS, *LABEL_METRICS)}
    return f"{known.get(bare) or SPELLINGS.get(bare, name)}{bracket}{rest}"


def plain(name: str) -> str:
    """A name in small letters, without hyphens, underscores and spaces."""
    return name.lower().replace("-", "").replace("_", "").replace(" ", "")
