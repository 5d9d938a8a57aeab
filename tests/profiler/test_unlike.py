"""Two results are compared in one thing; whatever else differs is said, and no ratio is given."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwprof.device_spec import Hardware
from hwprof.graph import TensorSpec
from hwprof.measurement import Measurement, Values, WarningCode
from hwprof.profiler.compare import compare_stored, compare_turns
from hwprof.profiler.unlike import threads_swept, unlike
from hwprof.testing.examples import example_measurement
from tests.profiler.results import OTHER, SUBJECT, device, result

GPU = replace(device().hardware, accelerator="Example GPU 1.0")
BOARD = Hardware("Linux-aarch64", "Example board", ("asimd",), 4, 1 << 30)
EMULATED = replace(device().hardware, emulated=True)
LARGER = replace(SUBJECT, inputs=(TensorSpec("x", "float32", (1, 3, 16, 16)),))
EIGHT = replace(SUBJECT, inputs=(TensorSpec("x", "float32", (8, 3, 8, 8)),), batch=8)
GIVEN = replace(SUBJECT, values=(Values("x", "x.npy", "given", "9" * 64),))


@pytest.mark.parametrize(
    ("other", "reasons"),
    [
        (result("b", basis="cpu time"), ("basis", "conditions")),
        (result("b", basis="wall, all"), ("basis",)),
        (result("b", busy_beside=0.9), ("conditions",)),
        (result("b", warned=(WarningCode.CONTENDED,)), ("conditions",)),
        (result("b", source="predicted"), ("origin",)),
        (result("b", source="imported"), ("origin",)),
        (result("b", device=device(2)), ("threads",)),
        (result("b", subject=LARGER), ("inputs",)),
        (result("b", subject=EIGHT), ("batch", "inputs")),
        (result("b", subject=replace(EIGHT, sha256="2" * 64)), ("batch",)),
        (result("b", subject=GIVEN), ("values",)),
        (result("b", device=device(hardware=EMULATED)), ("hardware",)),
        (result("b", subject=OTHER, device=device(hardware=BOARD)), ("device",)),
        (result("b", subject=OTHER, device=device(runtime_version="9")), ("device",)),
        (result("b", subject=OTHER, device=device(precision="int8")), ("device",)),
        (result("b", subject=OTHER, device=device(options={"graph-opt": "no"})), ("device",)),
        (result("b", subject=OTHER, device=device(2)), ("threads",)),
    ],
)
def test_what_makes_two_unlike(other: Measurement, reasons: tuple[str, ...]) -> None:
    for sides in ((result("a"), other), (other, result("a"))):
        compared = compare_stored(*sides)
        assert tuple(reason.partition(":")[0] for reason in compared.unlike) == reasons
        assert compared.different is None
        despite = compared.anyway()
        assert despite.unlike == ()
        assert despite.different is False
        assert despite.ratio == compared.ratio
        told = [note for note in despite.notes if note.startswith("unlike in")]
        assert told == [f"unlike in {reason}" for reason in compared.unlike]


@pytest.mark.parametrize(
    "other",
    [
        result("b"),
        result("b", subject=replace(SUBJECT, name="renamed")),
        # Model against model on one device, each with inputs of its own.
        result("b", subject=OTHER),
        result("b", subject=replace(LARGER, sha256="2" * 64)),
        # Device against device under one model.
        result("b", device=device(hardware=BOARD)),
        result("b", device=device(name="other", runtime="other", runtime_version="9")),
        result("b", device=device(precision="int8")),
        # A GPU's runs bear no marks, and its threads are the caller's.
        result("b", basis="wall, all", device=device(2, hardware=GPU)),
        result("b", warned=(WarningCode.NOISY, WarningCode.UNPINNED)),
    ],
)
def test_what_is_the_point_of_a_comparison(other: Measurement) -> None:
    compared = compare_stored(result("a", 6e-3), other)
    assert compared.unlike == ()
    assert compared.different is True
    assert compared.ratio == pytest.approx(2)


def test_two_that_are_both_beside_others_are_alike() -> None:
    one, two = (result(name, busy_beside=0.9) for name in "ab")
    assert unlike(one, two) == ()


def test_reasons_name_both_sides() -> None:
    (reason,) = unlike(result("a"), result("b", subject=GIVEN))
    assert reason == "values: the inputs of a hold x 0..1, those of b x x.npy (99999999)"
    (reason,) = unlike(result("a", device=device(4)), result("b"))
    assert reason == "threads: a has 4, b has 1"


def test_threads_may_be_what_is_compared() -> None:
    one, two = result("a"), result("b", device=device(2))
    assert threads_swept([one, two])
    assert compare_turns(one, two).unlike == ()
    assert compare_turns(one, two, threads_meant=False).unlike
    other = result("b", device=device(2, name="other"))
    assert not threads_swept([one, other])
    assert threads_swept([one, other, result("c", device=device(1, name="other"))])


def test_sides_measured_in_turns_may_be_unlike_too() -> None:
    compared = compare_turns(result("a"), result("b", basis="cpu time"))
    assert "interleaved" in compared.method
    assert [reason.partition(":")[0] for reason in compared.unlike] == ["basis", "conditions"]
    assert compared.different is None


@given(st.integers(0, 500), st.integers(0, 500))
def test_it_is_the_same_from_either_side(one: int, two: int) -> None:
    a, b = example_measurement(one), example_measurement(two)
    assert len(unlike(a, b)) == len(unlike(b, a))
    assert unlike(a, a) == ()
