"""The cases. Each fault that devices of other makers showed has rows on which it shows again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

from hwprof.testing.adversarial import measured, plain, spaces
from hwprof.testing.adversarial.case import COVERAGE, SEEDS, Case, Measuring
from hwprof.testing.adversarial.oracle import required_error, required_rank
from hwprof.testing.adversarial.targets import CLEAN, TARGETS, Observed
from hwprof.testing.adversarial.world import World, rng_of

RANDOM, DESIGNED = Measuring.RANDOM, Measuring.DESIGNED
SMALLEST, LARGEST = Measuring.SMALLEST, Measuring.LARGEST
_COUNTS = (3, 5, 10, 20, 50)
# Worlds of which a clean target is an ordinary task: no warning stands in for coverage there.
_ORDINARY = ("plain-10", "plain-50", "cells")


@dataclass(frozen=True, slots=True)
class _Block:
    """Rows that differ only in their targets, what is measured, and how much."""

    world: Callable[[], World]
    name: str
    targets: tuple[str, ...]
    counts: tuple[tuple[Measuring, tuple[int, ...]], ...]


_FEW = ((RANDOM, (3, 10, 20)), (DESIGNED, (3, 10)))
_HARDER = ((RANDOM, (3, 10, 20)), (DESIGNED, (3, 10)), (SMALLEST, (3, 10)))
_BLOCKS = (
    _Block(
        partial(plain.plain, 10),
        "plain-10",
        tuple(TARGETS),
        ((RANDOM, _COUNTS), (DESIGNED, (3, 10)), (SMALLEST, (3, 10)), (LARGEST, (10,))),
    ),
    *(
        _Block(partial(plain.plain, count), f"plain-{count}", (CLEAN, "square", "noise 30 %"), _FEW)
        for count in (2, 3, 5, 50)
    ),
    _Block(
        plain.siblings,
        "siblings",
        (CLEAN, "overhead x1"),
        ((RANDOM, (3, 10, 20)), (DESIGNED, (3, 10, 20))),
    ),
    _Block(
        plain.one_kind,
        "one kind",
        (CLEAN, "overhead x1"),
        ((RANDOM, (3, 10, 20)), (DESIGNED, (3, 10, 20))),
    ),
    _Block(
        plain.cubic,
        "cubic",
        (CLEAN,),
        ((RANDOM, _COUNTS), (DESIGNED, (3, 10)), (SMALLEST, (3, 10)), (LARGEST, (10,))),
    ),
    _Block(plain.small_only, "small pool", (CLEAN, "overhead x1"), _HARDER),
    _Block(plain.disjoint, "disjoint", (CLEAN, "times 100"), _HARDER),
    _Block(
        spaces.zoo,
        "zoo",
        (CLEAN, "noise 30 %"),
        ((RANDOM, _COUNTS), (DESIGNED, (3, 10)), (SMALLEST, (3, 10)), (LARGEST, (10,))),
    ),
    _Block(
        spaces.cells_run,
        "cells",
        (CLEAN, "overhead x10"),
        ((RANDOM, (3, 10, 20)), (DESIGNED, (3, 10, 20))),
    ),
    _Block(
        spaces.cells_dropped,
        "cells, dead dropped",
        (CLEAN, "ties", "ticks of 1 ms"),
        ((RANDOM, (3, 10, 20)), (DESIGNED, (3, 10, 20))),
    ),
    _Block(
        spaces.cells_unseen,
        "cells, dead unseen",
        (CLEAN, "overhead x1"),
        ((RANDOM, (3, 10, 20)), (DESIGNED, (3, 5, 10, 20))),
    ),
    *(
        _Block(world, name, (CLEAN,), ((RANDOM, (3, 10, 20)), (DESIGNED, (3, 5, 10, 20))))
        for world, name in (
            (measured.no_pixel, "shipped, no pixel3"),
            (measured.no_phones, "shipped, no phones"),
        )
    ),
    _Block(
        spaces.blocks,
        "blocks",
        (CLEAN, "noise 30 %", "times 100"),
        ((RANDOM, _COUNTS), (DESIGNED, (3, 5, 10))),
    ),
)
# One row per kind of fault, on two pools: seconds in all.
_QUICK = (
    "plain-3, clean, random, k=10",
    "plain-3, square, designed, k=3",
    *(
        f"plain-10, {name}, random, k=10"
        for name in (CLEAN, "ties", "ticks of 1 ms", "reversed", "times 100", "over 100")
    ),
    "plain-10, cube, smallest, k=3",
    "plain-10, square, random, k=50",
    "plain-10, overhead x10, designed, k=10",
    "plain-10, root, largest, k=10",
    "plain-10, noise 60 %, random, k=20",
    "plain-10, outliers 20 %, random, k=20",
)


def cases(pattern: str = "", *, names: Sequence[str] | None = None) -> tuple[Case, ...]:
    """The cases whose name holds `pattern`, or is among `names`; all of them by default.

    Cases of one pool follow each other, and share it: it need be fitted only once.
    """
    return tuple(
        _made(block, target, measuring, k)
        for block, target, measuring, k in _rows()
        if pattern in _name(block, target, measuring, k)
        and (names is None or _name(block, target, measuring, k) in names)
    )


def quick_cases() -> tuple[Case, ...]:
    """A row for each kind of fault, few enough for a test."""
    return cases(names=_QUICK)


def _rows() -> Iterator[tuple[_Block, str, Measuring, int]]:
    for block in _BLOCKS:
        for target in block.targets:
            for measuring, counts in block.counts:
                for k in counts:
                    yield block, target, measuring, k


def _name(block: _Block, target: str, measuring: Measuring, k: int) -> str:
    return f"{block.name}, {target}, {measuring}, k={k}"


@cache
def _observed(block: _Block, target: str) -> Observed:
    world = block.world()
    return TARGETS[target](world.new_s, world.noise, rng_of(block.name, target))


def _made(block: _Block, target: str, measuring: Measuring, k: int) -> Case:
    ordinary = block.name in _ORDINARY and target == CLEAN and measuring in (RANDOM, DESIGNED)
    case = Case(
        name=_name(block, target, measuring, k),
        world=block.world(),
        target=target,
        measuring=measuring,
        k=k,
        observed=_observed(block, target),
        required_coverage=COVERAGE,
        required_rank=-1.0,
        excusable=not ordinary,
    )
    return replace(
        case,
        required_rank=required_rank(case, SEEDS),
        required_error=required_error(case, SEEDS),
    )
