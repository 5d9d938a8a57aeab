from __future__ import annotations

import numpy as np
import pytest

from hwprof.errors import ModelError
from hwprof.graph import TensorSpec
from hwprof.models.inputs import usual_recipe


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "int32", "int64"])
def test_inputs_have_the_asked_type_and_shape_and_never_change(dtype: str) -> None:
    spec = TensorSpec("x", dtype, (2, 3))
    value = usual_recipe(spec).array(spec)
    assert value.dtype == np.dtype(dtype)
    assert value.shape == (2, 3)
    assert np.array_equal(value, usual_recipe(spec).array(spec))
    assert value.min() >= 0
    assert value.max() <= 1


def test_booleans_and_scalars() -> None:
    assert made(TensorSpec("x", "bool", (4,))).dtype == np.bool_
    assert made(TensorSpec("x", "float32", ())).shape == ()


@pytest.mark.parametrize("dtype", ["string", "bfloat16", "complex64"])
def test_types_without_random_values(dtype: str) -> None:
    with pytest.raises(ModelError, match=dtype):
        random_input(TensorSpec("x", dtype, (1,)))
