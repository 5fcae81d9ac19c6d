"""What a published convention is: settings as a user would type them, where they come from, and what to beware of."""

from __future__ import annotations

from kldeval.dataclass import dataclass


@dataclass(frozen=True, slots=True)
class Source:
    """The file that was read, at the commit at which it was read; `doi` is that of the paper it belongs to."""

    repository: str
    path: str
    commit: str
    doi: str = ""

    @property
    def url(self) -> str:
        """The page that shows the file (of the repository, where no file is named) at that commit.

        >>> Source("cvzoya/saliency", "code_forMetrics/KLdiv.m", "5951cdc").url
        'https://github.com/cvzoya/saliency/blob/5951cdc/code_forMetrics/KLdiv.m'
        """
        home = f"https://github.com/{self.repository}"
        return f"{home}/blob/{self.commit}/{self.path}" if self.path else f"{home}/tree/{self.commit}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Convention:
    """One published way to compute KLD and CE, as the texts of the flags that reproduce it.

    In `formula` S and G are the stored prediction and ground truth, p and q their densities, N the number of pixels.
    `direction` names the target first: D(target || approximation). `edge_cases` say what all-zero and constant maps
    score, `traps` where a number printed under this name may not be what it seems; both are whole sentences.
    `version` is that of the definition, which its short signature names; `moved` says what a higher one has changed.
    `companions` are further metrics as the same source has them, where they are named beside the convention.
    `further` are files that hold a part of the steps beside those in `source`.
    `sure` tells how the row was checked: V, the original ran beside an independent implementation and agreed; R, its
    source was read in full; D, its documentation alone was. `year` is that of the entry in `bibtex`.
    """

    name: str
    pred: str
    gt: str
    metrics: tuple[str, str]
    auxiliary_metrics: tuple[str, ...] = ()
    scale: str = "unit"
    resize: str = "none"
    empty_gt: str = "error"
    empty_pred: str = "error"
    base: str = "e"
    reduction: str = "slices"
    dtype: str = "float64"
    source: Source
    further: tuple[Source, ...] = ()
    year: int
    formula: str
    direction: str = "D(gt || pred)"
    epsilon: str
    note: str
    edge_cases: tuple[str, ...]
    traps: tuple[str, ...]
    sure: str
    aliases: tuple[str, ...] = ()
    version: int = 1
    moved: str = ""
    bibtex: str

    @property
    def metric(self) -> str:
        """The metrics that are computed where none is named."""
        return ",".join(self.metrics)

    @property
    def texts(self) -> dict[str, str]:
        """Every setting by the name of its option, as a user would type it."""
        return {
            "pred_norm": self.pred,
            "gt_norm": self.gt,
            "metric": ",".join((*self.metrics, *self.auxiliary_metrics)),
            "scale": self.scale,
            "resize": self.resize,
            "empty_gt": self.empty_gt,
            "empty_pred": self.empty_pred,
            "base": self.base,
            "reduction": self.reduction,
            "dtype": self.dtype,
        }

    @property
    def flags(self) -> tuple[tuple[str, str], ...]:
        """The flags that the name stands for, each with its value.

        A metric without constants has parentheses: bare it would get the constants of the default.
        """
        metrics = ",".join(text if "(" in text else f"{text}()" for text in self.metrics)
        return tuple((f"--{key.replace('_', '-')}", text) for key, text in {**self.texts, "metric": metrics}.items())
