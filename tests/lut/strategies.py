"""Measurements as wild as their types allow, for property tests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from hwprof.conditions import GpuConditions, GpuMoment, OutputAgreement
from hwprof.graph import Kernel, TensorSpec
from hwprof.lut.entries import Calibration
from hwprof.measurement import Energy, Measurement, Memory, Restart, StopReason, Subject, Values
from hwprof.profile import KernelOccurrence, Profile
from hwprof.samples import FloatArray, IntArray, Samples
from hwprof.testing.examples import example_device
from hwprof.testing.stores import example_failure, example_measurement

texts = st.text(max_size=12)
floats = st.floats(allow_nan=False, allow_infinity=False)
# What a machine can take: other figures are refused (tests/lut/test_plausible.py).
seconds = st.floats(min_value=1e-9, max_value=1e6)
figures = st.floats(min_value=-1e6, max_value=1e6)
int64s = st.integers(-(2**63), 2**63 - 1)
ids = st.text("0123456789abcdef", min_size=1, max_size=32)
times = st.datetimes().map(lambda t: t.isoformat() + "Z")
notes = st.dictionaries(texts, texts, max_size=2)
plans = st.dictionaries(texts, st.none() | st.booleans() | int64s | floats | texts, max_size=4)


def float_arrays(n: int, elements: st.SearchStrategy[float]) -> st.SearchStrategy[FloatArray]:
    return st.lists(elements, min_size=n, max_size=n).map(lambda v: np.array(v, dtype=np.float64))


def int_arrays(n: int) -> st.SearchStrategy[IntArray]:
    return st.lists(int64s, min_size=n, max_size=n).map(lambda v: np.array(v, dtype=np.int64))


tensors = st.builds(
    TensorSpec,
    name=texts,
    dtype=st.sampled_from(["float32", "int64", "string"]),
    shape=st.lists(st.integers(0, 2**11), max_size=4).map(tuple),
    constant=st.booleans(),
    value=st.none() | st.lists(int64s, max_size=3).map(tuple),
)

# Few operators and attribute names, so that keys collide with unlike contents.
kernels = st.builds(
    Kernel,
    domain=st.sampled_from(["", "ai.onnx", "com.microsoft"]),
    op=st.sampled_from(["Conv", "Gemm"]),
    attributes=st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from(["1", "1;b=2", "2"])),
    inputs=st.lists(st.none() | tensors, max_size=3).map(tuple),
    outputs=st.lists(st.none() | tensors, max_size=2).map(tuple),
)


@st.composite
def samples(draw: st.DrawFn, least: int = 0) -> Samples:
    n = draw(st.integers(least, 12))
    return Samples(
        draw(float_arrays(n, seconds)),
        draw(st.none() | float_arrays(n, seconds)),
        draw(st.none() | int_arrays(n)),
        draw(st.integers(1, 100)),
        draw(st.none() | float_arrays(n, seconds)),
        draw(st.none() | float_arrays(n, seconds)),
    )


@st.composite
def profiles(draw: st.DrawFn) -> Profile:
    runs = draw(st.integers(0, 5))
    occurrences = draw(
        st.lists(
            st.builds(
                KernelOccurrence,
                name=texts,
                kernel=kernels,
                provider=texts,
                durations_s=float_arrays(runs, figures),
                calls=st.integers(0, 9),
                source_nodes=st.lists(texts, max_size=2).map(tuple),
            ),
            max_size=4,
        )
    )
    return Profile(
        tuple(occurrences),
        draw(float_arrays(runs, figures)),
        draw(st.none() | int_arrays(runs)),
        draw(st.none() | figures),
        draw(texts),
        tuple(draw(st.lists(texts, max_size=2))),
        draw(texts),
        draw(texts),
        draw(st.none() | float_arrays(runs, figures)),
        draw(st.none() | float_arrays(runs, figures)),
        tuple(draw(st.lists(texts, max_size=2))),
    )


restarts = st.builds(
    Restart,
    setup_s=seconds,
    first_run_s=seconds,
    warmup=samples(),
    steady=samples(least=1),
    stop=st.sampled_from(StopReason),
    started_at=texts,
)


agreements = st.builds(
    OutputAgreement, texts, texts, error=floats, allowed=st.none() | floats
) | st.builds(OutputAgreement, texts, texts, reason=st.text(min_size=1, max_size=12))

moments = st.builds(
    GpuMoment,
    *[st.none() | floats] * 5,
    limits=st.lists(texts, max_size=2).map(tuple),
)

gpus = st.builds(
    GpuConditions,
    name=texts,
    uuid=texts,
    before=moments,
    after=moments,
    slowed_s=st.dictionaries(texts, floats, max_size=2),
    slowing=st.lists(texts, max_size=2).map(tuple),
)


values = st.builds(
    Values,
    name=texts,
    text=texts,
    origin=st.sampled_from(["made up", "given"]),
    sha256=texts,
    decides=texts,
)


@st.composite
def measurements(draw: st.DrawFn) -> Measurement:
    base = example_measurement(draw(st.integers(0, 1000)))
    return replace(
        base,
        id=draw(ids),
        run_id=draw(texts),
        created_at=draw(times),
        subject=Subject(
            draw(texts),
            draw(texts),
            tuple(draw(st.lists(tensors, max_size=2))),
            draw(st.none() | int64s),
            tuple(draw(st.lists(values, max_size=2))),
        ),
        plan=draw(plans),
        restarts=tuple(draw(st.lists(restarts, min_size=1, max_size=3))),
        memory=Memory(
            weights_bytes=draw(st.none() | st.integers(0, 2**60)), absent={draw(texts): draw(texts)}
        ),
        energy=draw(st.sampled_from([base.energy, Energy(reason="absent: none")])),
        provenance=replace(
            base.provenance,
            host=draw(st.none() | texts),
            git_commit=draw(st.none() | texts),
            timing_overhead_s=draw(st.none() | floats),
            outputs=draw(st.none() | agreements),
            gpu=draw(st.none() | gpus),
            legacy_notes=draw(notes),
        ),
        profile=draw(st.none() | profiles()),
        profile_reason=draw(texts),
        tags=tuple(draw(st.lists(texts, max_size=2))),
    )


failures = st.builds(
    lambda identity, seed, created_at, subject, device, reason: replace(
        example_failure(seed),
        id=identity,
        created_at=created_at,
        subject=subject,
        device=device,
        reason=reason,
    ),
    ids,
    st.integers(0, 99),
    times,
    texts,
    texts,
    texts,
)

calibrations = st.builds(
    Calibration,
    device=st.integers(0, 7).map(example_device),
    name=st.sampled_from(["node_cost_s", "timer_cost_s"]),
    value=figures,
    created_at=times,
    source=texts,
    legacy_notes=notes,
)
