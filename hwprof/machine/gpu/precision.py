"""Which precisions a GPU computes in itself, by its compute capability.

A library given a precision that the hardware lacks uses another one and says nothing. Source:
CUDA C++ Programming Guide, "Compute Capabilities", and the tuning guides of Volta and Ampere.
"""

from __future__ import annotations

from collections.abc import Mapping

from hwprof.errors import DeviceError

# Tensor cores for the type; fp16 arithmetic exists from 5.3 on, and pays from Volta on.
NEEDS: Mapping[str, tuple[int, int]] = {
    "tf32": (8, 0),
    "bf16": (8, 0),
    "fp16": (5, 3),
    "int8": (6, 1),
}


def refuse_unsupported(precision: str, capability: tuple[int, int], gpu: str) -> None:
    """Raise DeviceError when a GPU of that compute capability lacks `precision`."""
    needed = NEEDS.get(precision, (0, 0))
    if capability < needed:
        have, need = (".".join(map(str, version)) for version in (capability, needed))
        raise DeviceError(
            f"{gpu} has compute capability {have}, and {precision} needs {need}: it would be "
            "computed in another precision; use precision=fp32, or a newer GPU"
        )
