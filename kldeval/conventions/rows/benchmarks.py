"""Conventions of saliency benchmarks and of the ports of their code."""

from __future__ import annotations

from kldeval.conventions import bibliography
from kldeval.conventions.convention import Convention, Source

_BENCHMARK = Source(
    "matthias-k/saliency-benchmarking",
    "saliency_benchmarking/evaluation.py",
    "6d80c2dff827788a09ba289141e04708b4b52ea3",
    doi="10.1007/978-3-030-01270-0_47",
)

DEFAULT = Convention(
    name="default",
    pred="sum-to-one",
    gt="sum-to-one",
    metrics=("kld(log_eps=2.2204e-16,ratio_eps=2.2204e-16)", "ce(ratio_eps=2.2204e-16)"),
    source=_BENCHMARK,
    year=2018,
    formula="sum q ln(e + q/(p + e)), p = S/sum S, q = G/sum G, e = 2.2204e-16",
    epsilon="2.2204e-16 in the logarithm and under the quotient",
    note="What kldeval computes when nothing is said: the formula of `tuebingen`, refusing what that repairs.",
    edge_cases=(
        "An all-zero map is refused: it has no density.",
        "A map with negative values is refused, not shifted.",
        "Constant maps are uniform densities.",
    ),
    traps=(
        (
            "Where the prediction is 0 under ground-truth mass the constant decides: each decade of it moves the "
            "number by 2.303 nats per unit of that mass."
        ),
        "It agrees with `mit`, `mit-python` and `tuebingen` to 1e-6 on nearly all maps, but not on empty ones.",
    ),
    sure="V",
    bibtex=bibliography.KUEMMERER_2018,
)

MIT = Convention(
    name="mit",
    pred="sum-to-one",
    gt="sum-to-one",
    metrics=(
        "kld(log_eps=2.220446049250313e-16,ratio_eps=2.220446049250313e-16)",
        "ce(ratio_eps=2.220446049250313e-16)",
    ),
    resize="pred-to-gt(kernel=matlab-bicubic)",
    empty_gt="zero",
    empty_pred="keep",
    source=Source(
        "cvzoya/saliency",
        "code_forMetrics/KLdiv.m",
        "5951cdc7c2ba73e5951d4c36bea58e8c7d41e55d",
        doi="10.1109/TPAMI.2018.2815601",
    ),
    year=2019,
    formula="sum q ln(e + q/(p + e)), p = S/sum S, q = G/sum G, e = 2^-52",
    epsilon="2^-52 in the logarithm and under the quotient",
    note="The MATLAB code of the MIT Saliency Benchmark, in double precision, run in GNU Octave on 132 pairs.",
    edge_cases=(
        "An all-zero ground truth scores 0, a perfect score.",
        "An all-zero prediction stays zero and scores sum q ln(e + q/e), about 25 nats.",
        "Where both are all zero the score is 0.",
        "Constant maps are uniform densities.",
    ),
    traps=(
        (
            "MATLAB's eps is 2^-52; the ports' literal 2.2204e-16 moves the number by 2.07e-05 nats per unit of "
            "ground-truth mass on pixels that are 0 in the prediction."
        ),
        "Frames with an empty ground truth count as perfect and lower the mean.",
        (
            "An 8-bit prediction is resized as 8 bits, rounded and clipped; a floating-point one is not clipped, so "
            "bicubic overshoot gives the original a negative probability and no number, which is refused here."
        ),
        "The DHF1K archive holds this file, but its evaluator never calls it.",
        "LEDOV's pipeline resizes, blurs, multiplies by a centre prior and min-max scales before it calls this.",
    ),
    sure="V",
    aliases=("cvzoya", "dhf1k", "glcnet", "ledov", "salicon"),
    bibtex=bibliography.BYLINSKII_2019,
)

LEDOV_FIRST = Convention(
    name="ledov-first",
    pred="sum-to-one",
    gt="sum-to-one",
    metrics=("kld(log_eps=1e-07,ratio_eps=1e-07)", "ce(ratio_eps=1e-07)"),
    resize="pred-to-gt(kernel=matlab-bicubic)",
    empty_gt="zero",
    empty_pred="keep",
    source=Source(
        "remega/LEDOV-eye-tracking-database",
        "metrics/kl_divergence.m",
        "cd270be602c44a0e9adc7a9e25d83e7e038bba4c",
        doi="10.1007/978-3-030-01264-9_37",
    ),
    year=2018,
    formula="sum q ln(e + q/(p + e)), p = S/sum S, q = G/sum G, e = 1e-7",
    epsilon="1e-7 in the logarithm and under the quotient",
    note="The first version of LEDOV's MATLAB code, in double precision; `mit`'s formula replaced it the same day.",
    edge_cases=(
        "An all-zero ground truth scores 0, a perfect score.",
        "An all-zero prediction stays zero and scores sum q ln(e + q/e), about 5 nats.",
        "Where both are all zero the score is 0.",
    ),
    traps=(
        (
            "1e-7 is comparable to 1/N, so the number depends on the size of the map and a map against itself scores "
            "below 0."
        ),
    ),
    sure="R",
    bibtex=bibliography.JIANG_2018,
)

_TARUNSHARMA = Source(
    "tarunsharma1/saliency_metrics", "salience_metrics.py", "0394d0aef37a10d225ff545f434c6c480df11134"
)

MIT_PYTHON = Convention(
    name="mit-python",
    pred="sum-to-one",
    gt="sum-to-one",
    metrics=("kld(log_eps=2.2204e-16,ratio_eps=2.2204e-16)", "ce(ratio_eps=2.2204e-16)"),
    empty_gt="nan",
    empty_pred="nan",
    source=_TARUNSHARMA,
    year=2020,
    formula="sum q ln(e + q/(p + e)), p = S/sum S, q = G/sum G, e = 2.2204e-16",
    epsilon="2.2204e-16 in the logarithm and under the quotient",
    note="The Python port of `mit` that most code bases copied; float64 here, where its copies in torch use float32.",
    edge_cases=(
        "An all-zero prediction or ground truth is divided by its sum, 0, and scores NaN.",
        "Constant maps are uniform densities.",
    ),
    traps=(
        "The literal 2.2204e-16 is not MATLAB's 2^-52.",
        "TranSalNet's authors say that their published numbers come from the MATLAB code (`mit`), not from this loss.",
        (
            "SimpleNet, ViNet and ViNet-v2 blur the prediction (11x11, sigma 2) before scoring; the two ViNets first "
            "resize it to the ground truth, bilinearly."
        ),
        "ViNet-v2 replaces NaN by 0 and still counts the frame, which lowers the mean.",
        "The MSU benchmark letterboxes both maps to 640x360 and stops at a zero map; TwoS skips such frames.",
        "SUM and TempSAL report the mean of the means of batches, which weighs the maps of a short last batch more.",
    ),
    sure="V",
    aliases=("msu", "simplenet", "sum", "tarunsharma1", "tempsal", "transalnet", "twos", "vinet", "vinet-v2"),
    bibtex=bibliography.software(_TARUNSHARMA, key="tarunsharma1saliencymetrics", year=2020),
)

TUEBINGEN = Convention(
    name="tuebingen",
    pred="shift+sum-to-one",
    gt="shift+sum-to-one",
    metrics=("kld(log_eps=2.2204e-16,ratio_eps=2.2204e-16)", "ce(ratio_eps=2.2204e-16)"),
    scale="raw",
    empty_gt="uniform",
    empty_pred="uniform",
    source=_BENCHMARK,
    year=2018,
    formula="sum q ln(e + q/(p + e)), p = S/sum S, q = G/sum G after S - min S where min S < 0, e = 2.2204e-16",
    epsilon="2.2204e-16 in the logarithm and under the quotient",
    note="The MIT/Tuebingen benchmark's formula, pysaliency's MIT_KLDiv, in float64; a size mismatch is an error.",
    edge_cases=(
        "An all-zero map becomes the uniform density.",
        "Where both are all zero the score is 0 up to rounding.",
        "The original raises an error on an all-zero map of integers; here it is uniform, too.",
    ),
    traps=(
        (
            "The benchmark's own numbers also need its ground truth: fixation counts blurred with sigma 23.99 px "
            "(MIT300), 40 px (CAT2000) or 30 px (COCO-Freeview) with reflected borders, not an 8-bit map."
        ),
        (
            "The benchmark blurs a probabilistic submission (sigma 24, 40 or 30 px, zeros beyond the border) before "
            "scoring it."
        ),
        "A negative map is shifted by its own minimum, so logits get a number instead of an error.",
    ),
    sure="V",
    aliases=("mit-tuebingen", "pysaliency-mit", "saliency-benchmarking"),
    bibtex=bibliography.KUEMMERER_2018,
)

PYSALIENCY = Convention(
    name="pysaliency",
    pred="shift+add(value=1e-20)+sum-to-one",
    gt="shift+add(value=1e-20)+sum-to-one",
    metrics=("kld", "ce"),
    scale="raw",
    empty_gt="uniform",
    empty_pred="uniform",
    source=Source(
        "matthias-k/pysaliency",
        "pysaliency/metrics.py",
        "6a45d241a6d8121defa55834c4d2ed2a1b58d3a4",
        doi="10.1007/978-3-030-01270-0_47",
    ),
    year=2018,
    formula="sum q ln(q/p), p = (S + 1e-20)/sum(S + 1e-20), q likewise, after S - min S where min S < 0",
    epsilon="1e-20 added to the stored map before normalising",
    note="The default of pysaliency's image_based_kl_divergence, in float64; not the one its benchmark uses.",
    edge_cases=(
        "An all-zero map becomes the uniform density, because 1e-20 is added everywhere.",
        "Where both are all zero the score is 0.",
    ),
    traps=(
        (
            "1e-20 is added on the stored scale: maps in 0..1 instead of 0..255 lower the number by ln 255 = 5.54 "
            "nats per unit of ground-truth mass on pixels that are 0 in the prediction."
        ),
        "A negative map is shifted by its own minimum, so logits get a number instead of an error.",
    ),
    sure="V",
    bibtex=bibliography.KUEMMERER_2018,
)

FIXATONS = Convention(
    name="fixatons",
    pred="bytes+sum-to-one",
    gt="sum-to-one",
    metrics=("kld(log_eps=1e-12,ratio_eps=1e-12)", "ce(ratio_eps=1e-12)"),
    scale="raw",
    empty_gt="zero",
    empty_pred="keep",
    source=Source(
        "dariozanca/FixaTons",
        "FixaTons/_visual_attention_metrics.py",
        "b67242cdcada33b4d091791cc0049be7eff49bac",
    ),
    year=2018,
    formula="sum q ln(e + q/(p + e)), p = B/sum B, B = floor((S - min S)(255/(max S - min S)) + 0.5), e = 1e-12",
    epsilon="1e-12 in the logarithm and under the quotient",
    note="FixaTons' port of `mit`, in float64: it stretches every prediction to 0..255 first.",
    edge_cases=(
        "An all-zero ground truth scores 0, a perfect score.",
        "A constant prediction, zero or not, becomes all zero and scores sum q ln(e + q/e), about 16 nats.",
        "Where both are all zero the score is 0.",
    ),
    traps=(
        (
            "The prediction is byte-scaled even where the sizes agree, because scipy.misc.imresize always does it to "
            "floats."
        ),
        (
            "Where the sizes differ, the original resizes the bytes with Pillow's antialiased bilinear filter; that "
            "is refused here, since no kernel of kldeval is the same."
        ),
        "scipy.misc.imresize left SciPy in version 1.3, so the original no longer runs as it stands.",
        "The MemoonaTahira fork dropped the byte scaling: same function name, another number.",
    ),
    sure="V",
    bibtex=bibliography.ZANCA_2018,
)
