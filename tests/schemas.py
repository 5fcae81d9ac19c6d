"""The published schemas, which refer to one another by the names of their files."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema_rs import Draft202012Validator, Registry
from late import late

jsonschema = late("jsonschema")

DOCS = Path(__file__).parent.parent / "docs"
SCHEMAS = {path.name: json.loads(path.read_text(encoding="utf-8")) for path in sorted(DOCS.glob("*.schema.json"))}


def validate(document: object, name: str) -> None:
    """Raise unless the document has the form that docs/NAME.schema.json describes."""
    _validator(name).validate(document)


def is_valid(document: object, name: str) -> bool:
    """Whether the document has that form: for two implementations of the standard, of which one is slow."""
    valid = bool(_validator(name).is_valid(document))
    assert _slow_validator(name).is_valid(document) == valid
    return valid


@cache
def _validator(name: str) -> Draft202012Validator:
    registry = Registry([(f"json-schema:///{text}", {**schema, "$id": text}) for text, schema in SCHEMAS.items()])
    return Draft202012Validator({"$id": "json-schema:///document", "$ref": f"{name}.schema.json"}, registry=registry)


@cache
def _slow_validator(name: str) -> Any:
    from referencing import Registry as OfPython
    from referencing import Resource

    schema = SCHEMAS[f"{name}.schema.json"]
    jsonschema.Draft202012Validator.check_schema(schema)
    resources = ((text, Resource.from_contents(schema)) for text, schema in SCHEMAS.items())
    return jsonschema.Draft202012Validator(schema, registry=OfPython().with_resources(resources))
