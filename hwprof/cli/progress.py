"""A progress bar on standard error, where that is a terminal; otherwise silence."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress as RichProgress
    from rich.progress import TaskID

    from hwprof.profiler.bench import Progress
    from hwprof.profiler.campaign import Job


class Bar:
    """Progress over `total` models; a context manager."""

    def __init__(self, total: int = 1) -> None:
        self.total = total
        self._done = 0
        self._rich: RichProgress | None = None
        self._task: TaskID | None = None

    def __enter__(self) -> Bar:
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

            self._rich = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.fields[phase]}"),
                TimeElapsedColumn(),
                console=Console(stderr=True),
                transient=True,
            )
            self._rich.start()
            self._task = self._rich.add_task("starting", total=1.0, phase="")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._rich is not None:
            self._rich.stop()

    def tell(self, job: Job, progress: Progress) -> None:
        """Show where the model that is being measured stands."""
        self.update(f"{job.model.stem} ({self._done + 1}/{self.total})", progress)

    def update(self, description: str, progress: Progress) -> None:
        """Show `progress` under `description`."""
        if self._rich is None or self._task is None:
            return
        from hwprof.report.visible import escape  # here, as rich: most commands show no bar

        restart = f" {progress.restart}/{progress.restarts}" if progress.restarts > 1 else ""
        self._rich.update(
            self._task,
            description=escape(description),
            completed=progress.share,
            phase=progress.phase + restart,
        )

    def advance(self) -> None:
        """One more model is done."""
        self._done += 1

    def clear(self) -> None:
        """Make room for printed results; the next update shows the bar again."""
        if self._rich is not None:
            self._rich.refresh()
