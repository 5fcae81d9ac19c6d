"""What each convention gives of maps that are all zero or constant, on either side."""

from __future__ import annotations

import math

E2, E4, E7, E12 = 2.0**-52, 2.2204e-16, 1e-7, 1e-12
E23 = 2.0**-23
PRED = [[0.2, 0.5, 0.9, 0.4], [0.1, 0.7, 0.3, 0.6], [0.8, 0.25, 0.45, 0.35]]
GT = [[0.3, 0.1, 0.8, 0.6], [0.2, 0.9, 0.4, 0.5], [0.7, 0.15, 0.55, 0.05]]
ZERO = [[0.0] * 4] * 3
CONSTANT = [[0.5] * 4] * 3
N = 12
Q = [x / sum(map(sum, GT)) for line in GT for x in line]
ENTROPY = -math.fsum(q * math.log(q) for q in Q)
UNIFORM = math.log(N) - ENTROPY
"""D(gt || uniform), which a uniform prediction scores in the exact form."""


def against_nothing(eps: float, offset: float = 0.0) -> float:
    """Sum q ln(eps + q/eps): what an all-zero prediction scores."""
    mass = sum(map(sum, GT))
    shares = [x / (mass + offset) for line in GT for x in line]
    return math.fsum(q * math.log(eps + q / eps) for q in shares)


NAN, REFUSED, FINITE = "nan", "refused", "finite"

EDGES: dict[str, tuple[float | str, ...]] = {
    # all-zero prediction, all-zero ground truth, both, constant prediction, constant ground truth
    "default": (REFUSED, REFUSED, REFUSED, UNIFORM, FINITE),
    "exact": (REFUSED, REFUSED, REFUSED, UNIFORM, FINITE),
    "mit": (against_nothing(E2), 0, 0, UNIFORM, FINITE),
    "mit-python": (NAN, NAN, NAN, UNIFORM, FINITE),
    "tuebingen": (UNIFORM, FINITE, 0, UNIFORM, FINITE),
    "pysaliency": (UNIFORM, FINITE, 0, UNIFORM, FINITE),
    "fixatons": (against_nothing(E12), 0, 0, against_nothing(E12), FINITE),
    "ledov-first": (against_nothing(E7), 0, 0, FINITE, FINITE),
    "hd2s": (NAN, NAN, NAN, UNIFORM, FINITE),
    "eml-net": (NAN, NAN, NAN, FINITE, FINITE),
    "sam": (NAN, 0, NAN, FINITE, FINITE),
    "msi-net": (against_nothing(E7, E7), 0, 0, against_nothing(E7, E7), FINITE),
    "twos-loss": (10 * against_nothing(E4, E4), 0, 0, 10 * UNIFORM, FINITE),
    "gazegan": (FINITE, 0, 0, FINITE, 0),
    "aclnet-pytorch": (math.fsum(q * math.log((q + E7) / E7) for q in Q), 0, 0, FINITE, FINITE),
    "aclnet": (NAN, 0, NAN, FINITE, FINITE),
    "dreyeve-loss": (against_nothing(E7, E7), 0, 0, FINITE, FINITE),
    "dreyeve": (against_nothing(E23, E23), 0, 0, FINITE, FINITE),
    "scout-weights": (FINITE, FINITE, 0, FINITE, FINITE),
    "ram1n": (FINITE, FINITE, 0, FINITE, FINITE),
    "saliency360": (NAN, NAN, NAN, FINITE, FINITE),
    "salient360": (NAN, NAN, NAN, FINITE, FINITE),
    "affordance": (NAN, 0, NAN, NAN, FINITE),
    "unisal": (UNIFORM, FINITE, 0, UNIFORM, FINITE),
    "salfbnet": (FINITE, FINITE, 0, FINITE, FINITE),
    "flatten-softmax": (FINITE, FINITE, 0, FINITE, FINITE),
    "row-softmax": (FINITE, FINITE, 0, FINITE, FINITE),
    "keras": (FINITE, FINITE, 0, FINITE, FINITE),
    "torch-sum": (FINITE, FINITE, 0, FINITE, FINITE),
    "torch-mean": (FINITE, FINITE, 0, FINITE, FINITE),
    "torch-batchmean": (FINITE, FINITE, 0, FINITE, FINITE),
    "torchmetrics": (REFUSED, REFUSED, REFUSED, FINITE, FINITE),
    "scipy": (REFUSED, REFUSED, REFUSED, FINITE, FINITE),
}
EDGE_MAPS = {
    "zero prediction": (ZERO, GT),
    "zero ground truth": (PRED, ZERO),
    "both zero": (ZERO, ZERO),
    "constant prediction": (CONSTANT, GT),
    "constant ground truth": (PRED, CONSTANT),
}
