"""Conventions of training losses: what model repositories minimise, and often report as validation KLD."""

from __future__ import annotations

from kldeval.conventions import bibliography
from kldeval.conventions.convention import Convention, Source

HD2S = Convention(
    name="hd2s",
    pred="sum-to-one",
    gt="sum-to-one",
    metrics=(
        "kld(log_eps=2.220446049250313e-16,ratio_eps=2.220446049250313e-16)",
        "ce(ratio_eps=2.220446049250313e-16)",
    ),
    empty_gt="nan",
    empty_pred="nan",
    source=Source(
        "perceivelab/hd2s",
        "loss.py",
        "3289dc168e350c312b7119e1b17ef10cde4911b8",
        doi="10.1007/s11263-021-01519-y",
    ),
    year=2021,
    formula="sum q ln(e + q/(p + e)), p = S/sum S, q = G/sum G, e = 2^-52",
    epsilon="2^-52 in the logarithm and under the quotient",
    note="`mit` without its guards and its resizing; the original uses float32, this row float64.",
    edge_cases=(
        "An all-zero prediction or ground truth is divided by its sum, 0, and scores NaN.",
        "Constant maps are uniform densities.",
    ),
    traps=(
        (
            "TASED-Net, from which it was forked, divides by the sum over the whole batch; the two agree for a batch "
            "of one."
        ),
        "HD2S's published numbers come from DHF1K's MATLAB code on 50,000 random frames.",
        "Training resizes the 8-bit ground truth to 192x128 with OpenCV's bicubic kernel.",
    ),
    sure="V",
    aliases=("tased-net-loss",),
    bibtex=bibliography.BELLITTO_2021,
)

EML_NET = Convention(
    name="eml-net",
    pred="sum-to-one",
    gt="sum-to-one",
    metrics=("kld(log_eps=1e-06,ratio_eps=1e-06)", "ce(ratio_eps=1e-06)"),
    empty_gt="nan",
    empty_pred="nan",
    source=Source(
        "SenJia/EML-NET-Saliency",
        "EMLLoss.py",
        "75233b2cd3c048768409f2774d322a073e15480b",
        doi="10.1016/j.imavis.2020.103887",
    ),
    year=2020,
    formula="sum q ln(e + q/(p + e)), p = S/sum S, q = G/sum G, e = 1e-6",
    epsilon="1e-6 in the logarithm and under the quotient",
    note="The loss of EML-NET; the original uses float32, this row float64.",
    edge_cases=(
        "An all-zero prediction or ground truth is divided by its sum, 0, and scores NaN.",
        "A map against itself scores below 0 (-0.108 on a typical 480x640 map).",
    ),
    traps=("1e-6 is comparable to 1/N: on a 480x640 map it lowers the number by tens of percent.",),
    sure="V",
    bibtex=bibliography.JIA_2020,
)

SAM = Convention(
    name="sam",
    pred="max+sum-to-one(offset=1e-07)",
    gt="sum-to-one(offset=1e-07)",
    metrics=("kld(log_eps=1e-07,ratio_eps=1e-07,factor=10)", "ce(ratio_eps=1e-07)"),
    empty_gt="zero",
    empty_pred="nan",
    source=Source(
        "marcellacornia/sam",
        "models.py",
        "38f44a66b31a4e21bd77b20cc7fdeec7d568fb89",
        doi="10.1109/TIP.2018.2851672",
    ),
    year=2018,
    formula="10 sum q ln(e + q/(p + e)), p = M/(sum M + e), M = S/max S, q = G/(sum G + e), e = 1e-7",
    epsilon="1e-7 in the logarithm, under the quotient and in both sums",
    note="The KL term of SAM's loss, with its factor 10; the original uses float32, this row float64.",
    edge_cases=(
        "An all-zero ground truth scores 0, a perfect score.",
        "An all-zero prediction is divided by its maximum, 0, and scores NaN, also where both are all zero.",
    ),
    traps=(
        "The factor 10 is inside the function, so a number called KL is ten times the divergence.",
        "The constant is comparable to 1/N: a map against itself scores below 0 (-0.136 on a typical 480x640 map).",
        "SAM letterboxes the ground truth to 640x480; the padding belongs to the map.",
    ),
    sure="V",
    bibtex=bibliography.CORNIA_2018,
)

MSI_NET = Convention(
    name="msi-net",
    pred="minmax(offset=1e-07)+sum-to-one(offset=1e-07)",
    gt="sum-to-one(offset=1e-07)",
    metrics=("kld(log_eps=1e-07,ratio_eps=1e-07)", "ce(ratio_eps=1e-07)"),
    scale="raw",
    empty_gt="zero",
    empty_pred="keep",
    source=Source(
        "alexanderkroner/saliency",
        "loss.py",
        "bd81e5825cf0548dc5bc7464bda1a4b035be2f4c",
        doi="10.1016/j.neunet.2020.05.004",
    ),
    further=(Source("alexanderkroner/saliency", "model.py", "0def55e8f61b36dd50dddd68f41682cefd7e49cc"),),
    year=2020,
    formula=(
        "sum q ln(e + q/(p + e)), p = M/(sum M + e), M = (S - min S)/(max S - min S + e), q = G/(sum G + e), e = 1e-7"
    ),
    epsilon="1e-7 in the logarithm, under the quotient, in both sums and in the range",
    note="The loss of MSI-Net on the stored 0..255 maps; the original uses float32, this row float64.",
    edge_cases=(
        "An all-zero ground truth scores 0, a perfect score.",
        "A constant prediction, zero or not, becomes all zero and scores sum q ln(e + q/e), about 5 nats.",
        "Where both are all zero the score is 0.",
    ),
    traps=(
        "MSI-Net's author says that the published numbers come from the MATLAB code (`mit`), not from this loss.",
        "The original resizes to the network's size keeping the aspect, and the zero padding belongs to the map.",
        "The constant is comparable to 1/N: a map against itself scores below 0.",
    ),
    sure="R",
    aliases=("msinet",),
    bibtex=bibliography.KRONER_2020,
)

TWOS_LOSS = Convention(
    name="twos-loss",
    pred="sum-to-one(offset=2.2204e-16)",
    gt="sum-to-one(offset=2.2204e-16)",
    metrics=("kld(log_eps=2.2204e-16,ratio_eps=2.2204e-16,factor=10)", "ce(ratio_eps=2.2204e-16)"),
    empty_gt="zero",
    empty_pred="keep",
    source=Source(
        "zhangkao/IIP_TwoS_Saliency",
        "zk_loss.py",
        "aa646b1889c9135dc93bb8483eab595993ed527e",
    ),
    year=2018,
    formula="10 sum q ln(e + q/(p + e)), p = S/(sum S + e), q = G/(sum G + e), e = 2.2204e-16",
    epsilon="2.2204e-16 in the logarithm, under the quotient and in both sums",
    note="The KL term of the two-stream network's loss, with its weight 10; float32 there, float64 here.",
    edge_cases=(
        "An all-zero ground truth scores 0, a perfect score.",
        "An all-zero prediction stays zero and scores 10 sum q ln(e + q/e), about 250.",
        "Where both are all zero the score is 0.",
    ),
    traps=(
        "The weight 10 makes the number ten times the divergence.",
        "For videos the original also takes the mean over the frames of a clip.",
        "The repository's metric is another function: `twos`, an alias of `mit-python`.",
    ),
    sure="R",
    bibtex=bibliography.ZHANG_2018,
)

GAZEGAN = Convention(
    name="gazegan",
    pred="minmax(offset=1e-08)+sum-to-one(offset=1e-08)",
    gt="minmax(offset=1e-08)+sum-to-one(offset=1e-08)",
    metrics=("kld(log_eps=1e-08,ratio_eps=1e-08)", "ce(ratio_eps=1e-08)"),
    empty_gt="zero",
    empty_pred="keep",
    source=Source(
        "CZHQuality/Sal-CFS-GAN",
        "GazeGAN_LocalGlobal_Pytorch/models/networks.py",
        "8ae0fb77efff503190bcc8b6333c1d21ea1bfbce",
        doi="10.1109/TIP.2019.2945857",
    ),
    year=2020,
    formula=(
        "sum q ln(e + q/(p + e)), p = M/(sum M + e), M = (S - min S)/(max S - min S + e), q likewise from G, e = 1e-8"
    ),
    epsilon="1e-8 in the logarithm, under the quotient, in both sums and in both ranges",
    note="The KL term of GazeGAN's loss, for one map; the original uses float32, this row float64.",
    edge_cases=(
        "A constant ground truth, zero or not, becomes all zero and scores 0, a perfect score.",
        "A constant prediction, zero or not, becomes all zero and scores sum q ln(e + q/e), about 7 nats.",
    ),
    traps=(
        "The original flattens the whole batch into one map; the two agree for a batch of one.",
        "The ground truth is min-max scaled, too, so its smallest value counts as nothing.",
        "GazeGAN weighs the term by 10.",
    ),
    sure="V",
    aliases=("sal-cfs-gan", "vqsal-loss"),
    bibtex=bibliography.CHE_2020,
)

_ACLNET_PYTORCH = Source("Nablax/ACLnet-Pytorch", "models_pt.py", "9902e1d1605c9e9010ac73a5f48d36bffb453f3f")

ACLNET_PYTORCH = Convention(
    name="aclnet-pytorch",
    pred="sum-to-one",
    gt="sum-to-one",
    metrics=("kld(num_eps=1e-07,ratio_eps=1e-07)", "ce(ratio_eps=1e-07)"),
    empty_gt="zero",
    empty_pred="keep",
    source=_ACLNET_PYTORCH,
    year=2020,
    formula="sum q ln((q + e)/(p + e)), p = S/sum S, q = G/sum G, e = 1e-7",
    epsilon="1e-7 above and under the quotient",
    note="The torch port of ACLNet's loss, without its weight 10; the original uses float32, this row float64.",
    edge_cases=(
        "An all-zero ground truth scores 0, a perfect score.",
        "An all-zero prediction stays zero and scores sum q ln((q + e)/e).",
        "Where both are all zero the score is 0.",
    ),
    traps=(
        "The original sums over the batch, and the loss multiplies by 10.",
        (
            "It normalises with F.normalize(p=1), whose float32 sum over 307,200 pixels was off by 4e-4; the number "
            "by 2e-4."
        ),
    ),
    sure="V",
    bibtex=bibliography.software(_ACLNET_PYTORCH, key="nablaxaclnet", year=2020),
)

ACLNET = Convention(
    name="aclnet",
    pred="max+sum-to-one(offset=1e-07)",
    gt="blank(below=0.1)+sum-to-one(offset=1e-07)",
    metrics=("kld(log_eps=1e-07,ratio_eps=1e-07,factor=10)", "ce(ratio_eps=1e-07)"),
    empty_gt="zero",
    empty_pred="nan",
    source=Source("wenguanwang/DHF1K", "", "35570c7c01128f1acb4de161965e7a260cfc162f"),
    year=2018,
    formula=(
        "10 sum q ln(e + q/(p + e)), p = M/(sum M + e), M = S/max S, q = G/(sum G + e), 0 if max G <= 0.1, e = 1e-7"
    ),
    epsilon="1e-7 in the logarithm, under the quotient and in both sums",
    note="ACLNet's Keras loss as public copies have it (the official code is not public); float32 there, float64 here.",
    edge_cases=(
        "A ground truth whose maximum is at most 0.1 scores 0, a perfect score.",
        "An all-zero prediction is divided by its maximum, 0, and scores NaN, also where both are all zero.",
    ),
    traps=(
        "The factor 10 is inside the function, so a number called KL is ten times the divergence.",
        "The copies sum over all frames of a batch; the row is one frame.",
        "The threshold 0.1 acts on maps in 0..1; on 0..255 it would drop nothing but black frames.",
    ),
    sure="R",
    bibtex=bibliography.WANG_2018,
)
