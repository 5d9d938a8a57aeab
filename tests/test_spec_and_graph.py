from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwprof.codec import from_json, to_json
from hwprof.device_spec import DeviceSpec, Hardware
from hwprof.graph import Kernel, TensorSpec

HARDWARE = Hardware("Linux-x86_64", "Acme 9000", ("avx2",), 4, 1 << 33)
SPEC = DeviceSpec(
    "onnxruntime-cpu",
    HARDWARE,
    "onnxruntime",
    "1.31.1",
    "build",
    "CPU",
    "native",
    1,
    {"opt": "all"},
)


def test_slug_reads_as_hardware_runtime_version_precision() -> None:
    assert SPEC.slug == "acme-9000-4c-onnxruntime-cpu-1.31.1-native-1t-opt-all"
    emulated = replace(SPEC, hardware=replace(HARDWARE, emulated=True))
    assert emulated.slug.endswith("-emulated")


@pytest.mark.parametrize(
    "change",
    [
        {"runtime_build": "vendor"},
        {"threads": 2},
        {"options": {"opt": "basic"}},
        {"precision": "int8"},
        {"hardware": replace(HARDWARE, isa=("avx512f",))},
    ],
)
def test_whatever_changes_speed_changes_the_fingerprint(change: dict[str, object]) -> None:
    assert replace(SPEC, **change).fingerprint != SPEC.fingerprint  # type: ignore[arg-type]


def test_fingerprint_is_stable_and_ignores_the_order_of_options() -> None:
    one = replace(SPEC, options={"a": "1", "b": "2"})
    two = replace(SPEC, options={"b": "2", "a": "1"})
    assert one.fingerprint == two.fingerprint
    assert from_json(to_json(SPEC), DeviceSpec) == SPEC


names = st.text(min_size=1, max_size=6)
tensors = st.builds(
    TensorSpec,
    names,
    st.sampled_from(["float32", "int64"]),
    st.lists(st.integers(1, 9), max_size=4).map(tuple),
    st.booleans(),
)
kernels = st.builds(
    Kernel,
    st.sampled_from(["", "com.microsoft"]),
    st.sampled_from(["Conv", "MatMul"]),
    st.dictionaries(names, names, max_size=3),
    st.lists(st.none() | tensors, max_size=3).map(tuple),
    st.lists(tensors, max_size=2).map(tuple),
)


@given(kernels, names)
def test_a_key_does_not_know_tensor_names(kernel: Kernel, name: str) -> None:
    renamed = replace(
        kernel, inputs=tuple(None if t is None else replace(t, name=name) for t in kernel.inputs)
    )
    assert renamed.key == kernel.key
    assert renamed.key_hash == kernel.key_hash


@given(kernels)
def test_a_key_survives_json(kernel: Kernel) -> None:
    assert from_json(to_json(kernel), Kernel).key == kernel.key


def test_sizes_in_bytes() -> None:
    assert TensorSpec("x", "float32", (2, 3)).nbytes == 24
    assert TensorSpec("x", "int4", (3,)).nbytes == 2
    assert TensorSpec("x", "string", (3,)).nbytes is None
    assert TensorSpec("x", "float32", ()).elements == 1
