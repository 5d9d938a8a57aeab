"""How many fresh processes a measurement is made in."""

from __future__ import annotations

from hwprof.latency import summarise
from hwprof.measurement import Restart
from hwprof.profiler.plan import USUAL_RESTARTS, Plan

# The interval narrows with the root of their number: ten halve what three leave, and take a minute
# where a runtime needs seconds to start.
MOST_RESTARTS = 10
# Threads that spin keep each other back in one process of five or so, and for as long as it lives:
# the median of five leaves those out.
USUAL_OF_SEVERAL = 5
# Starting may be slow: for the least number of processes it may cost this many budgets, or for a
# small one as many seconds as three processes need to load a runtime.
PATIENCE = 2.0
PATIENCE_S = 5.0


class Restarts:
    """Decides after each process whether another one follows.

    A plan that names a number gets that. Else there are `USUAL_RESTARTS` (of several threads
    `USUAL_OF_SEVERAL`), and more while what is left between them is more than the precision asked
    for and the budget lasts. All that a process takes counts against the budget, its start and
    opening the model too. Where that alone is so slow that these would take more than the budget
    again, fewer are made: the interval is then that of what processes are known to differ by
    (`hwprof.spread`).
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._restarts: list[Restart] = []
        self._spent_s = 0.0
        self._least = USUAL_RESTARTS
        self._done = False

    @property
    def done(self) -> bool:
        """Whether there are enough."""
        return self._done

    @property
    def expected(self) -> int:
        """How many there will be as far as it is known now."""
        if self._plan.restarts is not None:
            return self._plan.restarts
        return max(self._least, len(self._restarts) + (not self._done))

    def add(self, restart: Restart, threads: int, elapsed_s: float = 0.0) -> None:
        """Take a process on `threads` threads that took `elapsed_s` from its start to now.

        What it says itself counts where that is more: a fake clock's time passes at once.
        """
        self._least = USUAL_RESTARTS if threads == 1 else USUAL_OF_SEVERAL
        self._restarts.append(restart)
        self._spent_s += max(elapsed_s, _spent_s(restart))
        self._done = not self._goes_on(threads)

    def _goes_on(self, threads: int) -> bool:
        done = len(self._restarts)
        if self._plan.restarts is not None:
            return done < self._plan.restarts
        after_next_s = self._spent_s * (done + 1) / done
        if done < self._least:
            return after_next_s <= max(PATIENCE * self._plan.budget_s, PATIENCE_S)
        if done >= MOST_RESTARTS or after_next_s > self._plan.budget_s:
            return False
        width = summarise([r.steady for r in self._restarts], threads).process_width
        return width is None or width > self._plan.precision


def _spent_s(restart: Restart) -> float:
    runs_s = sum(
        float(samples.wall_s.sum()) * samples.loops for samples in (restart.warmup, restart.steady)
    )
    return restart.setup_s + restart.first_run_s + runs_s
