"""The published schemas, which refer to one another by the names of their files."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from jsonschema import Draft202012Validator
from referencing import Registry, Resource

DOCS = Path(__file__).parent.parent / "docs"
SCHEMAS = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(DOCS.glob("*.schema.json"))}
REGISTRY: Registry = Registry().with_resources(
    (name, Resource.from_contents(schema)) for name, schema in SCHEMAS.items()
)


def validate(document: object, name: str) -> None:
    """Raise unless the document has the form that docs/NAME.schema.json describes."""
    _validator(name).validate(document)


@cache
def _validator(name: str) -> Draft202012Validator:
    schema = SCHEMAS[f"{name}.schema.json"]
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema, registry=REGISTRY)
