"""Conventions of neighbouring fields: driving, 360-degree video, affordance grounding."""

from __future__ import annotations

from kldeval.conventions import bibliography
from kldeval.conventions.convention import Convention, Source

DREYEVE_LOSS = Convention(
    name="dreyeve-loss",
    pred="sum-to-one(offset=1e-07)",
    gt="sum-to-one(offset=1e-07)",
    metrics=("kld(log_eps=1e-07,ratio_eps=1e-07)", "ce(ratio_eps=1e-07)"),
    empty_gt="zero",
    empty_pred="keep",
    source=Source(
        "ndrplz/dreyeve",
        "experiments/train/loss_functions.py",
        "5ba32174dff8fdbb5644b1cc8ecd2752308c06ce",
        doi="10.1109/TPAMI.2018.2845370",
    ),
    year=2019,
    formula="sum q ln(e + q/(p + e)), p = S/(sum S + e), q = G/(sum G + e), e = 1e-7",
    epsilon="1e-7 in the logarithm, under the quotient and in both sums",
    note="The training loss of DR(eye)VE, not its metric; the original uses float32, this row float64.",
    edge_cases=(
        "An all-zero ground truth scores 0, a perfect score.",
        "An all-zero prediction stays zero and scores sum q ln(e + q/e), about 5 nats.",
        "Where both are all zero the score is 0.",
    ),
    traps=(
        "The constant is comparable to 1/N: a map against itself scores below 0 (-0.014 on a typical 480x640 map).",
        "DR(eye)VE's metric is another row, `dreyeve`, with 2^-23 instead of 1e-7.",
        "In OMCNN-2CLSTM this formula is commented out.",
    ),
    sure="R",
    aliases=("dada", "lotvs-dada", "omcnn-2clstm", "scafnet"),
    bibtex=bibliography.PALAZZI_2019,
)

DREYEVE = Convention(
    name="dreyeve",
    pred="sum-to-one(offset=1.1920928955078125e-07)",
    gt="sum-to-one(offset=1.1920928955078125e-07)",
    metrics=(
        "kld(log_eps=1.1920928955078125e-07,ratio_eps=1.1920928955078125e-07)",
        "ce(ratio_eps=1.1920928955078125e-07)",
    ),
    scale="raw",
    empty_gt="zero",
    empty_pred="keep",
    source=Source(
        "ndrplz/dreyeve",
        "experiments/metrics/metrics.py",
        "5ba32174dff8fdbb5644b1cc8ecd2752308c06ce",
        doi="10.1109/TPAMI.2018.2845370",
    ),
    year=2019,
    formula="sum q ln(e + q/(p + e)), p = S/(sum S + e), q = G/(sum G + e), e = 2^-23",
    epsilon="2^-23 = 1.19e-7 in the logarithm, under the quotient and in both sums",
    note="The metric of DR(eye)VE, also SCOUT's; the originals use float32, this row float64 unless told otherwise.",
    edge_cases=(
        "An all-zero ground truth scores 0, a perfect score.",
        "An all-zero prediction stays zero and scores sum q ln(e + q/e), about 5 nats.",
        "Where both are all zero the score is 0.",
    ),
    traps=(
        "The constant is comparable to 1/N: a map against itself scores below 0 (-0.016 on a typical 480x640 map).",
        "SCOUT's README disowns this formula in favour of `ram1n`'s, but its test.py runs it.",
        "SCOUT resizes the prediction, blurs it (11x11, sigma 2) and averages per video, then over videos.",
    ),
    sure="V",
    aliases=("dreyeve-metric", "scout"),
    bibtex=bibliography.PALAZZI_2019,
)

SCOUT_WEIGHTS = Convention(
    name="scout-weights",
    pred="add(value=1.1920928955078125e-07)+sum-to-one",
    gt="add(value=1.1920928955078125e-07)+sum-to-one",
    metrics=("kld", "ce"),
    scale="raw",
    empty_gt="uniform",
    empty_pred="uniform",
    source=Source(
        "ykotseruba/SCOUT",
        "dataloader.py",
        "771100cbda71b2401499933123b92bfd99faadf5",
        doi="10.1109/IV55156.2024.10588589",
    ),
    year=2024,
    formula="sum q ln(q/p), p = (S + e)/sum(S + e), q = (G + e)/sum(G + e), e = 2^-23",
    epsilon="2^-23 = 1.19e-7 added to the stored 0..255 map before normalising",
    note="How SCOUT's data loader weighs its samples; computed in the maps' own precision there, in float64 here.",
    edge_cases=(
        "An all-zero map becomes the uniform density, because the constant is added everywhere.",
        "Where both are all zero the score is 0.",
    ),
    traps=("The constant is added to the stored map, 0..255 for 8 bits: a map in 0..1 scores differently.",),
    sure="R",
    version=2,
    moved="Version 1 added the constant to maps in 0..1, where the source has 0..255; --scale unit gives its number.",
    bibtex=bibliography.KOTSERUBA_2024,
)

_RAM1N = Source("rAm1n/saliency", "metrics/metrics.py", "c6f00e5d7dfc8f93a0aa8f9c153294d2088bfd44")

RAM1N = Convention(
    name="ram1n",
    pred="add(value=1.1920928955078125e-07)+sum-to-one",
    gt="add(value=1.1920928955078125e-07)+sum-to-one",
    metrics=("kld(direction=pred-gt)", "ce"),
    scale="raw",
    empty_gt="uniform",
    empty_pred="uniform",
    source=_RAM1N,
    year=2021,
    formula="sum p ln(p/q), p = (S + e)/sum(S + e), q = (G + e)/sum(G + e), e = 2^-23",
    direction="D(pred || gt)",
    epsilon="2^-23 = 1.19e-7 added to the stored 0..255 map before normalising",
    note="A KLdiv with the arguments of scipy's entropy reversed; the original uses float32, this row float64.",
    edge_cases=(
        "An all-zero map becomes the uniform density, because the constant is added everywhere.",
        "Where both are all zero the score is 0.",
    ),
    traps=(
        "The direction is reversed: it charges for prediction on empty ground truth, not for what was missed.",
        "The constant is added to the stored map, 0..255 for 8 bits: a map in 0..1 scores differently.",
    ),
    sure="V",
    version=2,
    moved="Version 1 added the constant to maps in 0..1, where the source has 0..255; --scale unit gives its number.",
    bibtex=bibliography.software(_RAM1N, key="ram1nsaliency", year=2021),
)

SALIENCY360 = Convention(
    name="saliency360",
    pred="sum-to-one",
    gt="sum-to-one",
    metrics=(
        "kld(num_eps=2.220446049250313e-16,ratio_eps=2.220446049250313e-16,direction=mean)",
        "ce(ratio_eps=2.220446049250313e-16)",
    ),
    empty_gt="nan",
    empty_pred="nan",
    source=Source(
        "PengWenChen/Saliency360_Eval",
        "saliencyMeasures.py",
        "86893ac707bbff607044eab6a42f329843f581a5",
        doi="10.1145/3204949.3208139",
    ),
    year=2018,
    formula="(sum q ln((q + e)/(p + e)) + sum p ln((p + e)/(q + e)))/2, p = S/sum S, q = G/sum G, e = 2^-52",
    direction="mean of D(gt || pred) and D(pred || gt)",
    epsilon="2^-52 above and under the quotient",
    note="The Python evaluation of 360-degree saliency maps, in float64: the mean of both directions.",
    edge_cases=(
        "An all-zero prediction or ground truth is divided by its sum, 0, and scores NaN.",
        "Constant maps are uniform densities.",
    ),
    traps=(
        "The reported number is the mean of both directions, though the function has one.",
        (
            "By default its script multiplies the maps by the sine of the latitude and adds 2^-52 before it calls "
            "this; the row is the metric alone."
        ),
        "On maps without zeros it agrees to about 1e-10 with the mean of the exact divergences in both directions.",
    ),
    sure="V",
    aliases=("arsaliency", "vqsal"),
    bibtex=bibliography.DAVID_2018,
)

SALIENT360 = Convention(
    name="salient360",
    pred="latitude+sum-to-one",
    gt="latitude+sum-to-one",
    metrics=(
        "kld(num_eps=2.220446049250313e-16,ratio_eps=2.220446049250313e-16)",
        "ce(ratio_eps=2.220446049250313e-16)",
    ),
    empty_gt="nan",
    empty_pred="nan",
    source=Source(
        "David-Ef/salient360Toolbox",
        "Salient360Toolbox/comparison/saliencyMetrics.py",
        "aff27d9f55752452b4d8fdbac0aa0e6d8297eb48",
        doi="10.1016/j.cag.2024.103890",
    ),
    year=2024,
    formula="sum q ln((q + e)/(p + e)), p = wS/sum wS, q = wG/sum wG, w = sin(pi row/(H - 1)), e = 2^-52",
    epsilon="2^-52 above and under the quotient",
    note="The Salient360! toolbox, in float64: rows of an equirectangular map count by the sine of their latitude.",
    edge_cases=(
        "An all-zero prediction or ground truth is divided by its sum, 0, and scores NaN.",
        "The first and the last row count nothing.",
    ),
    traps=(
        (
            "The original multiplies the caller's arrays in place: a second metric on the same arrays sees the weight "
            "squared."
        ),
        (
            "Its weights have twice as many columns as rows, so the original takes maps of 2:1 only; here any shape "
            "is weighed."
        ),
        (
            "The toolbox's `compareSaliency(pred, gt)` prints D(pred || gt), and with the weights applied three times, "
            "because SIM has multiplied its arrays twice by then: --norm latitude+latitude+latitude+sum-to-one -m "
            "'kld(num_eps=2.220446049250313e-16,ratio_eps=2.220446049250313e-16,direction=pred-gt)' repeats it."
        ),
        "The toolbox's torch version differs: negative values become 2^-52, and only pixels above it count.",
    ),
    sure="V",
    aliases=("salient360-toolbox",),
    bibtex=bibliography.DAVID_2024,
)

AFFORDANCE = Convention(
    name="affordance",
    pred="minmax+sum-to-one(offset=1e-12)",
    gt="sum-to-one(offset=1e-12)",
    metrics=("kld(log_eps=1e-12,ratio_eps=1e-12)", "ce(ratio_eps=1e-12)"),
    auxiliary_metrics=("sim(of=norm)",),
    empty_gt="zero",
    empty_pred="nan",
    source=Source(
        "lhc1224/Cross-View-AG",
        "code/cvpr/utils/evaluation.py",
        "6bd56385232e74f9d6fe5eab5e42fadf390869a1",
        doi="10.1109/CVPR52688.2022.00229",
    ),
    further=(Source("lhc1224/Cross-View-AG", "code/cvpr/test.py", "9ae01ae1696adbe753758548a254505858c98953"),),
    year=2022,
    formula="sum q ln(e + q/(p + e)), p = M/(sum M + e), M = (S - min S)/(max S - min S), q = G/(sum G + e), e = 1e-12",
    epsilon="1e-12 in the logarithm, under the quotient and in both sums",
    note="Affordance grounding on AGD20K (Cross-View-AG, LOCATE and many copies); computed in float64 here.",
    edge_cases=(
        "An all-zero ground truth scores 0, a perfect score.",
        "A constant prediction, zero or not, is divided by its range, 0, and scores NaN, also where both are all zero.",
    ),
    traps=(
        "Its SIM is that of the densities, of the min-max prediction: -m kld,sim is sim(of=norm) under this name.",
        (
            "The originals resize both maps to 224x224 (OpenCV, bilinear) first; add --resize "
            "'both(size=224x224,kernel=bilinear)' to do the same."
        ),
        (
            "The prediction is min-max scaled, the ground truth is not; a prediction without a zero pixel changes its "
            "number."
        ),
    ),
    sure="V",
    aliases=("agd20k", "cross-view-ag", "locate"),
    bibtex=bibliography.LUO_2022,
)
