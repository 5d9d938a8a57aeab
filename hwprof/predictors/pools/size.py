"""Whether a pool is large enough to learn devices from, as far as that can be said without fits."""

from __future__ import annotations

from hwprof.predictors.pool import DevicePool

# With fewer, too little is left to judge intervals by once one of them is played as new.
LEAST_DEVICES = 4
# The smallest pools that were tried and ranked no worse than FLOPs had so many.
LEAST_ARCHITECTURES = 20


def too_small(pool: DevicePool) -> str | None:
    """Why predictions from this pool may be worth less than counting FLOPs; None where not.

    A rule of thumb over the pool's size, in no time; `checking.check` plays it.
    """
    few = []
    if len(pool.devices) < LEAST_DEVICES:
        few.append(f"{len(pool.devices)} devices, where fewer than {LEAST_DEVICES} do not tell how "
                   "devices differ")  # fmt: skip
    measured = int(pool.measured.any(axis=1).sum())
    if measured < LEAST_ARCHITECTURES:
        few.append(
            f"{measured} architectures, where fewer than {LEAST_ARCHITECTURES} may predict others "
            "worse than FLOPs alone"
        )
    return f"the pool has {' and '.join(few)}; measure more" if few else None
