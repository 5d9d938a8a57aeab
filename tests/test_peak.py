"""The bound that no kernel passes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from hwprof.device_spec import DeviceSpec
from hwprof.graph import Kernel, TensorSpec
from hwprof.opcosts.known import flops_or_none
from hwprof.opcosts.peak import CLOCK_HZ, CONVOLUTION, PRODUCT, peak_flops_per_s
from hwprof.testing.examples import example_device


def device(*isa: str, threads: int = 1, cores: int = 8, **more: object) -> DeviceSpec:
    base = example_device(0)
    hardware = replace(base.hardware, isa=isa, cores=cores)
    return replace(base, hardware=hardware, threads=threads, **more)  # type: ignore[arg-type]


def kernel(op: str = "MatMul", dtype: str = "float32") -> Kernel:
    tensor = TensorSpec("t", dtype, (2, 2))
    return Kernel("", op, {}, (tensor, tensor), (tensor,))


@pytest.mark.parametrize(
    ("isa", "dtype", "per_cycle"),
    [
        (("avx2", "avx512f", "fma"), "float32", 64),
        (("avx2", "fma"), "float32", 32),
        (("avx2", "avx512f", "avx512_vnni"), "int8", 512),
        (("avx512f", "amx_tile"), "bfloat16", 4096),
        (("asimd", "asimddp"), "float32", 32),
        (("asimd", "asimddp"), "uint8", 256),
    ],
)
def test_the_widest_instructions_count(isa: tuple[str, ...], dtype: str, per_cycle: int) -> None:
    expected = per_cycle * CLOCK_HZ * PRODUCT
    assert peak_flops_per_s(device(*isa), kernel(dtype=dtype)) == expected


def test_threads_and_cores_bound_each_other() -> None:
    one = peak_flops_per_s(device("avx2"), kernel())
    assert one is not None
    assert peak_flops_per_s(device("avx2", threads=4), kernel()) == 4 * one
    assert peak_flops_per_s(device("avx2", threads=40), kernel()) == 8 * one
    assert peak_flops_per_s(device("avx2", threads=4, cores=0), kernel()) == 4 * one


def test_convolutions_may_do_less_than_is_counted() -> None:
    product, convolution = kernel(), kernel("FusedConv")
    bounds = [peak_flops_per_s(device("avx2"), each) for each in (product, convolution)]
    assert None not in bounds
    assert bounds[1] / bounds[0] == CONVOLUTION / PRODUCT  # type: ignore[operator]


def test_a_device_of_low_precision_may_compute_floats_in_it() -> None:
    wide = peak_flops_per_s(device("avx512f"), kernel())
    narrow = peak_flops_per_s(device("avx512f", precision="bf16"), kernel())
    assert wide is not None
    assert narrow is not None
    assert narrow > wide


def test_an_unknown_processor_has_no_bound() -> None:
    assert peak_flops_per_s(device(), kernel()) is None
    gpu = device("avx2")
    gpu = replace(gpu, hardware=replace(gpu.hardware, accelerator="GPU"))
    assert peak_flops_per_s(gpu, kernel()) is None


def test_kernels_from_outside_may_not_fit_their_operator() -> None:
    scalar = TensorSpec("t", "float32", ())
    assert flops_or_none(Kernel("", "MatMul", {}, (scalar,), (scalar,))) is None
    assert flops_or_none(kernel()) == 16
