"""The protocol of arrays asks for nothing that a library of the array API standard lacks.

The type checker of a user sees the same: `kldeval.kld([1.0], "uniform")` is refused, tensors and arrays are not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import array_api_strict
import numpy as np
import pytest
from late import late

from kldeval.arrays import Array

if TYPE_CHECKING:
    from collections.abc import Callable

torch = late("torch")


@pytest.mark.parametrize(
    "ones", [np.ones, lambda shape: torch.ones(*shape), array_api_strict.ones], ids=["numpy", "torch", "strict"]
)
def test_every_member_of_the_protocol_is_there(ones: Callable[..., Array]) -> None:
    array = ones((2, 3))
    members = {name for name, value in vars(Array).items() if callable(value) or isinstance(value, property)}
    of_classes = {"__init__", "__subclasshook__", "__class_getitem__"}
    missing = {name for name in members - of_classes if not hasattr(array, name)}
    assert len(members) > 30
    assert not missing
