"""Which of the operators that ExecuTorch handed to XNNPACK each operator that ran was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from hwprof.convert.executorch.xnnpack_graph import XnnOperator
from hwprof.devices import xnnpack

# They move data or bound it: XNNPACK drops or fuses them where it can.
_ELIDED = xnnpack.LAYOUT | {"clamp", "staticconstantpad", "convert"}

_FIT, _MISFIT = -4.0, float("inf")
_WITHOUT_ELIDED, _WITHOUT, _STRAY = 0.0, 2.0, 1.0


@dataclass(frozen=True, slots=True)
class Ran:
    """What an event was: an operator, or the bounding of its output as a step of its own."""

    operator: int
    only_clamp: bool = False


def moves(operator: XnnOperator) -> bool:
    """Whether an operator only changes how a tensor lies in memory."""
    return xnnpack.kind_of(operator.kind) in xnnpack.LAYOUT


def align(events: Sequence[str], operators: Sequence[XnnOperator]) -> list[Ran | None]:
    """For each event what it was, in increasing order; None for what XNNPACK put in by itself."""
    slots = list(_slots(operators))
    kinds = [
        "clamp" if s.only_clamp else xnnpack.kind_of(operators[s.operator].kind) for s in slots
    ]
    stems = [xnnpack.stem_of(event) for event in events]
    costs = xnnpack.Costs(
        without=[_WITHOUT_ELIDED if kind in _ELIDED else _WITHOUT for kind in kinds],
        stray=_STRAY,
        giving=lambda slot, event: _fit(stems[event], kinds[slot], slots[slot].only_clamp),
    )
    places = xnnpack.align(costs, len(events))
    return [None if place is None else slots[place] for place in places]


def _slots(operators: Sequence[XnnOperator]) -> Iterator[Ran]:
    for index, operator in enumerate(operators):
        yield Ran(index)
        if operator.clamped and operator.kind != "Clamp":
            yield Ran(index, only_clamp=True)


def _fit(stem: str, kind: str, only_clamp: bool) -> float:
    fits = stem == "clamp" if only_clamp else xnnpack.computes(stem, kind)
    return _FIT if fits else _MISFIT
