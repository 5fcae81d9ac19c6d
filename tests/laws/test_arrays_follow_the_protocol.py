"""The protocol of arrays asks for nothing that a library of the array API standard lacks.

The type checker of a user sees the same: `kldeval.kld([1.0], "uniform")` is refused, tensors and arrays are not.
"""

from __future__ import annotations

import array_api_strict
import numpy as np
import pytest
import torch

from kldeval.arrays import Array


@pytest.mark.parametrize(
    "array", [np.ones((2, 3)), torch.ones(2, 3), array_api_strict.ones((2, 3))], ids=["numpy", "torch", "strict"]
)
def test_every_member_of_the_protocol_is_there(array: Array) -> None:
    members = {name for name, value in vars(Array).items() if callable(value) or isinstance(value, property)}
    of_classes = {"__init__", "__subclasshook__", "__class_getitem__"}
    missing = {name for name in members - of_classes if not hasattr(array, name)}
    assert len(members) > 30
    assert not missing
