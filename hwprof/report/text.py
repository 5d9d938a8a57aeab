"""What a person reads: milliseconds and mebibytes, on a terminal or in a pipe.

Nothing is printed here: each function gives a page, which `Page.plain` makes a text. Whatever
comes from a model, a table or a device is put into it through `escape`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table as RichTable

from hwprof.figures import ms as ms
from hwprof.figures import spread as spread
from hwprof.measurement import Failure, Measurement, WarningCode
from hwprof.opcosts.known import flops_or_none
from hwprof.profile import KernelOccurrence, Profile
from hwprof.profiler.compare import Comparison, compare_turns
from hwprof.profiler.unlike import threads_swept
from hwprof.report.facts import (
    basis_text,
    by_op,
    clean_note,
    inputs_text,
    marks,
    memory_text,
    per_op_reason,
    rate_text,
    subject_inputs,
    unknown_ops,
    verdict_text,
)
from hwprof.report.visible import escape, escape_each

# A pipe has no width; a table cut at 80 columns would lose what the reader greps for.
PIPE_WIDTH = 220
TOP_OPS = 6
# What a table of kernels must not be read without.
KERNEL_WARNINGS = (
    WarningCode.BRANCH_NEVER_RAN,
    WarningCode.KERNELS_DO_NOT_ADD_UP,
    WarningCode.KERNELS_BELOW_CLOCK,
    WarningCode.IMPOSSIBLE_RATE,
)


@dataclass(slots=True)
class Page:
    """Lines (in rich's markup) and tables, in the order that they are read; rich can print it."""

    parts: list[RenderableType] = field(default_factory=list)

    def print(self, part: RenderableType) -> None:
        """Put a line or a table at the end."""
        self.parts.append(part)

    def plain(self, width: int = PIPE_WIDTH) -> str:
        """The page without colours, `width` characters wide at most."""
        console = Console(width=width, highlight=False, emoji=False, color_system=None)
        with console.capture() as captured:
            console.print(self)
        return captured.get()

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        for part in self.parts:
            yield console.render_str(part, highlight=False) if isinstance(part, str) else part


def below(floor_s: float) -> str:
    """A time that the profiler cannot tell: no more than this, and never less than a microsecond.

    Milliseconds; a clock of whole microseconds decides nothing finer.
    """
    return f"< {max(floor_s * 1e3, 0.001):.3f}"


def measurement_page(measurement: Measurement, *, resumed: bool = False) -> Page:
    """One result in a few lines; `resumed` says that the table held it already."""
    out = Page()
    latency = measurement.latency
    inputs = ", ".join(f"{t.name} {t.describe()}" for t in measurement.subject.inputs)
    kept = "  [dim](kept from the table)[/dim]" if resumed else ""
    out.print(f"\n[bold]{escape(measurement.subject.name)}[/bold]  {escape(inputs)}{kept}")
    if measurement.subject.inputs:
        out.print(f"  inputs   {escape(inputs_text(measurement))}")
    out.print(f"  device   {escape(measurement.device.slug)}")
    if measurement.tags:
        out.print(f"  tags     {escape(', '.join(measurement.tags))}")
    out.print(
        f"  latency  [bold]{ms(latency.headline_s)} ms[/bold] {spread(latency)}  "
        f"({basis_text(latency)}; median {ms(latency.median_s)}, min {ms(latency.min_s)})"
    )
    for p, value in latency.percentiles_s.items():
        out.print(f"           p{p * 100:g} {ms(value)} ms")
    if made := rate_text(measurement):
        out.print(f"           {made}")
    restarts = measurement.restarts
    number = f", {len(restarts)} restarts" if len(restarts) > 1 else ""
    out.print(
        f"  set-up   {ms(restarts[0].setup_s)} ms, first run {ms(restarts[0].first_run_s)} ms"
        f"{number}"
    )
    out.print(f"  memory   {escape(memory_text(measurement))}")
    reading = measurement.energy.reading
    if reading is None:
        out.print(f"  energy   absent: {escape(measurement.energy.reason)}")
    else:
        out.print(
            f"  energy   {reading.gross_j_per_run:.4g} J gross, {reading.net_j_per_run:.4g} J net "
            f"of idle, per run ({escape(reading.sensor)}, {escape(reading.domain)})"
        )
    _add_ops(out, measurement)
    for warning in measurement.warnings:
        out.print(f"  [yellow]warning[/yellow]  {warning.code.value}: {escape(warning.message)}")
    return out


def failure_page(failure: Failure) -> Page:
    """A measurement that did not come about, with its whole reason."""
    out = Page()
    out.print(f"\n[bold]{escape(failure.subject)}[/bold]  [red]failed[/red]")
    out.print(f"  device   {escape(failure.device)}")
    out.print(f"  when     {escape(failure.created_at)}")
    out.print(f"  reason   {escape(failure.reason)}")
    return out


def _add_ops(out: Page, measurement: Measurement) -> None:
    """Where the time goes, by operator."""
    profile = measurement.profile
    reason = per_op_reason(measurement)
    if profile is None or reason:
        if measurement.plan.get("per_op"):
            out.print(f"  kernels  absent: {escape(reason)}")
        return
    total_s = profile.total_s() or 0.0
    distinct = len({o.kernel.key for o in profile.occurrences})
    gap = total_s / measurement.latency.headline_s - 1
    calls = sum(o.calls for o in profile.occurrences)
    called = f", called {calls} times" if calls != len(profile.occurrences) else ""
    note = clean_note(profile)
    out.print(
        f"  kernels  {len(profile.occurrences)} ({distinct} distinct){called}, "
        f"sum {ms(total_s)} ms, {gap:+.1%} against the latency{f' ({note})' if note else ''}"
    )
    table = RichTable(box=None, padding=(0, 2, 0, 0), show_edge=False)
    table.add_column("           op")
    for head in ("count", "calls", "ms", "share", "GFLOP/s"):
        table.add_column(head, justify="right")
    for op in by_op(profile)[:TOP_OPS]:
        told = op.seconds > 0 and not op.below_clock
        rate = f"{op.flops / op.seconds / 1e9:.1f}" if op.flops and told else "-"
        share = f"{op.seconds / total_s:.0%}" if told and total_s > 0 else "-"
        name = f"           {escape(op.op)}"
        spent = below(op.floor_s) if op.below_clock else ms(op.seconds)
        table.add_row(name, str(op.count), str(op.calls), spent, share, rate)
    out.print(table)
    unknown = unknown_ops(profile)
    if unknown:
        out.print(f"           FLOPs not known for: {escape_each(unknown)}")


def kernels_page(measurement: Measurement) -> Page:
    """Every kernel of a measurement, in execution order."""
    out = Page()
    profile = measurement.profile
    reason = per_op_reason(measurement)
    if profile is None:
        out.print(f"no kernels: {escape(reason)}")
        return out
    table = RichTable(box=None, padding=(0, 2, 0, 0))
    table.add_column("op")
    for head in ("calls", "ms", "MFLOP", "GFLOP/s"):
        table.add_column(head, justify="right")
    table.add_column("kernel", overflow="fold")
    table.add_column("covers", overflow="fold")
    for occurrence in profile.occurrences:
        seconds, work = profile.latency_s(occurrence), flops_or_none(occurrence.kernel)
        told = seconds is not None and seconds > 0 and not profile.below_clock(occurrence)
        rate = None
        if told and seconds and work:
            rate = work * occurrence.calls / seconds
        table.add_row(
            escape(occurrence.kernel.op),
            str(occurrence.calls),
            "-" if seconds is None else _spent(profile, occurrence, seconds),
            "-" if work is None else f"{work / 1e6:.3f}",
            "-" if rate is None else f"{rate / 1e9:.1f}",
            escape(occurrence.kernel.key),
            escape_each(occurrence.source_nodes),
        )
    out.print(table)
    out.print("calls are those of one run; ms is of all of them together, MFLOP of one call")
    if note := clean_note(profile):
        out.print(note)
    for warning in measurement.warnings:
        if warning.code in KERNEL_WARNINGS:
            out.print(f"[yellow]warning[/yellow]  {warning.code.value}: {escape(warning.message)}")
    if reason:
        out.print(f"latencies absent: {escape(reason)}")
    return out


def _spent(profile: Profile, occurrence: KernelOccurrence, seconds: float) -> str:
    if profile.below_clock(occurrence):
        return below(profile.floor_s(occurrence))
    return ms(seconds)


def comparison_page(comparison: Comparison) -> Page:
    """Both sides, the ratio in words or why there is none, and the notes."""
    out = Page()
    for label, side in (("a", comparison.a), ("b", comparison.b)):
        latency = side.latency
        out.print(
            f"{label}  [bold]{escape(side.subject.name)}[/bold]  {ms(latency.headline_s)} ms "
            f"{spread(latency)}  {escape(side.device.slug)}"
        )
    for reason in comparison.unlike:
        out.print(f"[yellow]unlike[/yellow] in {escape(reason)}")
    if comparison.unlike:
        out.print("no ratio, which would say nothing; --anyway gives it all the same")
    else:
        interval = ""
        if comparison.ci95 is not None:
            interval = f" [{comparison.ci95[0]:.3f}, {comparison.ci95[1]:.3f}]"
        out.print(
            f"a / b = [bold]{comparison.ratio:.3f}[/bold]{escape(interval)}  "
            f"({verdict_text(comparison)}; {comparison.method})"
        )
    for note in comparison.notes:
        out.print(f"note: {escape(note)}")
    return out


def ratios_page(measurements: Sequence[Measurement]) -> Page:
    """What was measured in turns, model by model, as ratios to the first device's latency.

    Each has its warnings beside it; one that is unlike the first has no ratio, but the reasons.
    """
    out = Page()
    groups: dict[str, list[Measurement]] = {}
    for measurement in measurements:
        groups.setdefault(measurement.subject.key, []).append(measurement)
    for group in groups.values():
        if len(group) == 1:
            continue
        first = group[0]
        threads_meant = threads_swept(group)
        inputs = escape(subject_inputs(first.subject))
        out.print(f"\n[bold]{escape(first.subject.name)}[/bold]  {inputs}")
        table = RichTable(box=None, padding=(0, 2, 0, 0))
        table.add_column("ms", justify="right")
        table.add_column("ratio", justify="right")
        table.add_column("95 % interval")
        table.add_column("device", overflow="fold")
        table.add_column("notes", overflow="fold")
        reasons = []
        for other in group:
            ratio, interval = "1", ""
            if other is not first:
                compared = compare_turns(other, first, threads_meant=threads_meant)
                ci95 = None if compared.unlike else compared.ci95
                ratio = "-" if compared.unlike else f"{compared.ratio:.3f}"
                interval = "none" if ci95 is None else "{:.3f} to {:.3f}".format(*ci95)
                reasons += [(other.device.slug, reason) for reason in compared.unlike]
            table.add_row(
                ms(other.latency.headline_s),
                ratio,
                interval,
                escape(other.device.slug),
                escape(", ".join(marks(other))),
            )
        out.print(table)
        for slug, reason in reasons:
            out.print(f"no ratio for {escape(slug)} (a), unlike the first (b) in {escape(reason)}")
    return out
