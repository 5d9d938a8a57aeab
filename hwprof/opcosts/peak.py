"""What a processor can do at most: no kernel is faster, whatever a profile says.

A generous bound, to tell a wrong figure from a fast kernel, not an estimate of what can be reached.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hwprof.device_spec import DeviceSpec
from hwprof.graph import Kernel
from hwprof.opcosts.reading import key_of

# No processor that runs networks has a faster clock; the clock that it had may have been lower.
CLOCK_HZ = 6e9
# Winograd's convolutions (Lavin and Gray, CVPR 2016) multiply up to 5.1 times less than is counted,
# at F(6x6, 3x3), and Strassen's matrix products, as MNN has them, some tenths less.
CONVOLUTION = 6.0
PRODUCT = 1.5


@dataclass(frozen=True, slots=True)
class _Rate:
    """Operations per cycle and core: of 32-bit floats, and of the narrowest type there is."""

    wide: int
    narrow: int


# By the flag of /proc/cpuinfo. Two units of 512 bits do 2 x 16 multiply-accumulates per cycle; four
# of 128 bits, as Apple's cores have them, do 4 x 4; matrix units what their makers state (Intel:
# 2048 int8 operations per cycle and core doubled for the pair of tiles; Apple M4: about 2 TFLOP/s).
_RATES: Mapping[str, _Rate] = {
    "sse2": _Rate(16, 64),
    "avx": _Rate(32, 64),
    "avx2": _Rate(32, 128),
    "avx_vnni": _Rate(32, 256),
    "avx512f": _Rate(64, 256),
    "avx512_vnni": _Rate(64, 512),
    "amx_tile": _Rate(64, 4096),
    "neon": _Rate(16, 64),
    "asimd": _Rate(32, 128),
    "asimdhp": _Rate(32, 128),
    "asimddp": _Rate(32, 256),
    "i8mm": _Rate(32, 512),
    "sve": _Rate(128, 1024),
    "sme": _Rate(1024, 8192),
}
_WIDE = frozenset({"float32", "float64", "int32", "int64", "uint32", "uint64", "bool"})


def peak_flops_per_s(device: DeviceSpec, kernel: Kernel) -> float | None:
    """More operations, as `hwprof.opcosts.flops` counts them, than the device can do in a second.

    None for a GPU, and for a processor whose instruction sets are unknown.
    """
    hardware = device.hardware
    known = [_RATES[flag] for flag in hardware.isa if flag in _RATES]
    if hardware.accelerator or not known:
        return None
    # Integer and half-precision kernels, and floats that the device computes in fewer bits.
    narrow = device.precision != "fp32" or any(
        t is not None and t.dtype not in _WIDE for t in (*kernel.inputs, *kernel.outputs)
    )
    cycle = max(rate.narrow if narrow else rate.wide for rate in known)
    spared = CONVOLUTION if "conv" in key_of(kernel)[1].lower() else PRODUCT
    cores = max(1, min(device.threads, hardware.cores or device.threads))
    return cycle * CLOCK_HZ * cores * spared
