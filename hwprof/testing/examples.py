"""Measurements made up from a seed: realistic in form, for tests of what stores or reads them."""

from __future__ import annotations

import hashlib
import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np

from hwprof.conditions import GpuConditions, GpuMoment, OutputAgreement
from hwprof.device_spec import DeviceSpec, Hardware
from hwprof.graph import Kernel, TensorSpec
from hwprof.lut.entries import Calibration
from hwprof.measurement import (
    Energy,
    EnergyReading,
    Failure,
    Measurement,
    MeasurementWarning,
    Memory,
    PlanValue,
    Provenance,
    Restart,
    StopReason,
    Subject,
    Values,
    WarningCode,
)
from hwprof.profile import KernelOccurrence, Profile
from hwprof.samples import Samples

_EPOCH = datetime(2025, 1, 1, tzinfo=UTC)


def example_device(seed: int = 0) -> DeviceSpec:
    """One of eight devices: a CPU with 1 to 8 threads. Equal seeds give equal devices."""
    hardware = Hardware(
        system="Linux-x86_64",
        cpu="Example CPU @ 2.50GHz",
        isa=("avx2", "avx512f", "fma"),
        cores=8,
        memory_bytes=16 * 2**30,
    )
    return DeviceSpec(
        name="onnxruntime-cpu",
        hardware=hardware,
        runtime="onnxruntime",
        runtime_version="1.20.1",
        runtime_build="Release",
        provider="CPUExecutionProvider",
        precision="fp32",
        threads=seed % 8 + 1,
        options={"graph-opt": "all", "spinning": "off"},
    )


def example_measurement(seed: int) -> Measurement:
    """A measurement whose every part depends on `seed` alone; optional parts come and go with it.

    One to three restarts of 8 to 60 samples each, in about 20 kB; ids of different seeds differ
    from their first digits on.
    """
    rng = random.Random(seed)  # noqa: S311 - made-up data, nothing to guess
    # Of their own, so that a new warning does not change everything else.
    told = random.Random(f"warnings {seed}")  # noqa: S311
    device = example_device(rng.randrange(8))
    subject = _subject(rng)
    measurement = Measurement(
        id=_digest("measurement", seed)[:32],
        run_id=_digest("run", seed // 5)[:32],
        created_at=_time(seed),
        subject=subject,
        device=device,
        plan=example_plan(rng.randrange(3)),
        restarts=tuple(_restart(rng, seed, i) for i in range(rng.randint(1, 3))),
        memory=_memory(rng),
        energy=_energy(rng),
        provenance=_provenance(rng, seed),
        warnings=tuple(
            MeasurementWarning(code, f"the machine was {code.value}, say «{seed}»: quieten it")
            for code in WarningCode
            if told.random() < 0.3
        ),
        profile=_profile(rng) if rng.random() < 0.7 else None,
        source=rng.choice(("measured", "measured", "measured", "imported")),
        tags=(("nightly", "before the change")[: seed % 3]),
    )
    if measurement.profile is not None:
        return measurement
    return replace(measurement, profile_reason="the runtime has no profile; use another")


def example_plan(seed: int = 0) -> dict[str, PlanValue]:
    """A plan with a value of every type that a plan may hold."""
    return {
        "kind": "hot",
        "budget_s": 10.0 + seed,
        "restarts": 3,
        "per_op": True,
        "precision": 0.01,
        "warmup": None,
    }


def example_failure(seed: int) -> Failure:
    """A failure, as `example_measurement`."""
    return Failure(
        id=_digest("failure", seed)[:32],
        run_id=_digest("run", seed // 5)[:32],
        created_at=_time(seed),
        subject=f"models/broken_{seed}.onnx",
        device=example_device(seed).name,
        reason='the model holds the unknown op "Frobnicate": export it, with, other ops',
    )


def example_calibration(seed: int) -> Calibration:
    """A calibration of `example_device(seed)`, as `example_measurement`."""
    rng = random.Random(seed)  # noqa: S311 - made-up data, nothing to guess
    return Calibration(
        device=example_device(seed),
        name="node_cost_s",
        value=rng.uniform(1e-7, 1e-5),
        created_at=_time(seed),
        source=f"least squares over {rng.randint(2, 9)} models",
    )


def _digest(kind: str, seed: int) -> str:
    return hashlib.sha256(f"{kind} {seed}".encode()).hexdigest()


def _time(seed: int) -> str:
    return (_EPOCH + timedelta(seconds=seed)).isoformat().replace("+00:00", "Z")


def _subject(rng: random.Random) -> Subject:
    number = rng.randrange(20)
    size = rng.choice((32, 64, 224))
    inputs = [TensorSpec("data", "float32", (1, 3, size, size))]
    if rng.random() < 0.3:
        inputs.append(TensorSpec('länge, in "Zeichen"', "int64", (1,)))
    values = tuple(_values(rng, tensor.name) for tensor in inputs[1:])
    name = rng.choice(("resnet", "mobilenet", "密度网络"))
    return Subject(f"{name}_{number}", _digest("model", number), tuple(inputs), 1, values)


def _values(rng: random.Random, name: str) -> Values:
    number = len(name)
    return (
        Values(name, "0..50256", decides="how often Loop 'generate' repeats"),
        Values(name, "ids.npz", "given", _digest("values", number)),
        Values(name, "0..1"),
    )[rng.getrandbits(16) % 3]


def _samples(rng: random.Random, n: int, center_s: float) -> Samples:
    noise = np.random.default_rng(rng.randrange(2**32))
    cpu = center_s * (1 + 0.05 * noise.exponential(size=n))
    switches = noise.poisson(0.3, size=n).astype(np.int64)
    wall = cpu + switches * 0.001
    counted = rng.random() < 0.8
    return Samples(
        wall,
        cpu if counted or rng.random() < 0.5 else None,
        switches if counted else None,
        rng.choice((1, 1, 10)),
        # On one thread there is no other that could have run.
        cpu * float(noise.uniform(1, 2)) if counted and noise.random() < 0.7 else None,
        wall - cpu if counted and noise.random() < 0.7 else None,
    )


def _restart(rng: random.Random, seed: int, position: int) -> Restart:
    center_s = rng.uniform(0.0005, 0.05)
    return Restart(
        setup_s=rng.uniform(0.01, 0.5),
        first_run_s=center_s * 3,
        warmup=_samples(rng, rng.choice((0, 5)), center_s),
        steady=_samples(rng, rng.randint(8, 60), center_s),
        stop=rng.choice(tuple(StopReason)),
        started_at=_time(seed + position),
    )


def _memory(rng: random.Random) -> Memory:
    if rng.random() < 0.2:
        return Memory(absent={"peak_rss_bytes": "the system does not tell"})
    baseline = rng.randrange(10**7, 10**8)
    return Memory(baseline, baseline + rng.randrange(10**9), weights_bytes=rng.randrange(10**8))


def _energy(rng: random.Random) -> Energy:
    if rng.random() < 0.5:
        return Energy(reason="absent: this machine has no energy sensor")
    return Energy(
        EnergyReading(
            sensor="rapl",
            domain="package-0",
            runs=rng.randint(10, 1000),
            window_s=2.0,
            gross_j=rng.uniform(10, 100),
            idle_window_s=1.5,
            idle_j=rng.uniform(1, 9),
            sample_period_s=0.001,
        )
    )


def _provenance(rng: random.Random, seed: int) -> Provenance:
    return Provenance(
        hwprof_version="0.1.0",
        python_version="3.11.7",
        kernel="6.1.0",
        affinity=(0, 2) if rng.random() < 0.5 else None,
        pinned=rng.random() < 0.5,
        governor=rng.choice((None, "performance")),
        load_average_before=rng.uniform(0, 2),
        steal_share=rng.choice((None, 0.0, 0.02)),
        memory_available_bytes=rng.randrange(2**40),
        timing_overhead_s=None if seed % 4 == 0 else 2.1e-07 * (seed % 4),
        outputs=_OUTPUTS[seed % len(_OUTPUTS)],
        host=f"bench-{seed % 3}.example" if seed % 5 else None,
        git_commit=_digest("commit", seed)[:40] if seed % 2 else None,
        gpu=_gpu(seed) if seed % 3 == 1 else None,
        legacy_notes={"note": 'comma, "quote",\nnew line; tab\t; ünïcödé ✓'} if seed % 2 else {},
    )


_OUTPUTS = (
    OutputAgreement("ONNX Runtime", "fp32", 1.2345678e-06, 1e-3),
    None,
    OutputAgreement("eager PyTorch", "int8", 0.0625, None),
    OutputAgreement(precision="fp32", reason="no reference opens '.tflite' files"),
)


def _gpu(seed: int) -> GpuConditions:
    cool = GpuMoment(1.98e9, 2.619e9, 41.0, 75.5, 700.0, ("idle",))
    return GpuConditions(
        name="Example GPU",
        uuid=f"GPU-{_digest('gpu', seed)[:12]}",
        before=cool,
        after=GpuMoment(1.755e9, None, 64.0, 655.25, 700.0, ("power cap",)) if seed % 2 else cool,
        slowed_s={"power": 0.4375 * (seed % 2), "heat": 0.0},
        slowing=("power cap",) if seed % 2 else (),
    )


def _kernel(rng: random.Random, position: int) -> Kernel:
    channels = rng.choice((8, 16, 32))
    data = TensorSpec(f"t{position}", "float32", (1, channels, 28, 28))
    out = TensorSpec(f"t{position + 1}", "float32", (1, channels, 28, 28))
    if rng.random() < 0.5:
        weight = TensorSpec(f"w{position}", "float32", (channels, channels, 3, 3), constant=True)
        attributes = {"kernel_shape": "3,3", "activation": "Relu"}
        return Kernel("com.microsoft", "FusedConv", attributes, (data, weight, None), (out,))
    axes = TensorSpec(f"axes{position}", "int64", (2,), constant=True, value=(2, 3))
    return Kernel("", "ReduceMean", {"keepdims": "1"}, (data, axes), (out, None))


def _profile(rng: random.Random) -> Profile:
    runs = rng.randint(1, 12)
    noise = np.random.default_rng(rng.randrange(2**32))
    occurrences = tuple(
        KernelOccurrence(
            name=f"block.{i}/op",
            kernel=_kernel(rng, i),
            provider="CPUExecutionProvider",
            durations_s=noise.uniform(1e-6, 1e-3, size=runs),
            source_nodes=(f"conv_{i}", f"relu_{i}"),
            calls=rng.choice((1, 1, 1, 0, 12)),
            passes=3 if (runs + i) % 4 == 0 else 0,
        )
        for i in range(rng.randint(1, 8))
    )
    known = rng.random() < 0.7
    run_wall_s = noise.uniform(1e-3, 1e-2, size=runs)
    return Profile(
        occurrences,
        run_wall_s=run_wall_s,
        run_switches=noise.poisson(0.2, size=runs).astype(np.int64) if known else None,
        node_cost_s=rng.uniform(1e-7, 1e-5) if known else None,
        node_cost_source="calibration" if known else "",
        uncovered=("shape_3",) if rng.random() < 0.2 else (),
        node_cost_reason="" if known else "the chains do not run; update the runtime",
        mapping="by tensor names, from the outputs backwards" if known else "",
        run_cpu_s=run_wall_s * 0.99 if known else None,
        run_waited_s=run_wall_s * 0.01 if known else None,
        pass_cost_s=1e-6 if known and runs % 2 else None,
        never_ran=("If 'cache', else_branch",) if known and runs % 2 else (),
    )
