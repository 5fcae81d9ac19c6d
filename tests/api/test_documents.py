"""Documents in Python: printed, shown in a notebook, saved and read, handed to pandas, pyarrow and matplotlib."""

from __future__ import annotations

import json
import math
import pickle
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import kldeval as command

import kldeval
from kldeval import Audit, Comparison, Leaderboard, Report, evaluate
from kldeval.errors import MissingDependency, UnknownName, UsageProblem

CAREFUL, BOLD, GT = (Path("sample_data") / name for name in ("careful", "bold", "gt"))
RNG = np.random.default_rng(6)
MAPS = RNG.random((5, 8, 9))


@pytest.fixture(scope="module")
def report() -> Report:
    return evaluate(CAREFUL, GT, metric="kld,cc", jobs=1)


@pytest.fixture(scope="module")
def board() -> Leaderboard:
    return evaluate({"careful": CAREFUL, "bold": BOLD}, GT, metric="kld,cc", jobs=1)


@pytest.fixture(scope="module")
def compared(board: Leaderboard) -> Comparison:
    return kldeval.compare(board, resamples=500)


@pytest.fixture(scope="module")
def audited() -> Audit:
    return kldeval.audit({"careful": CAREFUL, "bold": BOLD}, GT, conventions="mit,sam,exact", jobs=1)


class TestText:
    def test_print_is_the_table_of_the_command_line(self, report: Report, board: Leaderboard, audited: Audit) -> None:
        assert f"{report}\n" == command(CAREFUL, GT, "-m", "kld,cc").out
        assert f"{board}\n" == command(CAREFUL, BOLD, GT, "-m", "kld,cc").out
        assert f"{audited}\n" == command("audit", CAREFUL, BOLD, GT, "--convention", "mit,sam,exact").out
        explained = kldeval.explain(CAREFUL / "street.png", GT / "street.png")
        assert f"{explained}\n" == command("explain", CAREFUL / "street.png", GT / "street.png").out

    def test_repr_is_a_few_lines(
        self, report: Report, board: Leaderboard, compared: Comparison, audited: Audit
    ) -> None:
        for document in (report, board, compared, audited):
            assert 1 <= len(repr(document).splitlines()) <= 8
            assert len(repr(document)) < 700
        assert repr(report).splitlines()[0] == "Report(5 maps, kldeval:default+v1)"

    def test_repr_of_many_maps_and_metrics_stays_short(self) -> None:
        maps = RNG.random((20, 2, 3))
        many = evaluate(maps, maps[::-1], metric="kld,ce,cc,sim,mse,mae,jsd,tv,hellinger")
        assert len(repr(many).splitlines()) == 8


class Counted(HTMLParser):
    """How many rows and columns there are, and whether every element is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.rows = self.cells = 0

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        del attrs
        self.rows += tag == "tr"
        self.cells = max(self.cells + 1 if tag in ("td", "th") else 0 if tag == "tr" else self.cells, 0)
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


class TestHtml:
    def test_it_is_a_table_with_the_signature(self, report: Report) -> None:
        html = report._repr_html_()
        assert "kld (nats) ↓" in html
        for text in (report.short, *report.signatures.values()):
            assert text in html
        parser = Counted()
        parser.feed(html)
        assert parser.open == []
        assert parser.rows == 3

    def test_it_is_never_more_than_a_screen(self) -> None:
        maps = RNG.random((12, 2, 3))
        truths = maps.copy()
        truths[:6] = 0
        models = {f"model {place}": maps**place for place in range(1, 14)}
        board = evaluate(models, truths, metric="kld,sim", on_failure="ignore", resamples=100)
        for document in (board, next(iter(board.reports.values())), board.comparison):
            html = document._repr_html_()  # type: ignore[union-attr]
            parser = Counted()
            parser.feed(html)
            assert parser.rows <= 2 * (12 + 1)
            visible = re.sub(r"<details.*?</summary>|<code>.*?</code></details>", "", html)
            assert len(re.findall(r"<div style", visible)) <= 4 * 4

    def test_names_are_escaped(self) -> None:
        html = evaluate({"<script>": MAPS, "b": MAPS}, MAPS[::-1], metric="cc")._repr_html_()
        assert "<script>" not in html
        assert "&lt;script&gt;" in html


class TestUse:
    def test_numbers_by_metric(self, report: Report) -> None:
        assert report["kld"].mean == math.fsum(report.values("kld")) / 5
        assert (list(report), "cc" in report, report.keys()) == (["kld", "cc"], True, ("kld", "cc"))
        with pytest.raises(UnknownName, match="unknown metric 'klld'; did you mean 'kld'"):
            report["klld"]
        reverse = evaluate(MAPS, MAPS[::-1], metric="kld-reverse")
        assert reverse["kld_reverse"].mean == reverse["kld-reverse"].mean
        assert reverse.values("kld_reverse").shape == (5,)

    def test_tables(self, report: Report, board: Leaderboard, compared: Comparison, audited: Audit) -> None:
        frame = report.to_pandas()
        assert frame["kld"].tolist() == report.values("kld").tolist()
        assert frame.attrs["signature"] == dict(report.signatures)
        table = report.to_arrow()
        assert table.column("cc").to_pylist() == report.values("cc").tolist()
        assert json.loads(table.schema.metadata[b"kldeval.settings.signature"]) == dict(report.signatures)
        assert board.to_pandas()["model"].tolist() == ["careful"] * 5 + ["bold"] * 5
        assert len(board.to_arrow()) == 10
        assert compared.to_pandas()["first"].tolist() == ["careful", "careful"]
        assert len(audited.to_pandas()) == 6
        assert (
            json.loads(command(CAREFUL, GT, "-m", "kld,cc", "--format", "json").out)["maps"] == report.to_dict()["maps"]
        )

    @pytest.mark.parametrize("suffix", ["json", "html", "tex", "md", "csv", "txt", "parquet"])
    def test_files(self, report: Report, board: Leaderboard, suffix: str, tmp_path: Path) -> None:
        path = tmp_path / f"x.{suffix}"
        report.save(path)
        assert path.stat().st_size > 100
        board.save(path)
        if suffix == "tex":
            assert "careful" in path.read_text(encoding="utf-8")

    def test_saved_documents_are_read(
        self, report: Report, board: Leaderboard, compared: Comparison, audited: Audit, tmp_path: Path
    ) -> None:
        path = tmp_path / "x.json"
        for document in (report, board, audited, compared):
            document.save(path)
            loaded = type(document).load(path)
            assert loaded.to_dict() == document.to_dict()
            assert str(loaded) == str(document)
            assert loaded == document or document is audited  # an audit keeps less in its file
            assert type(loaded) is type(document)
            assert pickle.loads(pickle.dumps(document)) == document  # noqa: S301 - made here
        with pytest.raises(UsageProblem, match=r"x\.json holds a comparison, not a report; kldeval\.Comparison\.load"):
            Report.load(path)

    def test_what_cannot_be_saved(self, report: Report, audited: Audit, tmp_path: Path) -> None:
        with pytest.raises(UsageProblem, match=r"the suffix \.xyz stands for no format"):
            report.save(tmp_path / "x.xyz")
        audited.save(tmp_path / "audit.json")
        assert (tmp_path / "audit.json").stat().st_size > 100

    def test_a_record_and_a_document_are_equal(self, report: Report) -> None:
        assert report == evaluate(CAREFUL, GT, metric=list(report.summaries), jobs=1)
        assert report != evaluate(BOLD, GT, metric="kld,cc", jobs=1)


def pictures(path: Path) -> list[str]:
    return re.findall(r'data:image/webp;base64,[^"]+', path.read_text())


class TestPictures:
    def test_a_page_of_files_has_those_of_the_command_line(
        self, report: Report, board: Leaderboard, tmp_path: Path
    ) -> None:
        for document, models in ((report, [CAREFUL]), (board, [CAREFUL, BOLD])):
            document.save(tmp_path / "saved.html")
            command(*models, GT, "-m", "kld,cc", "--output", tmp_path / "written.html", "-q")
            assert pictures(tmp_path / "saved.html") == pictures(tmp_path / "written.html") != []
        document.save(tmp_path / "saved.html", html_maps=0)
        assert pictures(tmp_path / "saved.html") == []

    def test_arrays_are_given_again(self, tmp_path: Path) -> None:
        path, gt = tmp_path / "page.html", MAPS[::-1]
        evaluate(MAPS, gt).save(path)
        assert pictures(path) == []
        evaluate(MAPS, gt).save(path, pred=MAPS, gt=gt, html_maps=3)
        assert len(pictures(path)) == 12
        models = {"ours": MAPS, "theirs": gt}
        evaluate(models, gt).save(path, pred=models, gt=gt, html_maps=1)
        assert len(pictures(path)) == 7

    def test_what_has_no_pictures_says_why(self, report: Report, compared: Comparison, tmp_path: Path) -> None:
        path, one = tmp_path / "page.html", evaluate(MAPS, MAPS)
        copied = pickle.loads(pickle.dumps(one))  # noqa: S301 - made here
        seen = evaluate(MAPS, MAPS, metric="kld,nss", fixations=(MAPS > 0.8).astype(np.uint8))
        given: dict[str, Any] = {"pred": MAPS, "gt": MAPS}
        for document, keywords, why in (
            (copied, given, "was read from a file or made of an iterable"),
            (one, {"stimuli": tmp_path}, "was made of arrays, and does not know its maps; give pred and gt again"),
            (one, {"pred": MAPS}, "pictures need both pred and gt"),
            (report, {"stimuli": tmp_path / "none"}, "stimuli=.* is no folder of pictures"),
            (seen, given, "fixations stood beside the maps as arrays; give paths to evaluate"),
            (compared, given, "the page of a Comparison has no pictures of maps"),
        ):
            with pytest.raises(UsageProblem, match=why):
                document.save(path, **keywords)
        with pytest.raises(UsageProblem, match=r"are for the pictures of an \.html page"):
            one.save(tmp_path / "x.json", **given)
        with pytest.raises(UnknownName, match=r"precison.*precision"):
            one.save(path, precison=3)  # type: ignore[call-arg]
        assert not path.exists()

    def test_files_that_are_gone_cost_the_pictures_alone(self, tmp_path: Path) -> None:
        np.save(tmp_path / "pred.npy", MAPS[0])
        np.save(tmp_path / "gt.npy", MAPS[1])
        report = evaluate(tmp_path / "pred.npy", tmp_path / "gt.npy", jobs=1)
        (tmp_path / "pred.npy").unlink()
        with pytest.warns(UserWarning, match="no pictures: .*pred.npy"):
            report.save(tmp_path / "page.html")
        assert pictures(tmp_path / "page.html") == []


class TestPlots:
    @pytest.fixture(autouse=True)
    def _without_a_screen(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        import matplotlib as mpl

        mpl.use("Agg")
        from matplotlib import pyplot as plt

        def refuse() -> None:
            pytest.fail("show was called")

        monkeypatch.setattr(plt, "show", refuse)
        yield
        plt.close("all")

    def test_a_report(self, report: Report) -> None:
        from matplotlib.axes import Axes

        histogram: Any = report.plot()
        assert isinstance(histogram, Axes)
        histogram = report.plot()
        assert sum(patch.get_height() for patch in histogram.patches) == 5
        assert histogram.get_xlabel() == "kld (nats)"
        assert histogram.get_title(loc="left") == "kldeval:default+v1"
        worst = report.plot("worst", "cc", worst=2)
        values = report.values("cc")
        assert [patch.get_width() for patch in worst.patches] == sorted(values)[:2]
        against = report.plot("against", "kld", other=evaluate(BOLD, GT, metric="kld,cc", jobs=1))
        assert len(against.collections[0].get_offsets()) == 5
        assert report.plot(ax=worst) is worst

    def test_several_models(self, board: Leaderboard, compared: Comparison, audited: Audit) -> None:
        assert [label.get_text() for label in board.plot("kld").get_yticklabels()] == ["careful", "bold"]
        assert len(board.plot(against=("careful", "bold")).collections[0].get_offsets()) == 5
        assert compared.plot().get_xlabel().startswith("mean difference of kld")
        assert [label.get_text() for label in audited.plot().get_yticklabels()] == list(audited.standings)

    def test_what_cannot_be_drawn(self, report: Report) -> None:
        with pytest.raises(UnknownName, match="unknown kind of plot 'pie'"):
            report.plot("pie")  # type: ignore[arg-type]
        with pytest.raises(UsageProblem, match="say other=REPORT"):
            report.plot("against")
        other = evaluate(BOLD, GT, metric="kld,cc", norm="flatten-softmax", jobs=1)
        with pytest.raises(UsageProblem, match="differ in the signature of kld"):
            report.plot("against", other=other)

    def test_a_package_that_is_missing(self, report: Report, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
        with pytest.raises(
            MissingDependency, match=r"plots need matplotlib, which is not installed: pip install 'kldeval\[plot\]'"
        ):
            report.plot()
        monkeypatch.setitem(sys.modules, "pandas", None)
        with pytest.raises(MissingDependency, match=r"pip install 'kldeval\[pandas\]'"):
            report.to_pandas()


def test_importing_the_package_pulls_in_nothing_heavy() -> None:
    code = "import kldeval; kldeval.Report; kldeval.evaluate; import sys; print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert not {"torch", "pandas", "matplotlib", "pyarrow", "rich", "torchmetrics", "click"} & set(found)
    code = "import sys; before = set(sys.modules); import kldeval; print(*set(sys.modules) - before)"
    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout.split()
    assert {name for name in found if name.startswith("kldeval")} == {"kldeval", "kldeval._version"}
    assert "numpy" not in found


def test_documents_are_equal_that_say_the_same_whoever_computed_it(tmp_path: Path) -> None:
    pred, gt = np.random.default_rng(0).random((2, 4, 5, 6))
    gt[1] = 1  # whose correlation is undefined
    first, second = (kldeval.evaluate(pred, gt, metric="kld,cc", jobs=jobs) for jobs in (1, 2))
    renamed = replace(second, provenance={**second.provenance, "jobs": 64})
    assert first == second == renamed
    assert first != kldeval.evaluate(gt, pred, metric="kld,cc")
    assert first != kldeval.evaluate(pred, gt, metric="kld,cc", dtype="float32")
    first.save(tmp_path / "report.json")
    assert kldeval.Report.load(tmp_path / "report.json") == first
