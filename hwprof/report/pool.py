"""What is told of pools: as documents, and as lines of text for a terminal or a pipe."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from hwprof.codec import to_builtins
from hwprof.metrics import Metric
from hwprof.predictors.pool import DevicePool
from hwprof.predictors.pools.checking import Check, mean_of
from hwprof.predictors.pools.planning import DevicePlan, Plan
from hwprof.predictors.pools.playing import Score
from hwprof.predictors.pools.stored import DeviceSource, StoredPool

_NAME = 24


def pool_document(stored: StoredPool) -> dict[str, Any]:
    """What a pool is, in base units."""
    pool = stored.pool
    return {
        "space": stored.space,
        "metric": pool.metric.name,
        "unit": pool.metric.unit,
        "setting": None if pool.setting is None else to_builtins(pool.setting),
        "architectures": pool.rows,
        "cells": int(pool.measured.sum()),
        "coverage": float(pool.measured.mean()),
        "source": stored.source,
        "devices": [_device_document(stored, column) for column in range(len(pool.devices))],
    }


def _device_document(stored: StoredPool, column: int) -> dict[str, Any]:
    pool = stored.pool
    quality = pool.quality()[column]
    values = pool.values[pool.measured[:, column], column]
    source = stored.devices[column] if stored.devices else None
    return {
        "name": pool.devices[column],
        "architectures": quality.cells,
        "median": float(np.median(values)),
        "min": float(values.min()),
        "max": float(values.max()),
        "repeat_noise": stored.repeat_noise[column],
        "quality": sorted(flag.value for flag in quality.flags),
        "provenance": None if source is None else to_builtins(source),
    }


def pool_lines(stored: StoredPool) -> Iterator[str]:
    """What a pool is, a line each."""
    pool, metric = stored.pool, stored.pool.metric
    setting = f"{stored.space}, setting not known" if pool.setting is None else str(pool.setting)
    yield f"pool of {setting}: {metric.name}{f' in {metric.words}' if metric.unit else ''}"
    yield _extent(pool)
    if stored.source:
        yield stored.source
    yield ""
    unit = metric.shown_in(float(np.nanmedian(pool.values)))
    head = f"{'device':{_NAME}s} {'archs':>6s} {'median':>10s} {'least':>10s} {'most':>10s}"
    yield f"{head}  {'noise':>6s}  quality"
    for column in range(len(pool.devices)):
        told = _device_document(stored, column)
        figures = " ".join(f"{_in(metric, unit, told[n]):>10s}" for n in ("median", "min", "max"))
        flags = ", ".join(told["quality"]) or "-"
        line = f"{told['name']:{_NAME}s} {told['architectures']:6d} {figures}"
        yield f"{line}  {_share(told['repeat_noise']):>6s}  {flags}"
    if stored.devices:
        yield ""
        yield from (_provenance_line(device) for device in stored.devices)


def _extent(pool: DevicePool) -> str:
    cells, possible = int(pool.measured.sum()), pool.values.size
    return (
        f"{pool.rows} architectures x {len(pool.devices)} devices, {cells} of {possible} cells "
        f"measured ({cells / possible:.0%})"
    )


def _provenance_line(device: DeviceSource) -> str:
    tables = ", ".join(
        table.name + (f" (sha256 {table.sha256[:12]})" if table.sha256 else "")
        for table in device.tables
    )
    parts = [
        f"{device.runtime} {device.runtime_version} on {device.hardware}",
        f"{device.rows} measurements, {device.first[:10]} to {device.last[:10]}",
        f"contended {device.contended / device.rows:.0%}, noisy {device.noisy / device.rows:.0%}",
        f"from {tables}",
        f"hwprof {', '.join(device.hwprof_versions)}",
    ]
    if device.origins != ("measured",):
        parts.append(f"of source {', '.join(device.origins)}")
    return f"{device.name}: {'; '.join(parts)}"


def made_lines(stored: StoredPool, left_out: Sequence[str], file: Path) -> Iterator[str]:
    """What was made of tables."""
    pool = stored.pool
    yield f"{pool.metric.name} of {pool.setting}: {_extent(pool)}; pool in {file}"
    for device in stored.devices:
        others = "" if device.origins == ("measured",) else f" ({', '.join(device.origins)})"
        yield f"  {device.name:{_NAME}s} {device.rows} measurements{others}"
    for reason, count in Counter(left_out).most_common():
        yield f"  left out: {count} ({reason})"


def check_document(check: Check) -> dict[str, Any]:
    """The whole check."""
    return {
        "verdict": check.verdict,
        "good": check.good,
        "problems": list(check.problems),
        "flops_reason": check.flops_reason,
        "skipped": list(check.skipped),
        "devices": [
            {**to_builtins(play), "repeat_noise": noise}
            for play, noise in zip(check.plays, check.noise, strict=True)
        ],
    }


def check_lines(check: Check) -> Iterator[str]:
    """Each device as if it were new, and the verdict."""
    k = check.plays[0].k
    yield f"each device left out, then predicted from {k} measurements on it"
    for title, scores in (
        ("architectures that other devices measured", [play.known for play in check.plays]),
        ("architectures that no device measured", [play.new for play in check.plays]),
    ):
        yield ""
        head = f"{title[:44]:44s} {'rank':>6s} {'FLOPs':>6s} {'error':>6s} {'median':>6s}"
        yield f"{head} {'in 90%':>6s} {'noise':>6s}"
        for play, score, noise in zip(check.plays, scores, check.noise, strict=True):
            if score is not None:
                yield f"  {play.device:42s} {_figures(score)} {_share(noise):>6s}"
        there = [score for score in scores if score is not None]
        if there:
            means = [
                _number(mean_of(there, "rank")),
                _number(mean_of(there, "flops_rank")),
                *(_share(mean_of(there, n)) for n in ("error", "median_error", "coverage")),
            ]
            yield f"  {'mean':42s} {' '.join(f'{each:>6s}' for each in means)}"
        else:
            yield "  too few to tell"
    yield ""
    yield from (f"not played: {reason}" for reason in check.skipped)
    if check.flops_reason:
        yield f"FLOPs not compared: {check.flops_reason}"
    yield check.verdict


def _figures(score: Score) -> str:
    shares = (score.error, score.median_error, score.coverage)
    figures = [_number(score.rank), _number(score.flops_rank), *map(_share, shares)]
    return " ".join(f"{figure:>6s}" for figure in figures)


def plan_document(plan: Plan, stored: StoredPool) -> dict[str, Any]:
    """The whole plan."""
    return {
        "target_error": plan.target,
        "estimate": True,
        "correction": plan.correction,
        "devices": [
            {**to_builtins(device), "measure": measure_line(device, stored)}
            for device in plan.devices
        ],
    }


def plan_lines(plan: Plan, stored: StoredPool) -> Iterator[str]:
    """What to measure next, with the commands that do it."""
    yield (
        f"estimates of a mean error of {_share(plan.target)} or less on architectures not measured "
        f"yet; errors are taken for {plan.correction:.1f} times what the model expects, after "
        "cells held back"
    )
    yield ""
    yield f"{'device':{_NAME}s} {'archs':>6s} {'now':>7s} {'more':>7s}  then"
    for device in plan.devices:
        yield (
            f"{device.device:{_NAME}s} {device.cells:6d} {_share(device.now):>7s} "
            f"{_more(device):>7s}  {_share(device.then)} after {len(device.archs)}"
        )
    lost = [each.device for each in plan.devices if each.now is not None and each.needed is None]
    if lost:
        yield ""
        yield (
            f"not to be expected from more measurements alone: {', '.join(lost)}; measure on a "
            "quieter machine, or choose a larger error"
        )
    lines = [line for line in (measure_line(each, stored) for each in plan.devices) if line]
    yield from ([""] if lines else [])
    yield from lines


def measure_line(device: DevicePlan, stored: StoredPool) -> str | None:
    """The command that measures what is planned; None where nothing is, or nobody knows how."""
    source = next((each for each in stored.devices if each.name == device.device), None)
    if not device.archs or source is None:
        return None
    words = ["hwprof", "measure", "--space", stored.space, "--device", source.asked]
    setting = stored.pool.setting
    if setting is not None:
        words += ["--threads", str(setting.threads), "--batch", str(setting.batch)]
        if setting.resolution is not None:
            words += ["--resolution", str(setting.resolution)]
    for arch in device.archs:
        words += ["--arch", arch]
    return shlex.join(words)


def _more(device: DevicePlan) -> str:
    if device.now is None:
        return "?"
    return "-" if device.needed is None else str(device.needed)


def _in(metric: Metric, unit: str, value: float) -> str:
    return f"{value / metric.units[unit]:.4g} {unit}".rstrip()


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
