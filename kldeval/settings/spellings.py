"""The field's spellings of metrics: `KLD`, `KL-Div`, `AUC-J`, `auc_judd` and `s-AUC` name what kldeval calls otherwise.

Case, hyphens and underscores do not matter. Names of losses in other frameworks are no spellings, because they mean
other inputs: they are answered with what to type instead.
"""

from __future__ import annotations

from importlib import import_module

from kldeval.errors import UnknownName
from kldeval.grammar import bare, parse_all, split_top_level
from kldeval.metrics.registry import LABEL_METRICS, METRICS

SPELLINGS = {
    "kl": "kld",
    "kldiv": "kld",
    "kldivergence": "kld",
    "kullbackleibler": "kld",
    "kldivergencereverse": "kld-reverse",
    "reversekl": "kld-reverse",
    "reversekld": "kld-reverse",
    "crossentropy": "ce",
    "xent": "ce",
    "jsdivergence": "jsd",
    "jensenshannondivergence": "jsd",
    "totalvariation": "tv",
    "totalvariationdistance": "tv",
    "hellingerdistance": "hellinger",
    "meansquarederror": "mse",
    "meanabsoluteerror": "mae",
    "binarycrossentropy": "bce",
    "pcc": "cc",
    "correlation": "cc",
    "correlationcoefficient": "cc",
    "linearcorrelation": "cc",
    "linearcorrelationcoefficient": "cc",
    "pearson": "cc",
    "pearsoncorrelation": "cc",
    "pearsonr": "cc",
    "plcc": "cc",
    "lcc": "cc",
    "similarity": "sim",
    "similaritymetric": "sim",
    "histogramintersection": "sim",
    "normalizedscanpathsaliency": "nss",
    "normalisedscanpathsaliency": "nss",
    "earthmover": "emd",
    "earthmoverdistance": "emd",
    "earthmoversdistance": "emd",
    "aucj": "auc-judd",
    "aucb": "auc-borji",
    "aucs": "auc-shuffled",
    "shuffledauc": "sauc",
    "infogain": "ig",
    "informationgain": "ig",
    "loglikelihood": "ll",
    "negativeloglikelihood": "nll",
    "brierscore": "brier",
    "acc": "accuracy",
    "expectedcalibrationerror": "ece",
    "maximumcalibrationerror": "mce",
    "rankedprobabilityscore": "rps",
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
    return ",".join(parse_all(_canonical, split_top_level(text, ",")))


def _canonical(part: str) -> str:
    name, bracket, rest = part.partition("(")
    name = name.strip()
    if name in METRICS:
        return part.strip()
    import_module("kldeval.metrics.classification")  # which registers the metrics of labels
    if name in LABEL_METRICS:
        return part.strip()
    word = bare(name)
    if word in FRAMEWORKS:
        msg = f"unknown metric {name!r}: {FRAMEWORKS[word]} (docs/labels.md)"
        raise UnknownName(msg)
    known = {bare(known): known for known in (*METRICS, *LABEL_METRICS)}
    return f"{known.get(word) or SPELLINGS.get(word, name)}{bracket}{rest}"
