"""Conventions on the command line: names, flags by hand, signatures, and the pages about them."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from command_line import kldeval
from every import convention, conventions

DEFAULT = (
    "kld(log_eps=2.2204e-16,ratio_eps=2.2204e-16)|pred:sum-to-one|gt:sum-to-one|scale:unit|resize:none|color:error|"
    "empty:error|base:e|reduce:slices|maps:mean|dtype:float64|v:1"
)


@pytest.fixture(scope="module")
def folders(pair_files: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The public pairs of 8 bits and of floats in two folders; one prediction has another size."""
    root = tmp_path_factory.mktemp("folders")
    for side in ("pred", "gt"):
        (root / side).mkdir()
        for name in ("smooth8", "zeros8", "float"):
            file = next(pair_files.glob(f"{name}_{side}.*"))
            (root / side / f"{name}{file.suffix}").write_bytes(file.read_bytes())
    (root / "pred" / "zeros8.png").write_bytes((pair_files / "smooth8_pred.png").read_bytes())
    return root / "pred", root / "gt"


def report(*arguments: str | Path) -> dict[str, Any]:
    """The JSON report of a run, without what says where it was made."""
    document: dict[str, Any] = json.loads(kldeval(*arguments, "--format", "json", "--quiet").out)
    return {key: value for key, value in document.items() if key != "provenance"} | {
        "short": document["provenance"]["short"]
    }


class TestNames:
    @pytest.mark.parametrize("name", conventions())
    def test_a_name_is_the_flags_that_a_user_could_type(self, name: str, folders: tuple[Path, Path]) -> None:
        """The same report, from maps that fit and maps that do not."""
        flags = [word for flag in conventions()[name].flags for word in flag]
        named = report(*folders, "--convention", name)
        assert report(*folders, *flags) == named
        assert named["short"] == f"kldeval:{name}+v{conventions()[name].version}"

    @pytest.mark.parametrize("alias", ["transalnet", "dhf1k", "tf-softmax", "sum", "cross-view-ag"])
    def test_an_alias_is_its_row(self, alias: str, folders: tuple[Path, Path]) -> None:
        assert report(*folders, "--convention", alias) == report(*folders, "--convention", convention(alias).name)

    def test_a_flag_beside_it_overrides_that_part_and_the_name_goes(self, folders: tuple[Path, Path]) -> None:
        changed = report(*folders, "--convention", "sam", "--scale", "raw", "--metric", "kld")
        assert "|pred:max+sum-to-one(offset=1e-07)|" in changed["signature"]["kld"]
        assert "|scale:raw|" in changed["signature"]["kld"]
        assert changed["short"].startswith("kldeval:")
        assert "sam" not in changed["short"]

    def test_a_flag_that_says_what_the_convention_says_keeps_the_name(self, folders: tuple[Path, Path]) -> None:
        assert report(*folders, "--convention", "sam", "--scale", "unit")["short"] == "kldeval:sam+v1"

    def test_an_unknown_name(self, folders: tuple[Path, Path]) -> None:
        outcome = kldeval(*folders, "--convention", "mti")
        assert (outcome.code, outcome.out) == (2, "")
        assert outcome.err == (
            "kldeval: unknown convention 'mti'; did you mean 'mit', 'eml-net' or 'msi-net'? "
            "`kldeval conventions` lists all\n"
        )


class TestSignatures:
    @pytest.mark.parametrize("name", ["mit", "sam", "keras", "row-softmax"])
    def test_a_signature_runs_exactly_that_again(self, name: str, folders: tuple[Path, Path]) -> None:
        """The full text of one metric, and the short form of both."""
        named = report(*folders, "--convention", name)
        assert report(*folders, "--signature", f"kldeval:{name}+v1") == named
        again = report(*folders, "--signature", named["signature"]["kld"])
        assert again["summary"] == {"kld": named["summary"]["kld"]}
        assert again["signature"] == {"kld": named["signature"]["kld"]}

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            (
                "kldeval:da3ee38a+v1",
                (
                    "the short signature 'kldeval:da3ee38a+v1' is a digest, which cannot be turned back into settings; "
                    "give the full signature, which stands beside it in every report, or the saved report: "
                    "--signature REPORT"
                ),
            ),
            (
                "kldeval:mit+v2",
                (
                    "the short signature 'kldeval:mit+v2': v2 is another version of the definitions; "
                    "here they are v1, as in kldeval:mit+v1"
                ),
            ),
            (
                "kldeval:mit",
                "the short signature 'kldeval:mit': it ends in no version; here they are v1, as in kldeval:mit+v1",
            ),
            (
                DEFAULT.replace("v:1", "v:2"),
                "the signature's part 'v:2' is another version of the definitions; here they are v:1",
            ),
            (
                DEFAULT.replace("gt:sum-to-one", "gt:sum-to-one|gth:none"),
                (
                    "the signature's part 'gth:none' is unknown; did you mean 'gt'? "
                    "Known: pred, gt, scale, resize, color, empty, base, reduce, maps, dtype, v, baseline, ..."
                ),
            ),
        ],
    )
    def test_what_cannot_be_run_is_refused_with_the_part(
        self, text: str, message: str, folders: tuple[Path, Path]
    ) -> None:
        outcome = kldeval(*folders, "--signature", text)
        start, rest, _ = message.partition("...")
        assert (outcome.code, outcome.out) == (2, "")
        assert outcome.err[: len(start) + 9] == f"kldeval: {start}"
        assert rest or outcome.err == f"kldeval: {message}\n"

    def test_a_short_form_of_no_convention(self, folders: tuple[Path, Path]) -> None:
        outcome = kldeval(*folders, "--signature", "kldeval:mti+v1")
        assert outcome.code == 2
        assert outcome.err.startswith("kldeval: unknown convention or preset 'mti'; did you mean 'mit', ")

    @pytest.mark.parametrize(
        ("beside", "named"),
        [
            (["--eps", "1e-7"], "--eps"),
            (["--metric", "kld"], "--metric"),
            (["--convention", "mit"], "--convention"),
            (["--scale", "unit", "--base", "2"], "--base, --scale"),
        ],
    )
    def test_any_other_numeric_flag_beside_it_is_refused(
        self, beside: list[str], named: str, folders: tuple[Path, Path]
    ) -> None:
        outcome = kldeval(*folders, "--signature", DEFAULT, *beside)
        assert outcome.code == 2
        assert set(named.split(", ")) == set(outcome.err.rpartition("leave out ")[2].strip().split(", "))


class TestPages:
    def test_the_table_has_a_line_for_every_convention(self) -> None:
        """Piped, every row is one line that can be searched."""
        outcome = kldeval("conventions")
        lines = outcome.out.splitlines()
        assert outcome.code == 0
        assert lines[0].split() == [
            *("name", "direction", "epsilon", "prediction", "ground", "truth", "reduction", "source", "formula")
        ]
        assert [line.split()[0] for line in lines[1:]] == list(conventions())
        for line, row in zip(lines[1:], conventions().values(), strict=True):
            assert line.endswith(row.formula)
            assert f"  {row.source.repository}  " in line
            assert f"  {row.pred}  " in line

    @pytest.mark.parametrize("name", conventions())
    def test_the_page_of_one_holds_all_of_it(self, name: str) -> None:
        row, text = conventions()[name], kldeval("conventions", name).out
        parts = (row.note, row.formula, row.epsilon, row.source.url, *row.edge_cases, *row.traps, row.bibtex)
        assert [part for part in parts if part not in text] == []
        assert f"kldeval:{name}+v{row.version}\n" in text
        assert all(alias in text for alias in row.aliases)

    def test_the_flags_of_a_page_can_be_pasted_into_a_shell(self) -> None:
        text = kldeval("conventions", "sam").out
        block = text.partition("--convention sam stands for\n")[2].partition("\n\n")[0]
        words = shlex.split(block.replace("\\\n", " "))
        assert words == [word for flag in conventions()["sam"].flags for word in flag]

    def test_an_alias_shows_its_row(self) -> None:
        assert kldeval("conventions", "transalnet").out == kldeval("conventions", "mit-python").out

    def test_json_holds_every_field(self) -> None:
        rows = json.loads(kldeval("conventions", "--format", "json").out)
        assert [row["name"] for row in rows] == list(conventions())
        (sam,) = json.loads(kldeval("conventions", "sam", "--format", "json").out)
        assert sam == next(row for row in rows if row["name"] == "sam")
        assert sam["source"]["url"] == conventions()["sam"].source.url
        assert [tuple(flag) for flag in sam["flags"]] == list(conventions()["sam"].flags)
        assert sam["traps"] == list(conventions()["sam"].traps)

    def test_markdown_is_the_table_of_the_page(self) -> None:
        page = (Path(__file__).parents[2] / "docs" / "conventions.md").read_text(encoding="utf-8")
        assert kldeval("conventions", "--format", "markdown").out in page

    @pytest.mark.parametrize(
        ("arguments", "code", "out"),
        [
            (["--match", DEFAULT], 0, "default\n"),
            (["--match", "kldeval:tuebingen+v1"], 0, "tuebingen\n"),
            (
                ["--match", DEFAULT.replace("scale:unit", "scale:raw")],
                1,
                "no convention; nearest is default, which has scale:unit instead of scale:raw\n",
            ),
            (
                ["--match", DEFAULT.replace("empty:error", "empty:gt=zero,pred=keep")],
                1,
                "no convention; nearest is default, which has empty:error instead of empty:gt=zero,pred=keep\n",
            ),
        ],
    )
    def test_match_names_the_convention_behind_a_signature(self, arguments: list[str], code: int, out: str) -> None:
        outcome = kldeval("conventions", *arguments)
        assert (outcome.code, outcome.out, outcome.err) == (code, out, "")

    def test_a_convention_with_another_color_rule_is_none(self) -> None:
        """Only where every part agrees, also those that no convention says."""
        assert kldeval("conventions", "--match", DEFAULT.replace("color:error", "color:luma")).code == 1

    def test_usage(self) -> None:
        assert kldeval("conventions", "mit", "--match", DEFAULT).code == 2
        outcome = kldeval("conventions", "--format", "yaml")
        assert (outcome.code, outcome.err) == (2, "kldeval: unknown format 'yaml'; known: json, markdown, table\n")
