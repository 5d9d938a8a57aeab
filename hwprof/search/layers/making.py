"""Layers' costs from the kernels that a table holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from pathlib import Path

import numpy as np

from hwprof import spaces
from hwprof.errors import OptionError
from hwprof.metrics import LATENCY
from hwprof.predictors.measurements import Wanted
from hwprof.predictors.pools.making import one_setting
from hwprof.predictors.pools.rows import Row, find_rows, nothing_found
from hwprof.search.layers.costs import LayerCosts
from hwprof.search.layers.fitting import fit_sums, seen
from hwprof.search.layers.kernels import Observed, parts_of
from hwprof.search.layers.parts import Agreement, PartCosts
from hwprof.spaces.analytic import CountedSpace

# Fewer architectures leave nothing to compare the sums with.
LEAST = 8


def layer_costs(
    tables: Collection[Path | str],
    space: str,
    *,
    device: str | None = None,
    wanted: Wanted | None = None,
) -> LayerCosts:
    """What the layers of a space cost on a device, from kernels that tables hold.

    Kernels are led to the layer whose nodes they run, and summed up by what was chosen there;
    choices that were not measured are estimated from their work and from the layer's others. The
    sums are scaled to latencies end to end, and their error is that of architectures left out.
    `wanted` says which rows are meant, where they differ in batch, resolution, precision or
    threads. Raises OptionError for a space without layers, for fewer than eight architectures with
    kernels, and for several devices; TableError for a file that is no table, or is damaged.
    """
    known = spaces.get(space)
    if not isinstance(known, CountedSpace) or not known.part_works:
        raise OptionError(
            f"the space {space} does not say which layers its architectures have; its costs do "
            "not add up here"
        )
    files, only = [Path(path) for path in tables], wanted or Wanted()
    devices = () if device is None else (device,)
    found = find_rows(files, space, LATENCY, devices, only.include)
    if not found.rows:
        raise nothing_found(found, files, space, LATENCY, devices)
    slugs = sorted({row.device.slug for row in found.rows})
    if len(slugs) > 1:
        raise OptionError(
            f"there are kernels of several devices ({', '.join(slugs)}); choose one with --device"
        )
    setting, rows = one_setting(
        found.rows,
        space,
        batch=only.batch,
        resolution=only.resolution,
        precision=only.precision,
        threads=only.threads,
    )
    observed, reasons = _observed(rows, known)
    if len(observed.rows) < LEAST:
        why = f" ({reasons.most_common(1)[0][0]})" if reasons else ""
        raise OptionError(
            f"kernels of {len(observed.rows)} architectures of {space} are known on {slugs[0]}, "
            f"where at least {LEAST} are needed{why}; measure more of them, such as 'hwprof lut "
            f"additive --space {space} --plan' names"
        )
    parts = known.part_works
    sums, apart = fit_sums(observed, parts)
    noise = observed.std_error_s / observed.latency_s
    agreement = Agreement(
        len(observed.rows),
        float(np.abs(apart / observed.latency_s - 1).mean()),
        float(np.corrcoef(apart, observed.latency_s)[0, 1]),
        None if np.isnan(noise).all() else float(np.nanmedian(noise)),
    )
    costs = tuple(
        PartCosts(
            part.layer,
            part.positions,
            sums.scale * values,
            seen(part, observed.rows, observed.parts_s[:, i] > 0),
        )
        for i, (part, values) in enumerate(zip(parts, sums.values, strict=True))
    )
    return LayerCosts(space, slugs[0], setting, costs, sums.constant, agreement, len(observed.rows))


def _observed(rows: list[Row], space: CountedSpace) -> tuple[Observed, Counter[str]]:
    """The measurements with kernels, and why others are none."""
    parts = space.part_works
    reasons: Counter[str] = Counter()
    kept, times = [], []
    for row in rows:
        took = parts_of(row.measured, space)
        if isinstance(took, str):
            reasons[took] += 1
            continue
        kept.append(row)
        times.append(took)
    errors = [float("nan") if row.std_error is None else row.std_error for row in kept]
    return (
        Observed(
            space.indices([row.arch for row in kept]),
            np.array(times).reshape(len(kept), len(parts)),
            np.array([row.value for row in kept]),
            np.array(errors),
        ),
        reasons,
    )
