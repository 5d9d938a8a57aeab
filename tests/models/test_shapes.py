from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwprof.errors import OptionError
from hwprof.models.shapes import (
    LEFT_OPEN,
    BatchAxis,
    DeclaredInput,
    decide_shapes,
    parse_shape,
    shared_batch,
)

sizes = st.integers(1, 64)


@given(st.text(st.characters(exclude_characters="="), min_size=1), st.lists(sizes, max_size=5))
def test_a_shape_reads_back(name: str, dims: list[int]) -> None:
    assert parse_shape(f"{name}={','.join(map(str, dims))}") == (name, tuple(dims))


def test_names_may_hold_colons_and_equals() -> None:
    assert parse_shape("a=b:0=1,2") == ("a=b:0", (1, 2))
    assert parse_shape("x=-1,2") == ("x", (-1, 2))
    assert parse_shape("x=*,3,0") == ("x", (LEFT_OPEN, 3, 0))


@pytest.mark.parametrize("text", ["", "x", "1,3", "=1", "x=1,a", "x=1.5", "x=1;2", "x=**", "x=--5"])
def test_malformed_shapes(text: str) -> None:
    with pytest.raises(OptionError, match="--shape must look like"):
        parse_shape(text)


@given(st.lists(sizes, min_size=1, max_size=4), st.data())
def test_every_decided_dimension_is_what_was_given_and_respects_what_is_fixed(
    dims: list[int], data: st.DataObject
) -> None:
    open_at = data.draw(st.sets(st.integers(0, len(dims) - 1)))
    declared = [f"d{i}" if i in open_at else size for i, size in enumerate(dims)]
    (spec,) = decide_shapes([("x", "float32", declared)], {"x": dims}, None, "m")
    assert spec.shape == tuple(dims)


def test_an_unknown_rank_needs_a_shape() -> None:
    with pytest.raises(OptionError, match="does not say the shape"):
        decide_shapes([("x", "float32", None)], {}, None, "m")
    (spec,) = decide_shapes([("x", "float32", None)], {"x": (2, 3)}, None, "m")
    assert spec.shape == (2, 3)


def test_an_unnamed_dimension_is_named_by_its_place() -> None:
    with pytest.raises(OptionError, match="number 2 of input 'x'"):
        decide_shapes([("x", "float32", [1, ""])], {}, None, "m")


def test_a_batch_reaches_inputs_that_leave_it_open() -> None:
    declared = [("x", "float32", ["n", 3]), ("scale", "float32", [1])]
    specs = decide_shapes(declared, {}, 4, "m")
    assert [spec.shape for spec in specs] == [(4, 3), (1,)]


@given(st.lists(st.integers(0, 64), min_size=1, max_size=4), st.data())
def test_what_a_shape_leaves_open_is_what_the_file_says(
    dims: list[int], data: st.DataObject
) -> None:
    left = data.draw(st.sets(st.integers(0, len(dims) - 1)))
    shape = [LEFT_OPEN if i in left else size for i, size in enumerate(dims)]
    declared: DeclaredInput = (
        "x",
        "float32",
        [size if i in left else f"d{i}" for i, size in enumerate(dims)],
    )
    (spec,) = decide_shapes([declared], {"x": shape}, None, "m")
    assert spec.shape == tuple(dims)


def test_a_shape_may_leave_the_batch_to_the_batch() -> None:
    declared: list[DeclaredInput] = [("x", "float32", ["n", 3, "h", "w"])]
    for batch in (1, 8):
        (spec,) = decide_shapes(declared, {"x": (LEFT_OPEN, 3, 64, 64)}, batch, "m")
        assert spec.shape == (batch, 3, 64, 64)
    (spec,) = decide_shapes([("x", "float32", None)], {"x": (LEFT_OPEN, 3)}, 2, "m")
    assert spec.shape == (2, 3)
    with pytest.raises(OptionError, match="'n' of input 'x'"):
        decide_shapes(declared, {"x": (LEFT_OPEN, 3, 64, 64)}, None, "m")


def test_what_is_left_open_is_decided_by_another_input() -> None:
    declared: list[DeclaredInput] = [("a", "int64", ["n", "t"]), ("b", "int64", ["n", "t"])]
    specs = decide_shapes(declared, {"a": (LEFT_OPEN, 7), "b": (2, LEFT_OPEN)}, None, "m")
    assert [spec.shape for spec in specs] == [(2, 7), (2, 7)]


def test_a_tensor_may_be_empty() -> None:
    declared: list[DeclaredInput] = [
        ("ids", "int64", ["b", "s"]),
        ("past", "float32", ["b", 8, "p", 64]),
    ]
    specs = decide_shapes(declared, {"ids": (1, 128), "past": (1, 8, 0, 64)}, None, "m")
    assert [spec.shape for spec in specs] == [(1, 128), (1, 8, 0, 64)]


def test_a_zero_in_the_file_stands_unless_something_is_given() -> None:
    declared: list[DeclaredInput] = [("p", "float32", [1, 0, 64])]
    assert decide_shapes(declared, {}, None, "m")[0].shape == (1, 0, 64)
    assert decide_shapes(declared, {"p": (1, 5, 64)}, None, "m")[0].shape == (1, 5, 64)
    assert decide_shapes([("p", "float32", [0, 4])], {}, 3, "m")[0].shape == (3, 4)


def test_one_name_for_two_sizes_says_what_to_do() -> None:
    declared: list[DeclaredInput] = [("x", "float32", ["dyn", 3, "dyn", "dyn"])]
    with pytest.raises(OptionError, match="a name of its own for each dimension"):
        decide_shapes(declared, {"x": (1, 3, 48, 320)}, None, "m")


def test_the_batch_is_where_the_operation_takes_it() -> None:
    axes = {"x": BatchAxis(1, "GRU 'gru'"), "h": BatchAxis(1, "GRU 'gru'")}
    declared: list[DeclaredInput] = [
        ("x", "float32", ["time", "n", 16]),
        ("h", "float32", [1, "n", 8]),
    ]
    specs = decide_shapes(declared, {"x": (30, LEFT_OPEN, 16)}, 4, "m", axes)
    assert [spec.shape for spec in specs] == [(30, 4, 16), (1, 4, 8)]
    assert shared_batch(declared, specs, axes) == 4
    with pytest.raises(OptionError, match=r"'time' of input 'x'.*--shape x=1,\*,16"):
        decide_shapes(declared, {}, 4, "m", axes)


def test_a_batch_that_is_fixed_elsewhere_is_refused_never_taken_for_time() -> None:
    axes = {"x": BatchAxis(1, "GRU 'gru'")}
    with pytest.raises(OptionError, match="dimension 2 for GRU 'gru', and it is fixed at 1"):
        decide_shapes([("x", "float32", ["time", 1, 16])], {"x": (9, 1, 16)}, 8, "m", axes)


def test_a_dimension_that_is_called_the_batch_is_the_batch() -> None:
    declared: list[DeclaredInput] = [("x", "float32", ["sequence", "batch_size", 16])]
    specs = decide_shapes(declared, {"x": (9, LEFT_OPEN, 16)}, 8, "m")
    assert specs[0].shape == (9, 8, 16)
    assert shared_batch(declared, specs, {}) == 8


def test_batches_of_one_operation_agree() -> None:
    axes = {"x": BatchAxis(1, "GRU 'gru'"), "h": BatchAxis(1, "GRU 'gru'")}
    declared: list[DeclaredInput] = [
        ("x", "float32", [10, "n", 20]),
        ("h", "float32", [1, 1, 20]),
    ]
    with pytest.raises(OptionError, match="'x' and 'h' of 'm' have batches of 4 and 1"):
        decide_shapes(declared, {"x": (10, 4, 20)}, None, "m", axes)
    assert decide_shapes(declared, {"x": (10, 1, 20)}, None, "m", axes)[0].shape == (10, 1, 20)


LONG = "9" * 5000
"""More digits than Python makes a number of."""


@pytest.mark.parametrize("text", [f"x={LONG}", f"x=-{LONG}", f"x=1,{LONG},*"])
def test_numbers_beyond_any_size_are_malformed(text: str) -> None:
    with pytest.raises(OptionError, match="--shape must look like") as error:
        parse_shape(text)
    assert len(str(error.value)) < 300


@pytest.mark.parametrize(
    "size", [10**30, -(10**30), 10**5000, -(10**5000)], ids=["large", "low", "long", "long low"]
)
def test_sizes_beyond_any_dimension_are_refused(size: int) -> None:
    declared: list[DeclaredInput] = [("x", "float32", ["n", 4])]
    with pytest.raises(OptionError, match="larger than any dimension"):
        decide_shapes(declared, {"x": (size, 4)}, None, "m.onnx")
    with pytest.raises(OptionError, match="batch"):
        decide_shapes(declared, {}, size, "m.onnx")
