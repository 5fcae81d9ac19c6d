"""Conventions of libraries, as people call them on maps of height and width."""

from __future__ import annotations

from kldeval.conventions import bibliography
from kldeval.conventions.convention import Convention, Source

_SCIPY = Source(
    "scipy/scipy",
    "scipy/stats/_entropy.py",
    "3dbf660a919b1479cdf30d533176053b428d08d3",
    doi="10.1038/s41592-019-0686-2",
)

EXACT = Convention(
    name="exact",
    pred="sum-to-one",
    gt="sum-to-one",
    metrics=("kld", "ce"),
    source=_SCIPY,
    year=1951,
    formula="sum q ln(q/p), p = S/sum S, q = G/sum G",
    epsilon="none",
    note="The definition, in float64: scipy.stats.entropy of the flattened maps.",
    edge_cases=(
        "An all-zero map is refused: it has no density.",
        "One pixel with ground-truth mass where the prediction is 0 makes the score inf.",
        "A map against itself scores exactly 0.",
    ),
    traps=("On 8-bit maps inf is common, because faint values are stored as 0; most other rows exist to avoid it.",),
    sure="V",
    bibtex=bibliography.KULLBACK_1951,
)

KERAS = Convention(
    name="keras",
    pred="clip(min=1e-07,max=1)",
    gt="clip(min=1e-07,max=1)",
    metrics=("kld", "ce"),
    reduction="batchmean",
    source=Source("keras-team/keras", "keras/src/losses/losses.py", "3422977a5e38fb2f7709aaa9a08e47f0c43d0f60"),
    year=2015,
    formula="(1/H) sum q ln(q/p), p = S clipped to 1e-7..1, q = G clipped likewise",
    epsilon="1e-7, the least value of either map",
    note="Keras's KLDivergence on raw maps: nothing is normalised; float32 by default there, float64 here.",
    edge_cases=(
        "An all-zero map becomes 1e-7 everywhere.",
        "Where both are all zero the score is 0.",
        "The score is never inf, and often negative.",
    ),
    traps=(
        "Neither map is normalised, so the number is no divergence: it can be -9, and a brighter prediction lowers it.",
        "The sum is over the last axis and the mean over the others, so an unbatched map is divided by its height.",
        "Values above 1 are clipped: 8-bit maps fed as 0..255 become nearly binary.",
    ),
    sure="V",
    aliases=("tensorflow", "tf-keras"),
    bibtex=bibliography.CHOLLET_2015,
)

TORCHMETRICS = Convention(
    name="torchmetrics",
    pred="sum-to-one(axis=-1)",
    gt="sum-to-one(axis=-1)",
    metrics=("kld", "ce"),
    source=Source(
        "Lightning-AI/torchmetrics",
        "src/torchmetrics/functional/regression/kl_divergence.py",
        "dab033394560ab3ce05e3d14c13f32e4cde6b351",
        doi="10.21105/joss.04101",
    ),
    year=2022,
    formula="mean over rows of sum q ln(q/p), p = S/sum S, q = G/sum G, each within its row",
    epsilon="none",
    note=(
        "torchmetrics' kl_divergence(gt, pred) on (H, W): every row is a distribution; in the maps' own precision "
        "there."
    ),
    edge_cases=(
        "A map with an all-zero row is refused: the row has no density, and the original returns NaN.",
        "A row with ground-truth mass where the prediction is 0 makes the score inf.",
    ),
    traps=(
        "The arguments are (data, approximation), the opposite of torch's KLDivLoss; swapped, the direction reverses.",
        "For the divergence of the whole map the original must be given maps of shape (1, H*W): that is `exact`.",
    ),
    sure="V",
    bibtex=bibliography.DETLEFSEN_2022,
)

SCIPY = Convention(
    name="scipy",
    pred="sum-to-one(axis=0)",
    gt="sum-to-one(axis=0)",
    metrics=("kld", "ce"),
    source=_SCIPY,
    year=2020,
    formula="mean over columns of sum q ln(q/p), p = S/sum S, q = G/sum G, each within its column",
    epsilon="none",
    note="scipy.stats.entropy(gt, pred) on (H, W), averaged: every column is a distribution; in float64.",
    edge_cases=(
        "A map with an all-zero column is refused: the column has no density, and the original returns NaN.",
        "A column with ground-truth mass where the prediction is 0 makes the score inf.",
    ),
    traps=(
        "The axis is 0 by default and the maps are not flattened; flattened first it is `exact`.",
        "The first argument is the target: entropy(pred, gt) is the reversed direction.",
        "rel_entr and kl_div of scipy.special do not normalise.",
    ),
    sure="V",
    bibtex=bibliography.VIRTANEN_2020,
)
