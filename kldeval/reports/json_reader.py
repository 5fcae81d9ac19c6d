"""Saved JSON documents read back: validated by their published schemas, and refused with the place that does not fit.

A schema says what form a document has; what it cannot say, that the parts of a document agree (every map has a number
for each metric of the report, every pair is of two of the models), is checked here.
"""

from __future__ import annotations

import json
import math
from functools import lru_cache
from importlib.resources import files
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from kldeval.errors import UsageProblem, printable
from kldeval.records import Failure, Score
from kldeval.regular import read_regular, why
from kldeval.reports.audit_documents import AUDIT_SCHEMA
from kldeval.reports.comparison import letters_of, superscripts_of
from kldeval.reports.documents import (
    COMPARE_SCHEMA,
    LEADERBOARD_SCHEMA,
    SCHEMA,
    ClassRow,
    Column,
    Comparison,
    ComparisonReport,
    GateOutcome,
    Leaderboard,
    PairedResult,
    PairOfModels,
    Report,
    ShareOfWay,
    Summary,
    Ways,
)
from kldeval.reports.identification import IDENTIFY_SCHEMA
from kldeval.reports.other_files import named_instead, refuse_rows
from kldeval.reports.rows import ROWS_SCHEMA
from kldeval.settings.signature import combined
from kldeval.urls import is_url

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping, Sequence

    from jsonschema_rs import Draft202012Validator, ValidationError

    Document = Report | Leaderboard | ComparisonReport
    Json = dict[str, Any]


SCHEMA_FILES = {
    SCHEMA: "report.schema.json",
    LEADERBOARD_SCHEMA: "leaderboard.schema.json",
    COMPARE_SCHEMA: "compare.schema.json",
    AUDIT_SCHEMA: "audit.schema.json",
    IDENTIFY_SCHEMA: "identify.schema.json",
    ROWS_SCHEMA: "rows.schema.json",
}
"""The published schema of each document, in the folder `schemas` beside the records."""

EARLIER = "1"
"""Documents of this version hold less than those of today's, and are read as well."""

LONGEST = 60
"""So many characters of a value that does not fit are shown."""

NUMBER = "a number or one of 'inf', '-inf', 'nan'"
WORDS = {
    "number": NUMBER,
    "statistic": NUMBER,
    "count": "a count",
    "p": "a number from 0 to 1",
    "string": "a text",
    "object": "an object",
    "array": "a list",
    "boolean": "true or false",
    "interval": "a list of two numbers",
}
"""What a value should have been, by the name of its definition or type in a schema."""


def load_document(path: str | os.PathLike[str]) -> Document:
    """What a JSON file of kldeval holds; it equals what was written.

    Raises:
        UsageProblem: the file cannot be read, is not strict JSON, or holds something else, another version, or parts
            that do not have the form that the published schema describes.
    """
    return parse_document(decode(path), str(path))


def parse_document(value: object, file: str) -> Document:
    """The report, leaderboard or comparison that a decoded JSON value holds.

    Raises:
        UsageProblem: as `load_document`.
    """
    kind = _kind(value)
    if kind == LEADERBOARD_SCHEMA:
        return parse_leaderboard(value, file)
    if kind == COMPARE_SCHEMA:
        return parse_comparison(value, file)
    return parse_report(value, file)


def saved_signatures(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """The signatures in a saved report, or in a leaderboard or a comparison whose models agree in them.

    Raises:
        UsageProblem: as `load_document`, or the document has no signature, or its models differ in them.
    """
    document = load_document(path)
    held = document.reports.values() if isinstance(document, Leaderboard) else [document]
    found = {tuple(one.signatures.values()) for one in held}
    if len(found) > 1:
        msg = (
            f"{printable(str(path))}: its models were not scored alike; give the report or the signature of one of them"
        )
        raise UsageProblem(msg)
    texts = found.pop() if found else ()
    if not texts:
        msg = f"{printable(str(path))} holds no signature"
        raise UsageProblem(msg)
    try:
        combined(texts)
    except UsageProblem as problem:
        msg = f"{printable(str(path))}: {problem}"
        raise UsageProblem(msg) from problem
    return texts


def parse_report(document: object, file: str = "report") -> Report:
    """The report that a decoded JSON value holds; `file` names it in messages.

    Raises:
        UsageProblem: as `load_document`.
    """
    return _Reader(file).report(validated(document, SCHEMA, file))


def parse_leaderboard(document: object, file: str = "leaderboard") -> Leaderboard:
    """The leaderboard that a decoded JSON value holds.

    Raises:
        UsageProblem: as `load_document`.
    """
    return _Reader(file).leaderboard(validated(document, LEADERBOARD_SCHEMA, file))


def parse_comparison(document: object, file: str = "comparison") -> ComparisonReport:
    """The comparison that a decoded JSON value holds.

    Raises:
        UsageProblem: as `load_document`.
    """
    return _Reader(file).comparison(validated(document, COMPARE_SCHEMA, file))


def decode(path: str | os.PathLike[str]) -> object:
    """The value in a strict JSON file.

    Raises:
        UsageProblem: the file cannot be read, or is not strict JSON.
    """
    refuse_rows(Path(path))
    try:
        text = read_regular(Path(path)).decode("utf-8")
        return json.loads(text, parse_constant=_refuse_constant, parse_int=_whole_number, parse_float=_finite)
    except OSError as error:
        here = "documents are read from files on this machine: copy it" if is_url(Path(path)) else ""
        if Path(path).is_dir():
            here = "it is a folder; name a saved report, which is one file (.json)"
        msg = f"cannot read {printable(path)}: {here or why(error)}"
        raise UsageProblem(msg) from error
    except (ValueError, RecursionError) as error:
        msg = named_instead(Path(path)) or f"{printable(str(path))} is not JSON: {error}"
        raise UsageProblem(msg) from error


def _refuse_constant(name: str) -> NoReturn:
    msg = f'{name} is no number of JSON; "inf", "-inf" and "nan" stand in quotes'
    raise ValueError(msg)


def _whole_number(digits: str) -> int:
    if math.isinf(float(digits)):
        msg = f"a number of {len(digits)} digits is beyond float64"
        raise ValueError(msg)
    return int(digits)


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        msg = f"{text[:LONGEST]} is beyond float64"
        raise ValueError(msg)
    return value


def _kind(document: object) -> str | None:
    """The name and version of today's form of a document, if it says one that is known."""
    schema = document.get("schema") if isinstance(document, dict) else None
    return next((known for known in SCHEMA_FILES if schema in (known, _earlier(known))), None)


def _earlier(schema: str) -> str:
    return f"{schema.rpartition('/')[0]}/{EARLIER}"


def validated(document: object, wanted: str, file: str) -> Json:
    """The document, if it is of the kind wanted and has its form.

    Raises:
        UsageProblem: it is of another kind or version, or does not have the form that the schema describes.
    """
    schema = document.get("schema") if isinstance(document, dict) else None
    if not isinstance(document, dict) or schema not in (wanted, _earlier(wanted)):
        raise UsageProblem(_another_kind(schema, wanted, printable(file)))
    try:
        found = _first_complaint(document, wanted)
    except UnicodeEncodeError:  # a name of a file that is no Unicode has lone surrogates
        found = _first_complaint(_encodable(document), wanted)
    if found:
        refuse(file, *found)
    return document


OF_ROWS = (
    "it holds statistics of rows, which kldeval show takes one file at a time; quantiles of parts neither add up nor "
    "pair, so give the folders of all parts to one run with --rows, and --format csv has every row"
)


def _another_kind(schema: object, wanted: str, file: str) -> str:
    if not isinstance(schema, str) or not schema.startswith("kldeval."):
        noun = wanted.partition(".")[2].partition("/")[0]
        return f'{file} is no {noun} of kldeval: it does not say "schema": "{wanted}"'
    known = next((one for one in SCHEMA_FILES if schema.startswith(one.rpartition("/")[0] + "/")), None)
    if known and schema not in (known, _earlier(known)):
        read = f"{known} and {_earlier(known)}"
        return f"{file} is a {printable(schema)}, of another version of kldeval; this one reads {read}"
    way_out = f": {OF_ROWS}" if schema == ROWS_SCHEMA else ""
    return f"{file} is a {printable(schema)}; a {wanted} is needed{way_out}"


@lru_cache
def _validator(schema: str) -> Draft202012Validator:
    """The compiled schema; its references name the files beside it."""
    from jsonschema_rs import Draft202012Validator, Registry

    folder = files(__package__) / "schemas"
    texts = {name: json.loads((folder / name).read_text(encoding="utf-8")) for name in SCHEMA_FILES.values()}
    registry = Registry([(f"json-schema:///{name}", {**text, "$id": name}) for name, text in texts.items()])
    return Draft202012Validator({"$id": "json-schema:///document", "$ref": SCHEMA_FILES[schema]}, registry=registry)


def _first_complaint(document: Json, schema: str) -> tuple[list[str | int], str] | None:
    """Where a document first does not fit its schema, and what is wrong there."""
    error = next(iter(_validator(schema).iter_errors(document)), None)
    return None if error is None else _complaint(_innermost(error))


def _encodable(value: object) -> Any:
    """The value with texts that UTF-8 can encode; what they are does not matter to its form."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(item) for key, item in value.items()}
    return [_encodable(item) for item in value] if isinstance(value, list) else value


def _innermost(error: ValidationError) -> ValidationError:
    """The error that says most: of alternatives, that of the one which fits furthest."""
    branches = error.kind.as_dict()["context"] if error.kind.name == "anyOf" else ()
    alternatives: list[ValidationError] = [one for branch in branches for one in branch]
    deepest = max(alternatives, key=lambda one: len(one.instance_path), default=error)
    return _innermost(deepest) if len(deepest.instance_path) > len(error.instance_path) else error


def _complaint(error: ValidationError) -> tuple[list[str | int], str]:
    """Where a value does not fit, and what is wrong with it."""
    kind, place, details = error.kind.name, list(error.instance_path), error.kind.as_dict()
    if kind == "required":
        return place, f"lacks {details['property']!r}"
    if kind == "additionalProperties":
        return place, f"has {details['unexpected'][0]!r}, which does not belong there"
    value = _clipped(error.instance)
    if kind == "enum":
        return place, f"is {value}, not one of {', '.join(map(repr, details['options']))}"
    names = [name for name in error.schema_path if name in WORDS]
    types = details.get("types", ())
    wanted = next((WORDS[name] for name in (*reversed(names), *types) if name in WORDS), None)
    return place, f"is {value}, not {wanted}" if wanted else f"is {value}: {_clipped(error.message)}"


def _clipped(value: object) -> str:
    text = repr(value)
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."


def refuse(file: str, place: Sequence[str | int], complaint: str) -> NoReturn:
    """Raise the error that says where a document does not fit, and why.

    Raises:
        UsageProblem: always.
    """
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")
    msg = f"{printable(file)}: {printable(path) or 'it'} {complaint}"
    raise UsageProblem(msg)


class _Reader:
    """Makes records of documents that have the form of their schema; `file` names them in messages."""

    def __init__(self, file: str, *place: str) -> None:
        self.file = file
        self.place = place

    def refuse(self, place: Sequence[str | int], complaint: str) -> NoReturn:
        refuse(self.file, [*self.place, *place], complaint)

    def has(self, members: Mapping[str, object], keys: Iterable[str], *place: str | int) -> None:
        """Refuse an object whose members are not exactly the keys."""
        wanted = tuple(keys)
        for key in wanted:
            if key not in members:
                self.refuse(place, f"lacks {key!r}")
        self.has_only(members, wanted, *place)

    def has_only(self, members: Mapping[str, object], keys: Iterable[str], *place: str | int) -> None:
        """Refuse an object with a member that is not among the keys."""
        wanted = set(keys)
        for key in members:
            if key not in wanted:
                self.refuse(place, f"has {key!r}, which does not belong there")

    def refers(self, statistics: Mapping[str, object], *place: str | int) -> None:
        """Refuse sums that are said to be those of a metric which has none before it."""
        held = set()
        for key, sums in statistics.items():
            if isinstance(sums, str) and sums not in held:
                self.refuse((*place, key), f"is {_clipped(sums)}, which has no sums before it")
            if not isinstance(sums, str):
                held.add(key)

    def leaderboard(self, item: Json) -> Leaderboard:
        # a number that one model lacks on a map counts there for none
        lacking = {
            (failure["name"], failure.get("metric", ""))
            for report in item["reports"].values()
            for failure in report["failures"]
        }
        reports = {
            model: _Reader(self.file, *self.place, "reports", model).report(report, lacking)
            for model, report in item["reports"].items()
        }
        first, *others = (tuple(score.name for score in report.scores) for report in reports.values())
        for model, names in zip(list(reports)[1:], others, strict=True):
            if names != first:
                self.refuse(("reports", model, "maps"), "are not those of the other models, in their order")
        comparison = item["comparison"]
        compared = None if comparison is None else self.inside("comparison").comparison(comparison)
        if compared and list(compared.models) != list(reports):
            self.refuse(("comparison", "models"), "are not the models of the reports, in their order")
        return Leaderboard(reports, compared, _left_out(item["left_out"]), tuple(item["notes"]))

    def inside(self, *place: str) -> _Reader:
        return _Reader(self.file, *self.place, *place)

    def report(self, item: Json, lacking: Iterable[tuple[str, str]] = ()) -> Report:
        signatures, provenance = item["signature"], item["provenance"]
        keys = tuple(signatures) if item["summary"] else ()  # --reduction none leaves no numbers
        self.has(item["summary"], keys, "summary")
        self.has(provenance["columns"], signatures, "provenance", "columns")
        failures = tuple(_failure(failure) for failure in item["failures"])
        for name, summaries in item.get("groups", {}).items():
            self.has(summaries, keys, "groups", name)
        # a metric that is made of sums within bins has no number of a single class
        by_class = [key for key in signatures if not any(key in row.get("statistics", {}) for row in item["maps"])]
        for place, row in enumerate(item.get("classes", ())):
            self.has({key: row[key] for key in row if key != "sums"}, ("class", "n", *by_class), "classes", place)
        return Report(
            signatures=dict(signatures),
            short=provenance["short"],
            provenance={key: value for key, value in provenance.items() if key not in ("short", "columns")},
            summaries=_summaries(item["summary"], keys),
            columns={key: _column(provenance["columns"][key]) for key in signatures},
            scores=self.scores(item["maps"], keys, {*lacking, *((one.name, one.metric) for one in failures)}),
            failures=failures,
            notes=tuple(item["notes"]),
            classes=tuple(_class_row(row, by_class) for row in item.get("classes", ())),
            groups={name: _summaries(rows, keys) for name, rows in item.get("groups", {}).items()},
            gates=_gates(item),
            references=_numbers_of(item.get("references", {})),
            statistics=item.get("statistics", ""),
            ways=_ways(item["ways"]) if "ways" in item else None,
        )

    def scores(self, rows: Sequence[Json], keys: Sequence[str], failed: set[tuple[str, str]]) -> tuple[Score, ...]:
        known, names = {*keys, *MAP_MEMBERS}, set()
        for place, row in enumerate(rows):
            if not known.issuperset(row):
                self.has_only(row, known, "maps", place)
            for key in keys:
                if key not in row and (row["name"], key) not in failed:
                    self.refuse(("maps", place), f"lacks {key!r}")
            for part in ("weights", "statistics"):
                self.has_only(row.get(part, {}), keys, "maps", place, part)
            self.refers(row.get("statistics", {}), "maps", place, "statistics")
            if row["name"] in names:
                self.refuse(("maps", place, "name"), f"is {_clipped(row['name'])} for the second time")
            names.add(row["name"])
        return tuple(_score(row, keys) for row in rows)

    def comparison(self, item: Json) -> ComparisonReport:
        models, maps, left_out = tuple(item["models"]), tuple(item["maps"]), _left_out(item["left_out"])
        columns = item["provenance"]["columns"]
        self.has(columns, item["signature"], "provenance", "columns")
        self.has_only(item["metrics"], columns, "metrics")
        return ComparisonReport(
            models=models,
            signatures=dict(item["signature"]),
            statistics=item["statistics"],
            provenance={key: part for key, part in item["provenance"].items() if key != "columns"},
            columns={key: _column(column) for key, column in columns.items()},
            comparisons={
                key: self.inside("metrics", key).metric(metric, models, maps, left_out)
                for key, metric in item["metrics"].items()
            },
            maps=maps,
            left_out=left_out,
            notes=tuple(item["notes"]),
            gates=_gates(item),
        )

    def metric(
        self, item: Json, models: Sequence[str], maps: tuple[str, ...], left_out: Mapping[str, tuple[str, ...]]
    ) -> Comparison:
        for part in ("means", "intervals"):
            self.has(item[part], models, part)
        if [(pair["first"], pair["second"]) for pair in item["pairs"]] != list(combinations(models, 2)):
            self.refuse(("pairs",), "are not all pairs of the models, in their order")
        for place, pair in enumerate(item["pairs"]):
            if pair["winner"] not in ("", pair["first"], pair["second"]):
                self.refuse(("pairs", place, "winner"), f"is {_clipped(pair['winner'])}, not one of the two or empty")
        pairs = tuple(_pair(pair, item["n"]) for pair in item["pairs"])
        return Comparison(
            unit=item["unit"],
            n=item["n"],
            confidence=float(item["confidence"]),
            resamples=item["resamples"],
            seed=item["seed"],
            means={model: _number(item["means"][model]) for model in models},
            intervals={model: _interval(item["intervals"][model]) for model in models},
            letters=letters_of(models),
            superscripts=superscripts_of(models, pairs),
            pairs=pairs,
            maps=maps,
            left_out=left_out,
            notes=(),
        )


MAP_MEMBERS = (
    *("name", "group", "n_uncovered", "uncovered_mass", "n_fixations", "gt_fixations", "weights", "statistics"),
    *("remarks", "references"),
)
"""The members of a map that are no metric."""


def _number(value: float | str) -> float:
    return float(value)


def _number_or_none(value: float | str | None) -> float | None:
    return None if value is None else float(value)


def _column(item: Json) -> Column:
    return Column(unit=item["unit"], best=item["best"])


def _ways(item: Json) -> Ways:
    shares = {
        key: {
            chance: ShareOfWay(one["share"], _interval(one["share_interval"]), one.get("reason", ""))
            for chance, one in row.items()
        }
        for key, row in item["shares"].items()
    }
    return Ways(item["statistics"], shares)


def _summaries(item: Json, keys: Iterable[str]) -> dict[str, Summary]:
    return {key: _summary(item[key]) for key in keys}


def _summary(item: Json) -> Summary:
    return Summary(
        n=item["n"],
        n_nonfinite=item["n_nonfinite"],
        **{name: _number_or_none(item[name]) for name in ("mean", "std", "median", "min", "max")},
        interval=_interval(item.get("interval")),
    )


def _score(row: Json, keys: Iterable[str]) -> Score:
    return Score(
        name=row["name"],
        values={key: _number(row[key]) for key in keys if key in row},
        n_uncovered=row["n_uncovered"],
        uncovered_mass=_number(row["uncovered_mass"]),
        remarks=tuple(row.get("remarks", ())),
        group=row.get("group", ""),
        n_fixations=row.get("n_fixations"),
        gt_fixations=row.get("gt_fixations"),
        references=_numbers_of(row.get("references", {})),
        weights={key: _number(weight) for key, weight in row.get("weights", {}).items()},
        statistics=_statistics(row.get("statistics", {})),
    )


def _statistics(item: Mapping[str, Sequence[float | str] | str]) -> dict[str, tuple[float, ...]]:
    """The sums of each metric, which may be those of another before it."""
    found: dict[str, tuple[float, ...]] = {}
    for key, sums in item.items():
        found[key] = found[sums] if isinstance(sums, str) else tuple(map(_number, sums))
    return found


def _numbers_of(rows: Mapping[str, Mapping[str, float | str]]) -> dict[str, dict[str, float]]:
    return {name: {key: _number(value) for key, value in values.items()} for name, values in rows.items()}


def _class_row(item: Json, keys: Iterable[str]) -> ClassRow:
    found = item.get("sums", {})
    sums = {key: (_sum_of(found[key]["total"]), _sum_of(found[key]["weight"])) for key in keys if key in found}
    return ClassRow(item["class"], item["n"], {key: _number(item[key]) for key in keys}, sums)


def _sum_of(parts: Sequence[float | str]) -> tuple[float, ...]:
    return tuple(map(_number, parts))


def _failure(item: Json) -> Failure:
    return Failure(
        name=item["name"],
        stage=item["stage"],
        message=item["message"],
        code=item.get("code", "unknown"),
        metric=item.get("metric", ""),
    )


def _gates(item: Json) -> tuple[GateOutcome, ...]:
    return tuple(
        GateOutcome(gate["text"], _number_or_none(gate["value"]), gate["fired"], gate.get("p"))
        for gate in item.get("gates", ())
    )


def _pair(item: Json, n: int) -> PairOfModels:
    result = PairedResult(
        n=n,
        mean_difference=_number(item["mean_difference"]),
        interval=_interval(item["interval"]),
        p_value=float(item["p"]),
        wilcoxon_p=float(item["wilcoxon_p"]),
        cohens_dz=_number_or_none(item["cohens_dz"]),
        rank_biserial=float(item["rank_biserial"]),
        detectable=_number_or_none(item["detectable"]),
    )
    return PairOfModels(
        first=item["first"],
        second=item["second"],
        result=result,
        adjusted_p=float(item["p_holm"]),
        significant=item["significant"],
        winner=item["winner"],
    )


def _interval(item: Sequence[float | str] | None) -> tuple[float, float] | None:
    if item is None:
        return None
    low, high = map(_number, item)
    return low, high


def _left_out(rows: Iterable[Json]) -> dict[str, tuple[str, ...]]:
    return {row["name"]: tuple(row["missing"]) for row in rows}
