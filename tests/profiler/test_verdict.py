"""How far outputs may lie apart."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwprof.models.outputs import OutputTensor
from hwprof.profiler.verdict import Spread, compare, spreads_of


def outputs(*values: object) -> tuple[OutputTensor, ...]:
    return tuple(OutputTensor.of(value) for value in values)


@pytest.mark.parametrize(
    ("found", "wanted", "error"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0),
        ([1.0, 2.0], [1.0, 4.0], 0.5),
        ([0.5, 0.0], [0.0, 0.0], 0.5),
        ([np.nan, 1.0], [np.nan, 1.0], 0.0),
        ([np.inf, 1.0], [np.inf, 1.0], 0.0),
        ([1.0, 1.0], [np.nan, 1.0], np.inf),
        ([np.nan, 1.0], [1.0, 1.0], np.inf),
        ([np.inf, 1.0], [-np.inf, 1.0], np.inf),
    ],
)
def test_how_far_floats_differ(found: list[float], wanted: list[float], error: float) -> None:
    compared = compare(outputs(np.array(found)), outputs(np.array(wanted)))
    assert (compared.error, bool(compared.fault)) == (error, error > 1e-3)


def test_nothing_agrees_with_nothing() -> None:
    assert compare(outputs(np.zeros(0)), outputs(np.zeros(0))).error == 0.0
    assert not compare((), ()).fault


def test_imaginary_parts_count() -> None:
    found = compare(outputs(np.array([1 + 1j])), outputs(np.array([1 - 1j])))
    assert found.error == pytest.approx(2.0)


def test_whole_numbers_are_counted() -> None:
    wanted = np.arange(200)
    found = compare(outputs(np.where(wanted < 1, 9, wanted)), outputs(wanted))
    assert (found.error, found.allowed, found.fault) == (0.005, 0.01, "")
    assert compare(outputs(np.where(wanted < 4, 9, wanted)), outputs(wanted)).fault


def test_form_comes_first() -> None:
    one = outputs(np.ones((1, 4), np.float32))
    assert "shape [4, 1] instead of [1, 4]" in compare(outputs(np.ones((4, 1))), one).fault
    assert "0 outputs instead of 1" in compare((), one).fault
    assert compare((), one).form
    texts = outputs(np.array([["a", "b", "c", "d"]]))
    assert "type text" in compare(texts, one).fault


def test_texts_and_sequences_are_compared() -> None:
    def animals(second: str, *parts: np.ndarray) -> tuple[OutputTensor, ...]:
        return outputs(np.array(["cat", second]), list(parts))

    one, none = np.ones(2, np.float32), np.zeros((1, 2), np.float32)
    right = animals("dog", one, none)
    assert not compare(right, right).fault
    assert "output 0 differs in 0.5" in compare(animals("owl", one, none), right).fault
    assert "output 1, item 1" in compare(animals("dog", one, none + 1), right).fault
    assert compare(animals("dog", one), right).form


def test_maps_are_compared_by_keys_and_values() -> None:
    right = outputs([{"a": 0.25, "b": 0.75}])
    assert not compare(right, right).fault
    assert compare(outputs([{"a": 0.25, "c": 0.75}]), right).fault
    assert compare(outputs([{"a": 0.75, "b": 0.25}]), right).fault


WANTED = np.array([1.0, 2.0, 2.0, 4.0])


def moved(*by: float) -> tuple[OutputTensor, ...]:
    return outputs(WANTED + np.array(by))


def test_roundings_widen_what_passes_in_both_norms() -> None:
    spread = (Spread(0.4, 0.4, 1.0),)
    near = moved(0.2, -0.2, 0.2, 0.2)
    assert not compare(near, outputs(WANTED), spreads=spread).fault
    # One element alone is too far off, then all of them together.
    single = moved(0.6, 0, 0, 0)
    assert compare(single, outputs(WANTED), spreads=spread).fault
    together = moved(0.4, 0.4, 0.4, 0.4)
    assert "its roundings explain" in compare(together, outputs(WANTED), spreads=spread).fault
    assert compare(near, outputs(WANTED)).fault


def test_one_step_always_passes_for_one_element() -> None:
    one = moved(0, 0.5, 0, 0)
    two = moved(0, 0.5, 0.5, 0)
    assert not compare(one, outputs(WANTED), steps=(0.5,)).fault
    assert compare(two, outputs(WANTED), steps=(0.5,)).fault
    bytes_ = np.array([0, 7, 250], np.uint8)
    assert not compare(outputs(bytes_ + np.uint8([0, 1, 0])), outputs(bytes_), steps=(1.0,)).fault


@given(st.lists(st.floats(-1, 1), min_size=4, max_size=4))
def test_a_draw_is_within_its_own_spread(by: list[float]) -> None:
    draw = moved(*by)
    spreads = spreads_of([draw], outputs(WANTED))
    assert spreads is not None
    assert math.isclose(spreads[0].distance, float(np.linalg.norm(by)), abs_tol=1e-9)
    assert not compare(draw, outputs(WANTED), spreads=spreads).fault


def test_shapes_that_hang_on_rounding_have_no_spread() -> None:
    assert spreads_of([outputs(np.ones(3))], outputs(np.ones(4))) is None
    assert spreads_of([outputs(np.full(4, np.nan))], outputs(np.ones(4))) is None
