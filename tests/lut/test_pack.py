from __future__ import annotations

import math
import zlib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings

from hwprof.codec import CodecError
from hwprof.errors import TableError
from hwprof.lut import rows
from hwprof.lut.pack import check_failure, pack, unpack
from hwprof.measurement import Measurement, Subject
from hwprof.samples import Samples
from hwprof.testing.stores import example_failure, example_measurement
from tests.lut.strategies import measurements


@settings(deadline=None, max_examples=60)
@given(measurements())
def test_what_is_packed_unpacks_to_an_equal_value(measurement: Measurement) -> None:
    packed = pack(measurement)
    assert unpack(packed) == measurement
    assert pack(unpack(packed)) == packed


def test_equal_kernels_are_stored_once_whatever_their_tensors_are_called() -> None:
    measurement = next(m for m in map(example_measurement, range(50)) if m.profile is not None)
    profile = measurement.profile
    assert profile is not None
    first = profile.occurrences[0]
    renamed = replace(
        first.kernel,
        inputs=tuple(
            None if t is None else replace(t, name=f"{t.name}'") for t in first.kernel.inputs
        ),
    )
    twice = replace(profile, occurrences=(first, replace(first, kernel=renamed)))
    packed = pack(replace(measurement, profile=twice)).profile
    assert packed is not None
    assert (len(packed.kernels), len(packed.occurrences)) == (1, 2)


def _with(**changes: object) -> Measurement:
    return replace(example_measurement(3), **changes)  # type: ignore[arg-type]


def _with_steady(steady: Samples) -> Measurement:
    base = example_measurement(3)
    return replace(base, restarts=(replace(base.restarts[0], steady=steady),))


@pytest.mark.parametrize(
    ("measurement", "reason"),
    [
        (_with(id=""), "id"),
        (_with(id="a\nb"), "id"),
        (_with(created_at="yesterday"), "created_at"),
        (_with(created_at="2025-13-01T00:00:00Z"), "month"),
        (_with(created_at="2025-01-01T00:00:00+02:00"), "created_at"),
        (_with(source="guessed"), "source"),
        (_with(plan={"budget_s": math.nan}), "JSON"),
        (_with(plan={"budget_s": math.inf}), "JSON"),
        (_with(plan={"shape": (1, 3)}), "plan|type|Expected"),
        (_with(subject=Subject("caf\udce9.onnx", "ab", ())), "surrogates"),
        (_with(run_id="caf\udce9"), "surrogates"),
        (_with(warnings=[]), "type"),
    ],
)
def test_a_value_that_would_not_come_back_is_refused(measurement: Measurement, reason: str) -> None:
    with pytest.raises(TableError, match=reason) as caught:
        pack(measurement)
    assert str(caught.value).endswith("add it again")


def test_a_failure_that_would_not_come_back_is_refused() -> None:
    for wrong in ({"id": ""}, {"created_at": "now"}, {"subject": "\udcff"}, {"reason": None}):
        with pytest.raises(TableError, match="cannot be stored"):
            check_failure(replace(example_failure(1), **wrong))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("blob", "n"),
    [
        (b"", 0),
        (b"not zlib", 1),
        (rows.pack_floats(np.ones(3)), 2),
        (rows.pack_floats(np.ones(3)), 4),
        (rows.pack_floats(np.ones(3))[:-1], 3),
        (rows.pack_floats(np.ones(3)), -1),
        (rows.pack_floats(np.ones(3)), 2**62),
        (zlib.compress(bytes(10**7)), 3),
    ],
)
def test_an_array_of_the_wrong_length_is_refused(blob: bytes, n: int) -> None:
    with pytest.raises(CodecError):
        rows.unpack_floats(blob, n)


def test_a_row_of_the_wrong_type_is_refused() -> None:
    with pytest.raises(CodecError, match="value"):
        rows.typed(("ab", "x", "2025-01-01T00:00:00Z", "text", "", "{}"), rows.CalibrationRow)
