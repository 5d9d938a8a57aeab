"""Whether a pool is any good: each of its devices is played as new, and the verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import fmean

from hwprof.errors import OptionError
from hwprof.predictors.pools.playing import LEVEL, Play, Score, known_flops, play
from hwprof.predictors.pools.size import too_small
from hwprof.predictors.pools.stored import StoredPool

# Mean coverage of nominal 90 % intervals below which they mislead: one in four misses.
_LEAST_COVERAGE = 0.75
# Rank correlations that differ by less are equal to two digits.
_SAME = 0.005


@dataclass(frozen=True, slots=True)
class Check:
    """What playing each device of a pool as new has shown."""

    plays: tuple[Play, ...]
    skipped: tuple[str, ...]
    """Why devices were not played, a sentence each."""
    noise: tuple[float | None, ...]
    """Median relative standard error of what was measured on each device, as in `plays`; None where
    none is known. No prediction is better than the measurements it is compared with."""
    flops_reason: str
    """Why FLOPs were not compared; empty where they were."""
    problems: tuple[str, ...]
    """Why the pool is too small, or worth no more than FLOPs, a clause each."""

    @property
    def good(self) -> bool:
        """Whether nothing speaks against predictions from this pool."""
        return not self.problems

    @property
    def verdict(self) -> str:
        """The whole in one sentence."""
        if self.good:
            ranks = (
                "FLOPs were not compared" if self.flops_reason else "it ranks no worse than FLOPs"
            )
            return f"the pool is large enough: {ranks}, and its intervals hold"
        return f"the pool is too small for its space: {'; '.join(self.problems)}"


def check(
    stored: StoredPool,
    k: int = 8,
    seed: int = 0,
    *,
    listen: Callable[[str], object] = lambda device: None,
) -> Check:
    """Play every device of the pool as new, with k designed measurements.

    Takes two fits per device, some seconds each. `listen` is told each device before. Raises
    OptionError for a k below 1, and where no device has more than k measured architectures.
    """
    if k < 1:
        raise OptionError(f"k must be at least 1, but is {k}; 8 are usual")
    pool = stored.pool
    if len(pool.devices) < 3:
        raise OptionError(
            f"the pool has {len(pool.devices)} devices, of which none can be left out: too small "
            "to be checked, or to be of use; measure its architectures on more devices"
        )
    flops, reason = known_flops(stored)
    plays, skipped, noise = [], [], []
    for device, own in zip(pool.devices, stored.repeat_noise, strict=True):
        listen(device)
        try:
            plays.append(play(stored, device, k, flops=flops, seed=seed))
        except OptionError as error:
            skipped.append(str(error))
            continue
        noise.append(own)
    if not plays:
        raise OptionError(skipped[0])
    small = too_small(pool)
    problems = ([small] if small else []) + list(_problems(plays))
    return Check(tuple(plays), tuple(skipped), tuple(noise), reason, tuple(problems))


def mean_of(scores: Iterable[Score], name: str) -> float | None:
    """Mean of one figure over devices; None where none of them has it."""
    found = [value for value in (getattr(score, name) for score in scores) if value is not None]
    return fmean(found) if found else None


def _problems(plays: list[Play]) -> Iterable[str]:
    known = [each.known for each in plays]
    new = [each.new for each in plays if each.new is not None]
    kinds = ((known, "architectures that it holds"), (new, "architectures that it does not hold"))
    for scores, which in kinds:
        rank, flops = mean_of(scores, "rank"), mean_of(scores, "flops_rank")
        if rank is not None and flops is not None and rank < flops - _SAME:
            yield f"it ranks {which} worse than FLOPs alone do ({rank:.3f} against {flops:.3f})"
    if not new:
        yield "too few architectures to tell how others are predicted"
    for scores, which in kinds:
        coverage = mean_of(scores, "coverage")
        if coverage is not None and coverage < _LEAST_COVERAGE:
            yield f"its {LEVEL:.0%} intervals hold {coverage:.0%} of what was measured on {which}"
