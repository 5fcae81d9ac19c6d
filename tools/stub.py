"""Write kldeval/__init__.pyi: what editors and type checkers know of the functions that follow from the registry.

Run `python tools/stub.py` after a metric or a public name was added; a test compares.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING

import kldeval
from kldeval.functional import metric_functions
from kldeval.parameters import evaluate_parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

STUB = Path(kldeval.__file__).with_suffix(".pyi")

HEAD = '''"""The public names, as `python tools/stub.py` finds them; what runs is in `__init__.py`."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from os import PathLike
from typing import Any, Literal, overload

from kldeval._version import __version__ as __version__
'''


EXPLICIT = {
    "audit": "Audit",
    "calibrate": "Leaderboard",
    "rows": "Rows",
    "check": "Inspection",
    "explain": "Explanation",
    "identify": "Identification",
    "signature": "str",
}
"""The functions whose keywords follow from the registries, with what they give."""

CLASSES = ("Metric", "MetricCollection")
"""The classes whose keywords do."""


def stub() -> str:
    """The text of the stub."""
    functions = metric_functions()
    written = {"evaluate", *EXPLICIT, *CLASSES}
    imports = [
        "from kldeval.arrays import AnyArray, Array",
        *(
            f"from kldeval.{module} import {name} as {name}"
            for name, module in kldeval.PUBLIC.items()
            if name not in written
        ),
        *(f"from kldeval.{kldeval.PUBLIC[name]} import {name} as _{name}" for name in CLASSES),
    ]
    public = "".join(f'    "{name}",\n' for name in sorted(["__version__", *kldeval.PUBLIC, *functions]))
    models, pairs = evaluate_parameters(), evaluate_parameters()
    models[0] = models[0].replace(annotation="Mapping[str, Any]", default=inspect.Parameter.empty)
    models[1] = models[1].replace(default=inspect.Parameter.empty)
    parts = [
        HEAD + "\n".join(sorted(imports)),
        f"__all__ = [\n{public}]",
        f"@overload\n{_lines('evaluate', models, 'Leaderboard', kldeval.evaluate.__doc__, bare=True)}",
        f"@overload\n{_lines('evaluate', pairs, 'Report', kldeval.evaluate.__doc__, bare=True)}",
        *(
            _lines(name, _parameters(getattr(kldeval, name)), result, getattr(kldeval, name).__doc__)
            for name, result in EXPLICIT.items()
        ),
        *(_class(name, getattr(kldeval, name)) for name in CLASSES),
        *(_definition(name, function) for name, function in functions.items()),
    ]
    return "\n\n".join(parts).replace(" ...\n\n@", " ...\n@").replace("Report: ...\n\n", "Report: ...\n") + "\n"


TORCH_STUB = STUB.parent / "torch" / "__init__.pyi"

TORCH_HEAD = '''"""The public names, as `python tools/stub.py` finds them; what runs is in `__init__.py`."""

from collections.abc import Mapping
from typing import Any, Literal

'''

TORCH = {"CombinedLoss": "losses", "CrossEntropyLoss": "losses", "KLDLoss": "losses", "Metric": "metric"}
"""The classes of `kldeval.torch` with their modules."""


def torch_stub() -> str:
    """The text of the stub of `kldeval.torch`."""
    import kldeval.torch as package

    imports = [f"from kldeval.torch.{module} import {name} as _{name}" for name, module in TORCH.items()]
    public = "".join(f'    "{name}",\n' for name in TORCH)
    classes = [_class(name, getattr(package, name)) for name in TORCH]
    return "\n\n".join([TORCH_HEAD + "\n".join(imports), f"__all__ = [\n{public}]", *classes]) + "\n"


def _parameters(function: Callable[..., object]) -> Iterable[inspect.Parameter]:
    return inspect.signature(function).parameters.values()


def _class(name: str, made_of: Callable[..., object]) -> str:
    """A class with the keywords of its construction."""
    own = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    made = _lines("__init__", [own, *_parameters(made_of)], "None", "", bare=True)
    return f"class {name}(_{name}):\n" + "\n".join(f"    {line}" for line in made.splitlines())


def _definition(name: str, function: object) -> str:
    """A function with its parameters, one a line, and the first line of its docstring; or another name of it."""
    if name != function.__name__:  # type: ignore[attr-defined]
        return f"{name} = {function.__name__}"  # type: ignore[attr-defined]
    return _lines(name, inspect.signature(function).parameters.values(), "AnyArray", function.__doc__)  # type: ignore[arg-type]


def _lines(
    name: str, parameters: Iterable[inspect.Parameter], result: str, documentation: str | None, *, bare: bool = False
) -> str:
    lines = [f"def {name}("]
    keyword = False
    for parameter in parameters:
        if parameter.kind is parameter.KEYWORD_ONLY and not keyword:
            keyword = True
            lines.append("    *,")
        default = "" if parameter.default is parameter.empty else f" = {_literal(parameter.default)}"
        typed = "" if parameter.annotation is parameter.empty else f": {parameter.annotation}"
        stars = "**" if parameter.kind is parameter.VAR_KEYWORD else ""
        lines.append(f"    {stars}{parameter.name}{typed}{default},")
    if bare:
        return "\n".join([*lines, f") -> {result}: ..."])
    first = re.sub(r"\s+", " ", (documentation or "").strip().partition("\n\n")[0])
    return "\n".join([*lines, f") -> {result}:", f'    """{first}"""'])


LONGEST = 10
"""Characters of a number in a stub."""


def _literal(value: object) -> str:
    text = f'"{value}"' if isinstance(value, str) else repr(value)
    # a stub does not spell out long numbers
    return "..." if isinstance(value, float) and len(text) > LONGEST else text


if __name__ == "__main__":
    STUB.write_text(stub(), encoding="utf-8")
    TORCH_STUB.write_text(torch_stub(), encoding="utf-8")
