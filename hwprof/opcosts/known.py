"""Costs of kernels that came from outside: where the tensors do not fit, nothing is known."""

from __future__ import annotations

from hwprof.graph import Kernel
from hwprof.opcosts import flops


def flops_or_none(kernel: Kernel) -> int | None:
    """As `flops`, and None for tensors that do not fit the operator."""
    try:
        return flops(kernel)
    except ValueError:
        return None
