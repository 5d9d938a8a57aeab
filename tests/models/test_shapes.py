from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwprof.errors import OptionError
from hwprof.models.shapes import decide_shapes, parse_shape

sizes = st.integers(1, 64)


@given(st.text(st.characters(exclude_characters="="), min_size=1), st.lists(sizes, max_size=5))
def test_a_shape_reads_back(name: str, dims: list[int]) -> None:
    assert parse_shape(f"{name}={','.join(map(str, dims))}") == (name, tuple(dims))


def test_names_may_hold_colons_and_equals() -> None:
    assert parse_shape("a=b:0=1,2") == ("a=b:0", (1, 2))
    assert parse_shape("x=-1,2") == ("x", (-1, 2))


@pytest.mark.parametrize("text", ["", "x", "1,3", "=1", "x=1,a", "x=1.5", "x=1;2"])
def test_malformed_shapes(text: str) -> None:
    with pytest.raises(OptionError, match="--shape must look like"):
        parse_shape(text)


@given(st.lists(sizes, min_size=1, max_size=4), st.data())
def test_every_decided_dimension_is_positive_and_respects_what_is_fixed(
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
