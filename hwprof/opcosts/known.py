"""Costs of kernels that came from outside: where they make no sense, nothing is known."""

from __future__ import annotations

from hwprof.graph import Kernel
from hwprof.opcosts import flops

_MOST = 2**63


def flops_or_none(kernel: Kernel) -> int | None:
    """As `flops`, and None for tensors that do not fit, and for a count beyond all others."""
    try:
        count = flops(kernel)
    except ValueError:
        return None
    return count if count is not None and 0 <= count < _MOST else None
