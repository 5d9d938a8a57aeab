"""How far a command is, on standard error: a bar on a terminal, else a line every few seconds."""

from __future__ import annotations

import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from enum import Enum
from types import TracebackType
from typing import TYPE_CHECKING, final

from hwprof.cli.printing import console_on, dumb, off_screen, on_screen, tell
from hwprof.errors import OptionError
from hwprof.report.visible import visible

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from hwprof.profiler.bench import Progress
    from hwprof.profiler.campaign import Job

# Often enough to see that it goes on, seldom enough for a log of many hours.
LINE_EVERY_S = 5.0
Clock = Callable[[], float]


class Amount(Enum):
    """How much of the progress is shown."""

    NONE = "none"
    USUAL = "usual"
    EVERY_PHASE = "every phase"


def amount_of(quiet: bool, verbose: bool) -> Amount:
    """What --quiet and --verbose ask for. Raises OptionError for both."""
    if quiet and verbose:
        raise OptionError("--quiet and --verbose contradict each other; give one of them")
    if quiet:
        return Amount.NONE
    return Amount.EVERY_PHASE if verbose else Amount.USUAL


class Display(ABC):
    """One way of showing progress."""

    @abstractmethod
    def show(self, description: str, progress: Progress) -> None:
        """What is being measured, and where that stands."""

    @abstractmethod
    def clear(self) -> None:
        """Leave nothing half-written on the screen; the next `show` may show it again."""


@final
class Lines(Display):
    """Lines that stay, each with the seconds since the first moment.

    The same phase is told again after `every_s`, and nothing sooner than that; with 0 every phase
    is told, once.
    """

    def __init__(self, every_s: float, clock: Clock = time.monotonic) -> None:
        self._every_s = every_s
        self._clock = clock
        self._started_s = self._told_s = clock()
        self._told = ""

    def show(self, description: str, progress: Progress) -> None:
        now_s = self._clock()
        text = f"{description}: {_phase(progress)}"
        if now_s - self._told_s < self._every_s or (not self._every_s and text == self._told):
            return
        self._told_s, self._told = now_s, text
        tell(f"{now_s - self._started_s:7.1f} s  {visible(text)}")

    def clear(self) -> None:
        """Lines are never half-written."""


@final
class TerminalBar(Display):
    """A bar that is taken off the screen whenever something else is printed."""

    def __init__(self) -> None:
        self._rich: RichProgress | None = None
        self._task: TaskID | None = None

    def show(self, description: str, progress: Progress) -> None:
        # Here, as rich: most commands show no bar.
        from hwprof.report.visible import escape

        bar = self._rich or self._started()
        assert self._task is not None
        bar.update(
            self._task,
            description=escape(description),
            completed=progress.share,
            phase=_phase(progress),
        )

    def clear(self) -> None:
        # A new one is made next time: rich's own would move up over what was printed meanwhile.
        bar, self._rich = self._rich, None
        if bar is not None:
            bar.stop()

    def _started(self) -> RichProgress:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("{task.fields[phase]}"),
            TimeElapsedColumn(),
            console=console_on(sys.stderr),
            transient=True,
            # Printing clears the bar by itself, and goes where it is meant to.
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = bar.add_task("", total=1.0, phase="")
        bar.start()
        self._rich = bar
        return bar


class Bar:
    """Progress over `total` results; a context manager, outside of which nothing is shown."""

    def __init__(
        self, total: int = 1, amount: Amount = Amount.USUAL, clock: Clock = time.monotonic
    ) -> None:
        self.total = total
        self.several = False
        """Whether several devices are measured on, so that each line names its own."""
        self._amount = amount
        self._clock = clock
        self._done = 0
        self._display: Display | None = None

    def __enter__(self) -> Bar:
        if self._amount is Amount.EVERY_PHASE:
            self._display = Lines(0.0, self._clock)
        elif self._amount is Amount.USUAL:
            on_terminal = sys.stderr.isatty() and not dumb()
            self._display = TerminalBar() if on_terminal else Lines(LINE_EVERY_S, self._clock)
        on_screen(self.clear)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        off_screen(self.clear)
        self.clear()
        self._display = None

    def tell(self, job: Job, progress: Progress) -> None:
        """Show where the model that is being measured stands."""
        name = job.name or job.model.stem
        device = f" on {job.device}" if self.several and job.device else ""
        self.update(f"{name}{device} ({min(self._done + 1, self.total)}/{self.total})", progress)

    def update(self, description: str, progress: Progress) -> None:
        """Show `progress` under `description`."""
        if self._display is not None:
            self._display.show(description, progress)

    def advance(self) -> None:
        """One more result is there."""
        self._done += 1

    def clear(self) -> None:
        """Make room for what is printed; the next update shows the bar again."""
        if self._display is not None:
            self._display.clear()


def _phase(progress: Progress) -> str:
    if progress.restarts < 2:
        return progress.phase
    # What follows the last restart belongs to it.
    return f"{progress.phase} {min(progress.restart, progress.restarts)}/{progress.restarts}"
