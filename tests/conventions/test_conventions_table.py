"""The table of conventions as data: its texts, sources, names, and the page that shows it."""

from __future__ import annotations

import json
import re
from dataclasses import FrozenInstanceError, replace
from pathlib import Path
from typing import Any

import pytest
from command_line import kldeval
from every import convention, conventions
from looping import each_of

import kldeval as library
from kldeval.errors import UnknownName

HERE = Path(__file__).parent.parent
GOLDEN = json.loads((HERE / "golden" / "conventions.json").read_text())
PAGE = (HERE.parent / "docs" / "conventions.md").read_text(encoding="utf-8")

every_row = each_of("row", conventions().values())
WITH_PAPER = [row for row in conventions().values() if row.source.doi and row.name != "exact"]
"""`exact` is defined by another paper than that of its source."""


def in_parts(chain: str) -> list[str]:
    """The steps of a chain."""
    return re.split(r"\+(?![^(]*\))", chain)


def split_call(text: str) -> tuple[str, dict[str, str]]:
    """The name and the arguments of a call."""
    name, _, inside = text.rstrip(")").partition("(")
    return name, dict(part.split("=") for part in inside.split(",") if part)


class TestStrings:
    @every_row
    def test_every_text_is_canonical(self, row: Any) -> None:
        """A row is typed as the program prints it, so that a signature can be compared with it."""
        calls = [*row.metrics, row.resize, *in_parts(row.pred), *in_parts(row.gt)]
        for text in calls:
            name, arguments = split_call(text)
            shown = [f"{key}={canonical(value)}" for key, value in arguments.items()]
            assert text == (f"{name}({','.join(shown)})" if shown else name)

    @every_row
    def test_ce_has_the_constant_under_the_quotient_of_kld(self, row: Any) -> None:
        """One row, one ratio_eps."""
        divergence, cross_entropy = (split_call(text)[1] for text in row.metrics)
        assert cross_entropy.get("ratio_eps") == divergence.get("ratio_eps")
        assert set(cross_entropy) <= {"ratio_eps"}

    @every_row
    def test_direction_says_what_the_metric_does(self, row: Any) -> None:
        """The word for the reader and the parameter agree."""
        parameter = split_call(row.metrics[0])[1].get("direction", "gt-pred")
        words = {
            "gt-pred": "D(gt || pred)",
            "pred-gt": "D(pred || gt)",
            "mean": "mean of D(gt || pred) and D(pred || gt)",
        }
        assert row.direction == words[parameter]

    @every_row
    def test_choices_are_among_the_ones_there_are(self, row: Any) -> None:
        """One word out of a few, spelled as on the command line."""
        assert row.scale in {"unit", "raw"}
        assert row.empty_gt in {"error", "skip", "uniform", "zero", "nan"}
        assert row.empty_pred in {"error", "keep", "uniform", "nan"}
        assert row.reduction in {"slices", "sum", "mean", "batchmean"}
        assert (row.base, row.dtype) == ("e", "float64")
        assert row.sure in {"V", "R", "D"}

    def test_flags_are_the_texts_a_user_would_type(self) -> None:
        """The whole row as flags."""
        assert convention("sam").flags == (
            ("--pred-norm", "max+sum-to-one(offset=1e-07)"),
            ("--gt-norm", "sum-to-one(offset=1e-07)"),
            ("--metric", "kld(log_eps=1e-07,ratio_eps=1e-07,factor=10),ce(ratio_eps=1e-07)"),
            ("--scale", "unit"),
            ("--resize", "none"),
            ("--empty-gt", "zero"),
            ("--empty-pred", "nan"),
            ("--base", "e"),
            ("--reduction", "slices"),
            ("--dtype", "float64"),
        )

    def test_constants_are_the_literals_of_the_source(self) -> None:
        """2^-52 and 2^-23 to the last digit, and the ports' truncated literal as it was typed."""
        assert convention("mit").metrics[1] == f"ce(ratio_eps={2.0**-52!r})"
        assert convention("dreyeve").metrics[1] == f"ce(ratio_eps={2.0**-23!r})"
        assert convention("mit-python").metrics[1] == "ce(ratio_eps=2.2204e-16)"


def canonical(value: str) -> str:
    try:
        number = float(value)
    except ValueError:
        return value
    return value if value.lstrip("-").isdigit() else f"{number:g}" if float(f"{number:g}") == number else repr(number)


class TestSources:
    @every_row
    def test_source_names_a_file_at_a_commit(self, row: Any) -> None:
        """A repository, a full commit, and a reference of the year that the row gives."""
        assert re.fullmatch(r"[\w.-]+/[\w.-]+", row.source.repository)
        assert re.fullmatch(r"[0-9a-f]{40}", row.source.commit)
        assert row.source.path or row.name == "aclnet"
        assert f"year = {{{row.year}}}" in row.bibtex

    @each_of("row", WITH_PAPER)
    def test_doi_of_the_source_is_that_of_the_reference(self, row: Any) -> None:
        """The source and the reference name one paper."""
        assert f"doi = {{{row.source.doi}}}" in row.bibtex

    @every_row
    def test_bibtex_closes_every_brace(self, row: Any) -> None:
        """An entry that BibTeX can read: one @type{key, ...}."""
        assert re.match(r"@(article|inproceedings|misc)\{\w+,\n", row.bibtex)
        assert row.bibtex.count("{") == row.bibtex.count("}")

    def test_url_without_a_path_is_the_repository_at_the_commit(self) -> None:
        """Where no file can be named."""
        whole = replace(convention("mit").source, repository="a/b", path="", commit="0" * 40)
        assert whole.url == f"https://github.com/a/b/tree/{'0' * 40}"

    @every_row
    def test_prose_is_sentences_in_one_line(self, row: Any) -> None:
        """What a table or a note prints; float64 is said where a row computes in it."""
        assert row.edge_cases
        assert row.traps
        for sentence in (row.note, *row.edge_cases, *row.traps):
            assert "\n" not in sentence
            assert "  " not in sentence
        for sentence in (*row.edge_cases, *row.traps):
            assert sentence.endswith(".")
        assert "\n" not in row.formula

    def test_rows_cannot_be_changed(self) -> None:
        """A convention is a record."""
        with pytest.raises(FrozenInstanceError):
            convention("mit").scale = "raw"
        assert replace(convention("mit"), scale="raw") != convention("mit")


class TestNames:
    def test_aliases_and_names_are_apart_and_unique(self) -> None:
        """No alias hides a row, and none belongs to two."""
        listed = [alias for row in conventions().values() for alias in row.aliases]
        assert len(listed) == len(set(listed))
        assert not set(listed) & set(conventions())

    @each_of(
        ("alias", "name"),
        [
            ("transalnet", "mit-python"),
            ("vinet", "mit-python"),
            ("sum", "mit-python"),
            ("dhf1k", "mit"),
            ("salicon", "mit"),
            ("scout", "dreyeve"),
            ("locate", "affordance"),
            ("ignite", "row-softmax"),
            ("tf-softmax", "row-softmax"),
        ],
    )
    def test_code_bases_that_compute_the_same_share_a_row(self, alias: str, name: str) -> None:
        """An alias is looked up like a name."""
        assert convention(alias).name == name
        assert library.signature("kld", convention=alias) == library.signature("kld", convention=name)

    def test_an_unknown_name_gets_the_nearest_and_a_pointer(self) -> None:
        """Message in full."""
        with pytest.raises(UnknownName) as caught:
            library.signature("kld", convention="TranSalNett")
        assert str(caught.value) == (
            "unknown convention 'TranSalNett'; did you mean 'transalnet', 'salfbnet' or 'aclnet'? "
            "`kldeval conventions` lists all"
        )

    def test_registries_cannot_be_changed(self) -> None:
        """The table is a constant."""
        changed: Any = conventions()
        changed["mine"] = changed.pop("mit")
        assert "mine" not in conventions()
        assert "mit" in conventions()


class TestPage:
    def test_page_opens_with_golden_numbers(self) -> None:
        """The spread that the first paragraph shows is that of a golden pair."""
        shown = dict(map(reversed, re.findall(r"(\d\.\d\d|inf) \(`([a-z-]+)`\)", PAGE)))
        assert len(shown) == 7
        for name, number in shown.items():
            assert number == f"{float(GOLDEN['kld']['zeros8_large'][name]):.2f}"

    def test_page_spells_out_the_flags_of_its_example(self) -> None:
        """What the page says `--convention sam` stands for."""
        assert all(text in PAGE for _, text in convention("sam").flags)

    def test_page_shows_the_table_of_the_registry(self) -> None:
        """docs/conventions.md is generated between its markers."""
        shown = PAGE.partition("<!-- conventions:begin -->\n")[2].partition("\n<!-- conventions:end -->")[0]
        assert shown.strip() == kldeval("conventions", "--format", "markdown").out.strip()

    def test_table_has_a_row_for_every_convention(self) -> None:
        """As many cells in each line, with `|` escaped inside them."""
        lines = kldeval("conventions", "--format", "markdown").out.splitlines()
        assert len(lines) == 2 + len(conventions())
        assert {len(re.findall(r"(?<!\\)\|", line)) for line in lines} == {10}
