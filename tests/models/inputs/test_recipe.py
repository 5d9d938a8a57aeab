from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwprof.errors import ModelError, OptionError
from hwprof.graph import TensorSpec
from hwprof.models.inputs import Recipe, usual_recipe


def made(text: str, dtype: str = "int64", shape: tuple[int, ...] = (100,)) -> np.ndarray:
    return Recipe.parse(text).array(TensorSpec("x", dtype, shape))


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "int32", "int64"])
def test_the_usual_values_have_the_asked_type_and_shape_and_never_change(dtype: str) -> None:
    spec = TensorSpec("x", dtype, (2, 3))
    value = usual_recipe(spec).array(spec)
    assert value.dtype == np.dtype(dtype)
    assert value.shape == (2, 3)
    assert np.array_equal(value, usual_recipe(spec).array(spec))
    assert value.min() >= 0
    assert value.max() <= 1


def test_the_usual_values_are_those_of_all_earlier_measurements() -> None:
    rng = np.random.default_rng(0)
    assert np.array_equal(made("0..1", "float32", (5,)), rng.random(5, dtype=np.float32))
    rng = np.random.default_rng(0)
    assert np.array_equal(made("0..1", "int64", (9,)), rng.integers(0, 2, 9))


def test_ranges_hold_both_ends() -> None:
    values = made("3..5", shape=(1000,))
    assert set(values.tolist()) == {3, 4, 5}
    floats = made("-2..2", "float32")
    assert floats.min() < 0 < floats.max() < 2


def test_one_number_fills_the_input() -> None:
    assert made("7", shape=(2, 2)).tolist() == [[7, 7], [7, 7]]
    assert made("true", "bool").all()
    assert not made("0", "bool").any()
    assert made("16000", "int64", ()).item() == 16000
    assert made("0.25", "float32", (2,)).tolist() == [0.25, 0.25]


def test_listed_numbers_keep_their_order() -> None:
    assert made("1200,1800", "float32", (2,)).tolist() == [1200, 1800]
    assert made("1,2,3,4", "int32", (2, 2)).tolist() == [[1, 2], [3, 4]]


def test_rising_values_are_spread_evenly() -> None:
    assert made("0..96 rising", shape=(4,)).tolist() == [0, 32, 64, 96]


def test_an_empty_input_holds_nothing() -> None:
    for text in ("0..5", "3", "0..9 rising"):
        assert made(text, shape=(1, 0, 4)).size == 0


@pytest.mark.parametrize(
    ("text", "dtype", "shape", "match"),
    [
        ("0..300", "uint8", (4,), "from 0 to 255"),
        ("-1", "uint8", (4,), "from 0 to 255"),
        ("2", "int8", (), ""),
        ("0..1.5", "int64", (4,), "whole numbers"),
        ("0.5", "int64", (4,), "whole numbers"),
        ("1,2", "int64", (3,), "takes 3 values"),
        ("0..2", "bool", (4,), "from 0 to 1"),
    ],
)
def test_values_that_do_not_fit_an_input(
    text: str, dtype: str, shape: tuple[int, ...], match: str
) -> None:
    if not match:
        assert made(text, dtype, shape).item() == 2
        return
    with pytest.raises(OptionError, match=match):
        made(text, dtype, shape)


@pytest.mark.parametrize("text", ["", "x", "1..", "..", "5..1", "nan", "inf", "1e999", "0..inf"])
def test_texts_that_are_no_values(text: str) -> None:
    with pytest.raises(OptionError):
        Recipe.parse(text)


def test_long_lists_belong_into_a_file() -> None:
    with pytest.raises(OptionError, match=r"keep them in a \.npy file"):
        Recipe.parse(",".join(["1"] * 17))


@pytest.mark.parametrize("dtype", ["string", "bfloat16", "complex64"])
def test_types_without_values(dtype: str) -> None:
    spec = TensorSpec("x", dtype, (1,))
    with pytest.raises(ModelError, match=dtype):
        usual_recipe(spec).array(spec)


numbers = st.one_of(
    st.integers(-(2**53), 2**53), st.floats(-1e9, 1e9, allow_nan=False).map(lambda x: x + 0.0)
)


@given(low=numbers, high=numbers)
def test_texts_read_back_as_they_were(low: float, high: float) -> None:
    recipe = Recipe(min(low, high), max(low, high))
    assert Recipe.parse(recipe.text) == recipe


@given(st.lists(numbers, min_size=2, max_size=16))
def test_lists_read_back_as_they_were(listed: list[float]) -> None:
    recipe = Recipe(listed=tuple(listed))
    assert Recipe.parse(recipe.text).listed == recipe.listed
