"""What HELP takes from a pool before it learns."""

from __future__ import annotations

import numpy as np

from hwprof.errors import OptionError
from hwprof.predictors.base import IntArray
from hwprof.predictors.baselines.nnls import DeviceMixture
from hwprof.predictors.baselines.profiles import Profiles
from hwprof.predictors.fewshot.checks import check_rows
from hwprof.predictors.help.episodes import Task, make_task
from hwprof.predictors.help.options import HelpOptions
from hwprof.predictors.help.ranks import rank_correlation
from hwprof.predictors.pool import MIN_DEVICES, DevicePool


def choose_references(pool: DevicePool, options: HelpOptions, seed: int) -> IntArray:
    """Rows of the reference architectures. Raises OptionError for rows outside the pool."""
    if options.references is not None:
        return check_rows(options.references, pool.rows, "references")
    # Measured on as many devices as can be: an embedding of guesses says little.
    shared = pool.measured.sum(axis=1)
    order = np.random.default_rng(seed).permutation(pool.rows)
    best = order[np.argsort(-shared[order], kind="stable")][: options.reference_count]
    if len(best) < 2:
        raise OptionError("the pool has fewer than 2 architectures; HELP needs references")
    return best


def learning_pool(pool: DevicePool, options: HelpOptions) -> DevicePool:
    """The pool without the validation devices.

    Raises OptionError for validation devices that the pool does not have, and when fewer than two
    devices are left to learn from.
    """
    unknown = [name for name in options.validation if name not in pool.devices]
    if unknown:
        raise OptionError(
            f"validation names {unknown[0]!r}, which the pool does not have; choose among "
            f"{', '.join(pool.devices)}"
        )
    left = [name for name in pool.devices if name not in options.validation]
    if len(left) < MIN_DEVICES:
        raise OptionError(
            f"validation leaves {len(left)} devices; leave at least {MIN_DEVICES} to learn from"
        )
    return pool if len(left) == len(pool.devices) else pool.subset(left)


def pool_tasks(pool: DevicePool, references: IntArray, seed: int) -> tuple[Task, ...]:
    """One task per device; reference latencies that were not measured are smoothed ones."""
    reference = pool.values[references]
    missing = np.isnan(reference)
    if missing.any():
        profiles = Profiles.of(pool, None, seed)
        smoothed = profiles.rows[references] * profiles.smoothed.scale_s
        reference = np.where(missing, smoothed, reference)
    return tuple(
        make_task(name, pool.values[:, j], reference[:, j]) for j, name in enumerate(pool.devices)
    )


def plain_score(mixture: DeviceMixture, tasks: tuple[Task, ...]) -> float:
    """Rank correlation that the mean of the mixture's devices reaches on the tasks."""
    mean = mixture.known.inputs.mean(axis=1)
    return float(np.mean([rank_correlation(mean[task.rows], task.unit) for task in tasks]))
