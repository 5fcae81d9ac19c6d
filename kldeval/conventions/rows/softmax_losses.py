"""Conventions that take the maps for logits: a softmax over the whole map or within its rows."""

from __future__ import annotations

from kldeval.conventions import bibliography
from kldeval.conventions.convention import Convention, Source

_TORCH = Source("pytorch/pytorch", "aten/src/ATen/native/Loss.cpp", "008af87c5f0d6652418bf0d884e63a3a06682e1d")

UNISAL = Convention(
    name="unisal",
    pred="flatten-softmax",
    gt="shift+sum-to-one",
    metrics=("kld", "ce"),
    resize="pred-to-gt",
    empty_gt="uniform",
    source=Source("rdroste/unisal", "unisal/utils.py", "0440df77f6fb4c93bb6f5ba1aa8cf543061ffc56"),
    year=2020,
    formula="sum q ln(q/p), p = softmax of S over the whole map, q = G/sum G after G - min G where min G < 0",
    epsilon="none",
    note="UNISAL: the prediction is logits, resized before the softmax; the original uses float32, this row float64.",
    edge_cases=(
        "An all-zero ground truth becomes the uniform density.",
        "A constant prediction, zero or not, is the uniform density.",
    ),
    traps=(
        "An 8-bit prediction is no logit: the softmax of values in 0..1 is nearly uniform, whatever the model.",
        (
            "The original resizes by nearest neighbour and smooths before the last, bilinear step, which alone is "
            "done here."
        ),
        "The paper averages over frames; the code prints the mean over videos, too.",
    ),
    sure="V",
    bibtex=bibliography.DROSTE_2020,
)

SALFBNET = Convention(
    name="salfbnet",
    pred="flatten-softmax",
    gt="flatten-softmax",
    metrics=("kld", "ce"),
    resize="pred-to-gt",
    source=Source("gqding/SalFBNet", "loss_utils.py", "67880ffdb6356f67b53862786da2fa8571cd9c8d"),
    year=2022,
    formula="sum q ln(q/p), p = softmax of S, q = softmax of G, each over the whole map",
    epsilon="none",
    note=(
        "What SalFBNet calls its real KLD: both maps go through a softmax; the original uses float32, this row float64."
    ),
    edge_cases=("A constant map, zero or not, is the uniform density; nothing is ever NaN.",),
    traps=(
        (
            "The softmax of a 0..1 ground truth is nearly uniform: the number cannot exceed 0.4745 nats, and is about "
            "0.005 for a pair whose divergence is 0.27."
        ),
        "The original adds noise of 1e-7 to the prediction first, which this row leaves out.",
        "Its float32 softmax is off by 5e-4 on a 480x640 map.",
    ),
    sure="V",
    bibtex=bibliography.DING_2022,
)

FLATTEN_SOFTMAX = Convention(
    name="flatten-softmax",
    pred="flatten-softmax",
    gt="flatten-softmax",
    metrics=("kld", "ce"),
    source=_TORCH,
    year=2019,
    formula="sum q ln(q/p), p = softmax of S, q = softmax of G, each over the whole map",
    epsilon="none",
    note="Both maps as logits, one softmax over all pixels, in float64: F.kl_div of flattened maps, summed.",
    edge_cases=("A constant map, zero or not, is the uniform density; nothing is ever NaN.",),
    traps=(
        "For two maps in 0..1 the number cannot exceed 0.4745 nats, and is a few thousandths for any usual pair.",
        "Maps in 0..255 give a number thousands of times larger: the scale is part of the formula.",
    ),
    sure="V",
    bibtex=bibliography.PASZKE_2019,
)

ROW_SOFTMAX = Convention(
    name="row-softmax",
    pred="softmax",
    gt="softmax",
    metrics=("kld", "ce"),
    source=Source("pytorch/ignite", "ignite/metrics/kl_divergence.py", "de08e799cfb55a6cf4aa778575d6bad725385453"),
    year=2020,
    formula="mean over rows of sum q ln(q/p), p = softmax of S, q = softmax of G, each within its row",
    epsilon="none",
    note=(
        "What tf.nn.softmax and ignite's KLDivergence make of a map: every row is a distribution; ignite sums in "
        "float32."
    ),
    edge_cases=("A constant row, zero or not, is uniform; nothing is ever NaN.",),
    traps=(
        "It is blind to vertical position: a map bright above and one bright below score 0.",
        "The axis was rarely meant: tf.nn.softmax and ignite take the last and the second axis, whatever those are.",
        "ignite applies the softmax to probabilities, too.",
    ),
    sure="V",
    aliases=("ignite", "tf-softmax"),
    bibtex=bibliography.FOMIN_2020,
)

TORCH_SUM = Convention(
    name="torch-sum",
    pred="flatten-softmax",
    gt="flatten-softmax",
    metrics=("kld", "ce"),
    reduction="sum",
    source=_TORCH,
    year=2019,
    formula="sum q ln(q/p), p = softmax of S, q = softmax of G, each over the whole map",
    epsilon="none",
    note="F.kl_div(log_softmax(S), softmax(G), reduction='sum') of one map, in float64.",
    edge_cases=("A constant map, zero or not, is the uniform density; nothing is ever NaN.",),
    traps=(
        (
            "kl_div wants log-probabilities first: fed probabilities it gives about minus the entropy, -11 for a "
            "480x640 map."
        ),
        "Summed over a batch it grows with the batch.",
    ),
    sure="V",
    bibtex=bibliography.PASZKE_2019,
)

TORCH_MEAN = Convention(
    name="torch-mean",
    pred="flatten-softmax",
    gt="flatten-softmax",
    metrics=("kld", "ce"),
    reduction="mean",
    source=_TORCH,
    year=2019,
    formula="(1/N) sum q ln(q/p), p = softmax of S, q = softmax of G, each over the whole map",
    epsilon="none",
    note="F.kl_div(log_softmax(S), softmax(G)) with its default, reduction='mean', in float64.",
    edge_cases=("A constant map, zero or not, is the uniform density; nothing is ever NaN.",),
    traps=(
        "torch's default divides by the number of pixels: the divergence of a 480x640 map is 307,200 times larger.",
        "torch itself warns that this is not the divergence.",
    ),
    sure="V",
    bibtex=bibliography.PASZKE_2019,
)

TORCH_BATCHMEAN = Convention(
    name="torch-batchmean",
    pred="flatten-softmax",
    gt="flatten-softmax",
    metrics=("kld", "ce"),
    reduction="batchmean",
    source=_TORCH,
    year=2019,
    formula="(1/H) sum q ln(q/p), p = softmax of S, q = softmax of G, each over the whole map",
    epsilon="none",
    note="F.kl_div(log_softmax(S), softmax(G), reduction='batchmean') of an unbatched (H, W) map, in float64.",
    edge_cases=("A constant map, zero or not, is the uniform density; nothing is ever NaN.",),
    traps=(
        (
            "batchmean divides by the first axis: without a batch axis that is the height, and the number is H times "
            "too small."
        ),
        "With a batch axis in front it is the mean over maps, as `torch-sum` of each.",
    ),
    sure="V",
    bibtex=bibliography.PASZKE_2019,
)
