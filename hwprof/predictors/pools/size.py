"""Whether a pool is large enough to learn devices from, as far as that can be said without fits."""

from __future__ import annotations

from hwprof.predictors.pool import DevicePool

# With fewer, nothing is left to judge intervals by once one is played as new.
LEAST_DEVICES = 4


def too_small(pool: DevicePool, space: str | None = None) -> str | None:
    """Why predictions from this pool may be worth less than counting FLOPs; None where not.

    A rule of thumb over the pool's size and its space, in no time; `checking.check` plays it.
    """
    if len(pool.devices) < LEAST_DEVICES:
        return (
            f"the pool has {len(pool.devices)} devices: fewer than {LEAST_DEVICES} do not tell how "
            "devices differ; measure its architectures on more"
        )
    return None
