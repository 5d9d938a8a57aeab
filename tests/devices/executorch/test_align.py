"""Operators that ran, held against operators that XNNPACK was given."""

from __future__ import annotations

from hwprof.convert.executorch.xnnpack_graph import XnnOperator
from hwprof.devices.executorch.align import Ran, align
from hwprof.graph import TensorSpec

X = (TensorSpec("x", "float32", (1,)),)


def operators(*kinds: str, clamped: bool = False) -> list[XnnOperator]:
    return [XnnOperator(kind, i, {}, X, X, clamped) for i, kind in enumerate(kinds)]


def test_other_names_are_recognised() -> None:
    given = operators("StaticTranspose", "Conv2d", "Concatenate3", "Multiply", "Gelu")
    ran = [
        *("Transpose (ND, X32) #1", "Fully Connected (NC, F32) GEMM #1", "Copy (NC, X32) #1"),
        *("Square (NC) #1", "GELU (NC) #1"),
    ]
    assert align(ran, given) == [Ran(i) for i in range(5)]


def test_what_was_fused_is_passed_over() -> None:
    given = operators("StaticConstantPad", "Conv2d", "Clamp", "StaticReshape", "Conv2d", "Clamp")
    ran = ["Convolution (NHWC, F32) #1", "Convolution (NHWC, F32) #2", "Clamp (NC) #1"]
    assert align(ran, given) == [Ran(1), Ran(4), Ran(5)]


def test_a_bound_may_run_as_a_step_of_its_own() -> None:
    given = operators("Add", clamped=True) + operators("Softmax")
    assert align(["Add (ND) #1", "Clamp (NC) #1", "Softmax (NC) #1"], given) == [
        Ran(0),
        Ran(0, only_clamp=True),
        Ran(1),
    ]
    assert align(["Add (ND) #1", "Softmax (NC) #1"], given) == [Ran(0), Ran(1)]


def test_what_is_likely_to_vanish_gives_way_to_what_is_not() -> None:
    table = ["Invalid Unary Op #1"]
    assert align(table, operators("Convert", "Sigmoid", "Convert")) == [Ran(1)]
    copy = ["Copy (NC, X32) #1"]
    assert align(copy, operators("StaticReshape", "Concatenate2")) == [Ran(1)]
    assert align(copy, operators("Concatenate2", "StaticReshape")) == [Ran(0)]


def test_unknown_steps_and_lost_ones_do_not_derail_the_rest() -> None:
    given = operators("Conv2d", "Sigmoid", "Multiply", "Conv2d", "Softmax")
    ran = [
        *("Pack LH (F32) #1", "Convolution (NHWC, F32) #1", "Invalid Unary Op #1"),
        *("Convolution (NHWC, F32) #2", "Softmax (NC, F32) #1"),
    ]
    assert align(ran, given) == [None, Ran(0), Ran(1), Ran(3), Ran(4)]


def test_nothing_ran() -> None:
    assert align([], operators("Add")) == []
    assert align(["Add (ND) #1"], []) == [None]
