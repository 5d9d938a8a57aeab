"""XNNPACK's words, and aligning what ran with what was asked for."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwprof.devices import xnnpack


def test_names_without_types_and_numbers() -> None:
    assert xnnpack.base_of("Convolution (NHWC, F32) IGEMM #12") == "Convolution"
    assert xnnpack.base_of("Invalid Unary Op #1") == "Invalid Unary Op"
    assert xnnpack.stem_of("Fully Connected (NC, F32) GEMM") == "fullyconnected"
    assert xnnpack.kind_of("Concatenate3") == "concatenate"
    assert xnnpack.kind_of("DEPTHWISE_CONV_2D") == xnnpack.kind_of("DepthwiseConv2d")


@pytest.mark.parametrize(
    ("kernel", "kind"),
    [
        ("Fully Connected (NC, F32) GEMM", "Conv2d"),
        ("Copy (NC, X32)", "Concatenate2"),
        ("Invalid Unary Op #1", "Hardswish"),
        ("HardSwish (NC)", "Hardswish"),
        ("Leaky ReLU (NC, F32)", "LeakyReLU"),
        ("Softmax (NC, F32)", "Softmax"),
    ],
)
def test_a_kernel_may_compute_what_it_is_not_called_after(kernel: str, kind: str) -> None:
    assert xnnpack.computes(xnnpack.stem_of(kernel), xnnpack.kind_of(kind))
    assert not xnnpack.computes(xnnpack.stem_of(kernel), "argmaxpooling2d")


def aligned(
    operators: str, kernels: str, *, most: int = 1, early: bool = False, without: float = 1.0
) -> list[int | None]:
    """Letters stand for kinds; an equal letter is a kernel of an operator's kind."""
    costs = xnnpack.Costs(
        [without] * len(operators),
        1.0,
        lambda o, k: 0.0 if operators[o] == kernels[k] else 2.0,
        most,
        early,
    )
    return xnnpack.align(costs, len(kernels))


def test_what_is_missing_or_nobodys_does_not_derail_the_rest() -> None:
    assert aligned("abcad", "xabad") == [None, 0, 1, 3, 4]
    assert aligned("", "ab") == [None, None]
    assert aligned("ab", "") == []


def test_an_operator_takes_as_many_kernels_as_it_may_have() -> None:
    assert aligned("ab", "aaab", most=3) == [0, 0, 0, 1]
    assert aligned("ab", "aab") == [None, 0, 1]


def test_between_equals_the_earlier_or_the_later_is_preferred() -> None:
    assert aligned("aa", "a", early=True) == [0]
    assert aligned("aa", "a") == [1]


@given(st.text("abc", max_size=30), st.text("abcx", max_size=30), st.integers(1, 4), st.booleans())
def test_places_never_decrease_and_fit(ops: str, kernels: str, most: int, early: bool) -> None:
    places = aligned(ops, kernels, most=most, early=early)
    met = [(place, k) for k, place in enumerate(places) if place is not None]
    assert [place for place, _ in met] == sorted(place for place, _ in met)
    assert all(ops[place] == kernels[k] for place, k in met)
    assert len(met) >= longest_common(ops, kernels) if most == 1 else True
    assert max((places.count(p) for p, _ in met), default=0) <= most


def longest_common(a: Sequence[str], b: Sequence[str]) -> int:
    """Length of the longest common subsequence: the most that can be matched one to one."""
    row = [0] * (len(b) + 1)
    for x in a:
        before = row
        row = [0]
        for j, y in enumerate(b):
            row.append(before[j] + 1 if x == y else max(before[j + 1], row[j]))
    return row[-1]
