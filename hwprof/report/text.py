"""What a person reads: milliseconds and mebibytes, on a terminal or in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from hwprof.latency import Latency
from hwprof.measurement import Failure, Measurement
from hwprof.opcosts import flops
from hwprof.profile import Profile
from hwprof.profiler.compare import Comparison, compare_turns
from hwprof.report.document import per_op_reason, unknown_ops
from hwprof.samples import Basis

# A pipe has no width; a table cut at 80 columns would lose what the reader greps for.
PIPE_WIDTH = 220
TOP_OPS = 6


def console() -> Console:
    """Standard output, as wide as it needs to be where it is not a terminal."""
    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH, highlight=False)


def ms(seconds: float) -> str:
    """Milliseconds with four significant digits."""
    value = seconds * 1e3
    digits = 4 - len(str(int(abs(value)))) if abs(value) >= 1 else 4
    return f"{value:.{max(digits, 0)}f}"


def mib(size: int | None) -> str:
    """Mebibytes, or `-` where unknown."""
    return "-" if size is None else f"{size / 2**20:.1f} MiB"


def spread(latency: Latency) -> str:
    """Relative half-width of the interval, or a plain word that there is none."""
    width = latency.relative_half_width
    return "no interval" if width is None else f"± {width:.1%}"


def basis_text(latency: Latency) -> str:
    """Which runs the figure is made of."""
    if latency.basis is Basis.WALL_CLEAN:
        return f"p25 of {latency.n_used} uninterrupted runs of {latency.n}"
    if latency.basis is Basis.CPU_TIME:
        return f"p25 of the CPU time of {latency.n} runs, of which few were uninterrupted"
    return f"p25 of all {latency.n} runs"


def print_measurement(measurement: Measurement, *, resumed: bool = False) -> None:
    """One result in a few lines."""
    out = console()
    latency, memory = measurement.latency, measurement.memory
    inputs = ", ".join(f"{t.name} {t.describe()}" for t in measurement.subject.inputs)
    kept = "  [dim](kept from the table)[/dim]" if resumed else ""
    out.print(f"\n[bold]{escape(measurement.subject.name)}[/bold]  {escape(inputs)}{kept}")
    out.print(f"  device   {escape(measurement.device.slug)}")
    out.print(
        f"  latency  [bold]{ms(latency.headline_s)} ms[/bold] {spread(latency)}  "
        f"({basis_text(latency)}; median {ms(latency.median_s)}, min {ms(latency.min_s)})"
    )
    for p, value in latency.percentiles_s.items():
        out.print(f"           p{p * 100:g} {ms(value)} ms")
    restarts = measurement.restarts
    number = f", {len(restarts)} restarts" if len(restarts) > 1 else ""
    out.print(
        f"  set-up   {ms(restarts[0].setup_s)} ms, first run {ms(restarts[0].first_run_s)} ms"
        f"{number}"
    )
    reason = memory.absent.get("peak_rss_bytes") or memory.absent.get("baseline_rss_bytes")
    peak = mib(memory.peak_bytes) if memory.peak_bytes is not None else f"absent: {reason}"
    parts = [f"peak {peak} above the runtime's own"]
    if memory.weights_bytes is not None:
        parts.append(f"weights {mib(memory.weights_bytes)}")
    if memory.planned_activation_bytes is not None:
        parts.append(f"activations {mib(memory.planned_activation_bytes)} (planned)")
    if memory.accelerator_peak_bytes is not None:
        parts.append(f"GPU peak {mib(memory.accelerator_peak_bytes)}")
    out.print(f"  memory   {', '.join(parts)}")
    reading = measurement.energy.reading
    if reading is None:
        out.print(f"  energy   absent: {escape(measurement.energy.reason)}")
    else:
        out.print(
            f"  energy   {reading.gross_j_per_run:.4g} J gross, {reading.net_j_per_run:.4g} J net "
            f"of idle, per run ({escape(reading.sensor)}, {escape(reading.domain)})"
        )
    print_ops(out, measurement)
    for warning in measurement.warnings:
        out.print(f"  [yellow]warning[/yellow]  {warning.code.value}: {escape(warning.message)}")


def print_ops(out: Console, measurement: Measurement) -> None:
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
    out.print(
        f"  kernels  {len(profile.occurrences)} ({distinct} distinct), "
        f"sum {ms(total_s)} ms, {gap:+.1%} against the latency"
    )
    table = RichTable(box=None, padding=(0, 2, 0, 0), show_edge=False)
    table.add_column("           op")
    for head in ("count", "ms", "share", "GFLOP/s"):
        table.add_column(head, justify="right")
    for op, count, seconds, work in by_op(profile)[:TOP_OPS]:
        rate = f"{work / seconds / 1e9:.1f}" if work and seconds > 0 else "-"
        table.add_row(f"           {op}", str(count), ms(seconds), f"{seconds / total_s:.0%}", rate)
    out.print(table)
    unknown = unknown_ops(profile)
    if unknown:
        out.print(f"           FLOPs not known for: {', '.join(unknown)}")


def by_op(profile: Profile) -> list[tuple[str, int, float, int | None]]:
    """(op, occurrences, seconds, FLOPs or None), the dearest first."""
    found: dict[str, tuple[int, float, int | None]] = {}
    for occurrence in profile.occurrences:
        count, seconds, work = found.get(occurrence.kernel.op, (0, 0.0, 0))
        more = flops(occurrence.kernel)
        found[occurrence.kernel.op] = (
            count + 1,
            seconds + (profile.latency_s(occurrence) or 0.0),
            None if work is None or more is None else work + more,
        )
    rows = [(op, *values) for op, values in found.items()]
    return sorted(rows, key=lambda row: -row[2])


def print_kernels(measurement: Measurement) -> None:
    """Every kernel of a measurement, in execution order."""
    out = console()
    profile = measurement.profile
    reason = per_op_reason(measurement)
    if profile is None:
        out.print(f"no kernels: {escape(reason)}")
        return
    table = RichTable(box=None, padding=(0, 2, 0, 0))
    table.add_column("op")
    table.add_column("ms", justify="right")
    table.add_column("MFLOP", justify="right")
    table.add_column("kernel", overflow="fold")
    table.add_column("covers", overflow="fold")
    for occurrence in profile.occurrences:
        seconds, work = profile.latency_s(occurrence), flops(occurrence.kernel)
        table.add_row(
            occurrence.kernel.op,
            "-" if seconds is None else ms(seconds),
            "-" if work is None else f"{work / 1e6:.3f}",
            escape(occurrence.kernel.key),
            escape(", ".join(occurrence.source_nodes)),
        )
    out.print(table)
    if reason:
        out.print(f"latencies absent: {escape(reason)}")


def print_table(measurements: Iterable[Measurement], failures: Iterable[Failure]) -> int:
    """The rows of a lookup table; returns how many measurements there were."""
    out = console()
    table = RichTable(box=None, padding=(0, 2, 0, 0))
    for head in ("id", "when (UTC)", "model", "input"):
        table.add_column(head, overflow="fold")
    for head in ("latency ms", "±", "clean", "peak", "gross J", "net J"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("device", overflow="fold")
    table.add_column("notes", overflow="fold")
    count = 0
    for m in measurements:
        count += 1
        latency, reading = m.latency, m.energy.reading
        width = latency.relative_half_width
        share = latency.clean_share
        notes = ([] if m.source == "measured" else [m.source]) + [w.code.value for w in m.warnings]
        table.add_row(
            m.id[:8],
            m.created_at[:16].replace("T", " "),
            escape(m.subject.name),
            escape(", ".join(t.describe() for t in m.subject.inputs)),
            ms(latency.headline_s),
            "-" if width is None else f"{width:.1%}",
            "-" if share is None else f"{share:.0%}",
            mib(m.memory.peak_bytes),
            "absent" if reading is None else f"{reading.gross_j_per_run:.3g}",
            "absent" if reading is None else f"{reading.net_j_per_run:.3g}",
            m.device.slug,
            ", ".join(notes),
        )
    if count:
        out.print(table)
    for failure in failures:
        out.print(
            f"[red]failed[/red]  {escape(failure.subject)} on {escape(failure.device)}: "
            f"{escape(failure.reason)}"
        )
    return count


def print_comparison(comparison: Comparison) -> None:
    """The ratio in words, then both sides and the notes."""
    out = console()
    for label, side in (("a", comparison.a), ("b", comparison.b)):
        latency = side.latency
        out.print(
            f"{label}  [bold]{escape(side.subject.name)}[/bold]  {ms(latency.headline_s)} ms "
            f"{spread(latency)}  {escape(side.device.slug)}"
        )
    interval = ""
    if comparison.ci95 is not None:
        interval = f" [{comparison.ci95[0]:.3f}, {comparison.ci95[1]:.3f}]"
    verdict = {
        None: "no interval, so no verdict",
        False: "no difference shown",
        True: "a is slower" if comparison.ratio > 1 else "a is faster",
    }[comparison.different]
    out.print(
        f"a / b = [bold]{comparison.ratio:.3f}[/bold]{escape(interval)}  "
        f"({verdict}; {comparison.method})"
    )
    for note in comparison.notes:
        out.print(f"note: {escape(note)}")


def print_ratios(measurements: Sequence[Measurement]) -> None:
    """What was measured in turns, model by model, as ratios to the first device's latency."""
    out = console()
    groups: dict[str, list[Measurement]] = {}
    for measurement in measurements:
        groups.setdefault(measurement.subject.key, []).append(measurement)
    for first, *others in groups.values():
        if not others:
            continue
        inputs = ", ".join(t.describe() for t in first.subject.inputs)
        out.print(f"\n[bold]{escape(first.subject.name)}[/bold]  {escape(inputs)}")
        table = RichTable(box=None, padding=(0, 2, 0, 0))
        table.add_column("ms", justify="right")
        table.add_column("ratio", justify="right")
        table.add_column("95 % interval")
        table.add_column("device", overflow="fold")
        table.add_row(ms(first.latency.headline_s), "1", "", first.device.slug)
        for other in others:
            compared = compare_turns(other, first)
            interval = (
                "none" if compared.ci95 is None else "{:.3f} to {:.3f}".format(*compared.ci95)
            )
            table.add_row(
                ms(other.latency.headline_s),
                f"{compared.ratio:.3f}",
                interval,
                other.device.slug,
            )
        out.print(table)
