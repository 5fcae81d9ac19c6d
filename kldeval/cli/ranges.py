"""The values that each metric may have, and that each step makes: what `kldeval metrics NAME` and `steps NAME` say."""

from __future__ import annotations

NATS = "0 to infinity, in nats"
SHARE = "0 to 1"
DIVERGENCE = "0 to infinity, in nats; constants may carry it a little below 0"

METRIC_RANGES = {
    **dict.fromkeys(("kld", "kld-reverse"), DIVERGENCE),
    "ce": "the entropy of the ground truth to infinity, in nats; of labels 0 to infinity",
    "jsd": "0 to ln 2, in nats",
    "js-distance": "0 to the root of ln 2",
    "entropy-gt": "0 to the logarithm of the number of pixels, in nats",
    **dict.fromkeys(("bce", "bernoulli-kld", "nll"), NATS),
    **dict.fromkeys(("tv", "hellinger", "sim", "schoener-d", "warren-i", "accuracy"), SHARE),
    **dict.fromkeys(("auc", "auc-borji", "auc-shuffled", "sauc", "sauc-salicon"), "0 to 1, chance 0.5"),
    "auc-judd": "0 to 1, chance 0.5; with jitter=none ties may carry it below",
    "cc": "-1 to 1",
    "nss": "any number, in standard deviations; chance 0",
    **dict.fromkeys(("ig", "ig-mit"), "any number, in bits a fixation; 0 is the baseline"),
    "ll": "any number, in the unit of --base a fixation; 0 is a uniform map",
    **dict.fromkeys(("mse", "mae"), "0 to infinity, in the units of the maps"),
    "emd": "0 to the diagonal, in cells",
    "rps": "0 to the number of classes less 1; normalised 0 to 1",
    **dict.fromkeys(("ece", "mce", "ace", "classwise-ece", "rmsce"), SHARE),
    **dict.fromkeys(("binary-ece", "binary-mce", "binary-ace", "binary-rmsce", "binary-brier"), SHARE),
    **dict.fromkeys(("rmsce-debiased", "binary-rmsce-debiased"), "0 to 1"),
    "brier": "0 to 2",
    **dict.fromkeys(("brier-reliability", "brier-resolution", "brier-uncertainty"), "0 to 2"),
    **dict.fromkeys(("binary-brier-reliability", "binary-brier-resolution", "binary-brier-uncertainty"), SHARE),
    **dict.fromkeys(("brier-within", "binary-brier-within"), "any number near 0"),
}
"""From the smallest to the largest value of each metric."""

STEP_RANGES = {
    **dict.fromkeys(("sum-to-one",), "probabilities, which sum to 1"),
    **dict.fromkeys(("flatten-softmax", "softmax", "log-prob"), "logarithms of probabilities, which sum to 1"),
    **dict.fromkeys(("minmax", "sigmoid"), SHARE),
    "log-sigmoid": "up to 0",
    "max": "up to 1",
    "bytes": "whole numbers from 0 to 255",
    "threshold": "0 and 1",
    **dict.fromkeys(("abs", "shift"), "0 and more"),
    "clip": "min to max",
}
"""What each step makes, where it is less than any number."""
