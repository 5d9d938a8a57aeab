"""How many inputs a batch's latency stands for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hwprof.latency import Latency


@dataclass(frozen=True, slots=True)
class Throughput:
    """Inputs per second where one batch runs after the other, as it was timed."""

    batch: int
    per_s: float
    """The batch over the headline."""
    ci95_per_s: tuple[float, float] | None
    """The batch over the ends of the headline's 95 % interval; None without one."""


def throughput(latency: Latency, batch: int | None) -> Throughput | None:
    """What `latency` of a run on `batch` inputs comes to; None for an unknown or empty batch."""
    if not batch or latency.headline_s <= 0:
        return None
    ci95 = None
    if latency.ci95_s is not None and latency.ci95_s[0] > 0:
        low_s, high_s = latency.ci95_s
        ci95 = (batch / high_s, batch / low_s)
    return Throughput(batch, batch / latency.headline_s, ci95)
