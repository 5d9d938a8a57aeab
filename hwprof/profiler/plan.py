"""How a measurement is to be made."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from hwprof.errors import OptionError
from hwprof.measurement import PlanValue
from hwprof.statistics import PERCENTILE_NEEDS

MAX_RESTARTS = 1000
# Three processes tell when one of them is off; two only that they differ.
USUAL_RESTARTS = 3
# Pairs of turns that a ratio's interval needs.
RESTARTS_IN_TURNS = 3
# No processor has a longer number.
MOST_DIGITS = 9
SHOWN = 80


@dataclass(frozen=True, slots=True)
class Plan:
    """Steady-state ("hot") latency: runs follow each other with caches as the last run left them.

    `precision` is the relative half-width of the headline's 95 % interval to stop at; `budget_s`
    bounds the steady-state seconds over all restarts; each restart is a fresh process. Without a
    number of `restarts` there are at least three, and more where the budget allows and the
    precision needs them (`hwprof.profiler.restarts`). `pin` is `auto` (the least busy processors),
    `none`, or processors like `0,1`; `percentile` asks for a tail percentile, and sampling goes on
    until it is supported.
    """

    precision: float = 0.01
    budget_s: float = 10.0
    restarts: int | None = None
    per_op: bool = True
    pin: str = "auto"
    percentile: float | None = None

    def __post_init__(self) -> None:
        if not 0 < self.precision < 1:
            raise OptionError(
                f"the precision must lie between 0 and 1, got {self.precision}; "
                "0.01 asks for one percent"
            )
        if not 0 < self.budget_s < float("inf"):
            raise OptionError(
                f"the budget must be a positive number of seconds, got {self.budget_s}; try 10"
            )
        if self.restarts is not None and not 1 <= self.restarts <= MAX_RESTARTS:
            raise OptionError(
                f"restarts must be from 1 to {MAX_RESTARTS}, got {self.restarts}; try 5"
            )
        if self.pin not in ("auto", "none"):
            self.pinned_cpus()
        if self.percentile is not None and self.percentile not in PERCENTILE_NEEDS:
            allowed = ", ".join(f"{p * 100:g}" for p in PERCENTILE_NEEDS)
            raise OptionError(
                f"the percentile must be one of {allowed}, got {self.percentile * 100:g}"
            )

    @property
    def restart_share(self) -> float:
        """Share of the budget, and of the samples for a percentile, that each restart has."""
        return 1 / (self.restarts or USUAL_RESTARTS)

    def in_turns(self, number: int) -> Plan:
        """The plan for each of `number` measurements taking turns: as many restarts for all."""
        if number == 1 or self.restarts is not None:
            return self
        return replace(self, restarts=RESTARTS_IN_TURNS)

    def pinned_cpus(self) -> tuple[int, ...]:
        """The processors that `pin` lists; empty for auto and none. Raises OptionError."""
        if self.pin in ("auto", "none"):
            return ()
        parts = self.pin.split(",")
        if not all(part.isdecimal() and len(part) <= MOST_DIGITS for part in parts):
            raise OptionError(
                f"pin must be auto, none or processor numbers like 0,1, got '{self.pin[:SHOWN]}'"
            )
        return tuple(sorted({int(part) for part in parts}))

    def facts(self) -> Mapping[str, PlanValue]:
        """What is stored with a measurement, and must agree for --resume to reuse it."""
        return {
            "kind": "hot",
            "precision": self.precision,
            "budget_s": self.budget_s,
            "restarts": self.restarts,
            "per_op": self.per_op,
            "pin": self.pin,
            "percentile": self.percentile,
        }
