"""For how long an answer of a worker is waited for, before it is taken for one that never comes.

A worker that hangs must end in a failure, and a slow machine must never be taken for one. So each
bound is what no measurement that anybody waits for comes near, and grows with what the model's own
runs were seen to take.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from hwprof.errors import OptionError

# Importing a runtime, converting and compiling a model: TensorRT and TVM take minutes for large
# ones, and a small board ten times as long.
OPEN_S = 1800.0
# Runtimes that compile when they first run, and a machine that swaps.
FIRST_RUN_S = 600.0
# What needs no run of the model, or one: figures of the machine, outputs (up to 128 MiB, as text).
ANSWER_S = 300.0
# Runs that took some time before may take this many times as long beside others on the machine.
SLOWER = 20.0
# Scheduling alone may take a loaded machine this long.
RUNS_S = 60.0
# A battery tells its charge every half minute, and a window of hundred such periods is looked at
# twice.
ENERGY_S = 4 * 3600.0

_DOING: Mapping[str, str] = {
    "open": "opening the model",
    "put": "receiving the model",
    "time": "running the model",
    "outputs": "running the model",
    "profile": "profiling the model",
    "energy": "measuring energy",
    "spec": "importing the runtime",
}
_WITHIN = re.compile(r"was not done within ([0-9]+(?:\.[0-9]+)?) s\b")


@dataclass(frozen=True, slots=True)
class Patience:
    """Seconds that calls of a worker may take. `timeout_s` stands for all of them, where given."""

    timeout_s: float | None = None
    tuned: int = 0
    """Trials per kernel that the device makes while it opens a model: each may take as long."""

    def __post_init__(self) -> None:
        if self.timeout_s is not None and not 0 < self.timeout_s < float("inf"):
            raise OptionError(
                f"the time-out must be a positive number of seconds, got {self.timeout_s}; try 600"
            )

    @property
    def opening_s(self) -> float:
        """Opening a model, which may be compiled meanwhile."""
        return self._or(OPEN_S * (1 + self.tuned))

    @property
    def first_run_s(self) -> float:
        """The first run, whose length nobody knows."""
        return self._or(FIRST_RUN_S)

    @property
    def answer_s(self) -> float:
        """What needs no run, or hardly one."""
        return self._or(ANSWER_S)

    def runs_s(self, expected_s: float) -> float:
        """Runs that are expected to take so long, from those before."""
        return self._or(max(RUNS_S, SLOWER * expected_s))

    def profile_s(self, expected_s: float) -> float:
        """As many runs under a profiler, for which the model may be opened again."""
        return self._or(OPEN_S * (1 + self.tuned) + SLOWER * expected_s)

    @property
    def energy_s(self) -> float:
        """Reading a sensor over idle time, and over as many runs."""
        return self._or(ENERGY_S)

    def _or(self, usual_s: float) -> float:
        return usual_s if self.timeout_s is None else self.timeout_s


def lateness(who: str, call: str, bound_s: float) -> str:
    """The sentence for an agent, which messages call `who`, that gave no answer."""
    seconds = f"{bound_s:.3f}".rstrip("0").rstrip(".")
    return (
        f"{who} was not done within {seconds} s with {_DOING.get(call, call)} and was ended; "
        "it may hang: leave it out, or give it longer with --timeout"
    )


def waited_s(reason: str) -> float | None:
    """For how long was waited, where `reason` is a failure's that was written by `lateness`."""
    found = _WITHIN.search(reason)
    return None if found is None else float(found[1])
