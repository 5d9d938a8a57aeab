"""What the operators of a network have to do, as latencies of idealised machines."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from itertools import chain
from operator import attrgetter

BALANCES = (2, 4, 8)
"""Multiply-accumulates that the machines of the rooflines do while they move one byte."""

USUAL_TAPS = 25
"""Of the largest depthwise kernel that runtimes have a routine for: 5x5."""


@dataclass(frozen=True, slots=True)
class Work:
    """Each number is how long a network takes on one idealised machine, in that machine's unit.

    They are sums over the operators, one by one and as `hwprof.opcosts` counts them: nothing is
    fused, and views are no operators. A number is 0 only where a network has nothing of the kind.
    """

    arithmetic: int = 0
    """Multiply-accumulates of learned weights, depthwise ones apart: dense and grouped
    convolutions, linear layers."""
    depthwise: int = 0
    """Multiply-accumulates of convolutions that see one channel each, which many machines do much
    more slowly than others."""
    wide_depthwise: int = 0
    """Those of them whose kernel has more than 25 taps: runtimes have routines of their own for
    3x3 and 5x5 (XNNPACK: 9 and 25 taps), and slower ones for all else."""
    attention: int = 0
    """Multiply-accumulates of activations with each other: queries with keys, shares with
    values."""
    traffic: int = 0
    """Bytes read, weights and constants included, and written, each tensor once per operator: a
    machine that takes no time to compute."""
    operators: int = 0
    """How many operators there are: a machine that takes its time to start each."""
    roofline_2: int = 0
    """The greater of all multiply-accumulates and 2 per byte of traffic, operator by operator
    (Williams et al., Roofline, CACM 2009): a machine that is short of arithmetic."""
    roofline_4: int = 0
    """The same with 4 per byte."""
    roofline_8: int = 0
    """The same with 8 per byte: a machine that is short of bandwidth."""
    layers: tuple[tuple[int, int], ...] = field(default=(), compare=False, repr=False, kw_only=True)
    """Multiply-accumulates and bytes of traffic of each operator, for machines of any balance
    (`hwprof.spaces.layers`); empty where only sums are known. No number of `NAMES`."""

    @classmethod
    def of(
        cls,
        traffic: int,
        arithmetic: int = 0,
        depthwise: int = 0,
        attention: int = 0,
        *,
        taps: int = 0,
    ) -> Work:
        """What one operator has to do; `taps` are those of a depthwise kernel."""
        products = arithmetic + depthwise + attention
        two, four, eight = (max(products, balance * traffic) for balance in BALANCES)
        wide = depthwise if taps > USUAL_TAPS else 0
        return cls(
            *(arithmetic, depthwise, wide, attention, traffic, 1, two, four, eight),
            layers=((products, traffic),),
        )

    @classmethod
    def total(cls, works: Iterable[Work]) -> Work:
        """What several operators or networks have to do together."""
        found = [*works]
        layers = tuple(chain.from_iterable(work.layers for work in found))
        sums = {name: sum(getattr(work, name) for work in found) for name in NAMES}
        return replace(cls(), layers=layers, **sums)

    @property
    def numbers(self) -> tuple[int, ...]:
        """One per name of `NAMES`."""
        found: tuple[int, ...] = _NUMBERS(self)
        return found

    @property
    def products(self) -> int:
        """All multiply-accumulates."""
        return self.arithmetic + self.depthwise + self.attention


NAMES = tuple(each.name for each in fields(Work) if each.name != "layers")
"""Names of the numbers of `Work`, in their order."""
_NUMBERS = attrgetter(*NAMES)
