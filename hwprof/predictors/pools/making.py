"""A pool of one's own: what tables hold of one metric, measured under one setting.

Shapes: n architectures, m devices.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from hwprof import spaces
from hwprof.errors import OptionError
from hwprof.metrics import LATENCY, Metric, check_metric
from hwprof.predictors.pool import MIN_CELLS, MIN_DEVICES, DevicePool
from hwprof.predictors.pools.labels import asked_as, short_names
from hwprof.predictors.pools.rows import Row, find_rows, nothing_found
from hwprof.predictors.pools.stored import DeviceSource, StoredPool
from hwprof.predictors.repeats import taken_together
from hwprof.predictors.setting import Setting
from hwprof.predictors.table_costs import OF_MEASUREMENT

_MOST_SETTINGS = 6


@dataclass(frozen=True, slots=True)
class Made:
    """A pool, where its devices' figures come from, and what was left out."""

    stored: StoredPool
    left_out: tuple[str, ...]
    """Why measurements of the space's architectures are not in it, a reason for each."""

    @property
    def pool(self) -> DevicePool:
        """The pool itself."""
        return self.stored.pool

    @property
    def sources(self) -> tuple[DeviceSource, ...]:
        """One per device."""
        return self.stored.devices


def from_tables(
    paths: Sequence[Path | str],
    space: str,
    *,
    metric: Metric | str = LATENCY,
    batch: int | None = None,
    resolution: int | None = None,
    precision: str | None = None,
    threads: int | None = None,
    device: Sequence[str] = (),
    include: Collection[str] = (),
) -> Made:
    """A pool of what tables hold of one metric on architectures of a space.

    Values that differ in batch, resolution, precision or threads never share a pool: where there
    are several of one, it has to be named. Rows that were not measured (`imported`, `predicted`,
    `interpolated`) count only where `include` names their source, emulated hardware never. Several
    measurements of one architecture on one device count with their median. `device` narrows to
    devices by parts of their names, globs or fingerprints. Raises OptionError where no pool can be
    made, and TableError for a file that is no table of hwprof, or is damaged.
    """
    found_metric = check_metric(metric)
    if found_metric.name not in OF_MEASUREMENT:
        raise OptionError(
            f"a table of hwprof holds {', '.join(OF_MEASUREMENT)}, and not {found_metric.name}; "
            "name one of them"
        )
    files = [Path(path) for path in paths]
    if not files:
        raise OptionError("there are no tables to make a pool of; name at least one")
    found = find_rows(files, space, found_metric, device, include)
    if not found.rows:
        raise nothing_found(found, files, space, found_metric, device)
    setting, rows = one_setting(
        found.rows, space, batch=batch, resolution=resolution, precision=precision, threads=threads
    )
    rows, reasons = one_kind_of_values(rows)
    rows, few = _enough(rows, space, found_metric)
    stored = _pool(rows, setting, found_metric)
    return Made(stored, (*found.left_out, *reasons, *few))


def one_setting(
    rows: list[Row],
    space: str,
    *,
    batch: int | None,
    resolution: int | None,
    precision: str | None,
    threads: int | None,
) -> tuple[Setting, list[Row]]:
    """The setting that was asked for, or the only one, and its rows.

    Raises OptionError where several are left, with how many rows each has, and where none is.
    """
    groups: dict[Setting, list[Row]] = defaultdict(list)
    wanted = {"batch": batch, "resolution": resolution, "precision": precision, "threads": threads}
    asked = {name: value for name, value in wanted.items() if value is not None}
    # All architectures at a side that each has by itself: then it is none that was forced on them.
    forced = resolution is not None and not all(row.own == (row.side == resolution) for row in rows)
    for row in rows:
        side = None if row.own and not (forced and row.side == resolution) else row.side
        setting = Setting(space, row.batch, side, row.precision, row.device.threads)
        groups[setting].append(row)
    kept = {
        setting: those
        for setting, those in groups.items()
        if all(
            those[0].side == value and all(row.side == value for row in those)
            if name == "resolution"
            else getattr(setting, name) == value
            for name, value in asked.items()
        )
    }
    if len(kept) == 1:
        return next(iter(kept.items()))
    told = _told(kept or groups)
    if kept:
        options = " ".join(f"--{name}" for name in _differing(kept))
        raise OptionError(
            f"the measurements of {space} differ in what never shares a pool ({told}); choose "
            f"with {options}"
        )
    named = ", ".join(f"{name} {value}" for name, value in asked.items())
    raise OptionError(f"no measurement of {space} is of {named}; there are {told}")


def _differing(groups: Collection[Setting]) -> list[str]:
    """What settings do not share, by name."""
    names = [each.name for each in fields(Setting)]
    return [name for name in names if len({getattr(each, name) for each in groups}) > 1]


def _told(groups: dict[Setting, list[Row]]) -> str:
    """Settings with how many rows each has, as far as they differ."""
    names = _differing(groups) or ["batch", "precision", "threads"]
    said = []
    for setting, rows in sorted(groups.items(), key=lambda item: (-len(item[1]), str(item[0]))):
        parts = (_part(name, getattr(setting, name)) for name in names)
        said.append(f"{', '.join(parts)}: {len(rows)} rows")
    more = "; ..." if len(said) > _MOST_SETTINGS else ""
    return "; ".join(said[:_MOST_SETTINGS]) + more


def _part(name: str, value: object) -> str:
    return f"{name} {'of its own' if value is None else value}"


def one_kind_of_values(rows: list[Row]) -> tuple[list[Row], list[str]]:
    """Rows whose inputs held the same, the most common; why the others are left out."""
    kinds = Counter(row.values for row in rows)
    if len(kinds) == 1:
        return rows, []
    usual = kinds.most_common(1)[0][0]
    others = [row for row in rows if row.values != usual]
    told = [", ".join(name for name, _ in row.values) or "its inputs" for row in others]
    reasons = [f"{name} held other values than in most of the measurements" for name in told]
    return [row for row in rows if row.values == usual], reasons


def _enough(rows: list[Row], space: str, metric: Metric) -> tuple[list[Row], list[str]]:
    """Rows of devices that have several architectures. Raises OptionError where no pool is left."""
    archs: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        archs[row.device.fingerprint].add(row.arch)
    if len({row.arch for row in rows}) < MIN_CELLS:
        raise OptionError(
            f"there is {metric.name} of a single architecture of {space} ('{rows[0].arch}'); "
            f"measure more, as with 'hwprof measure --space {space} --sample 40'"
        )
    enough = {mark for mark, names in archs.items() if len(names) >= MIN_CELLS}
    kept = [row for row in rows if row.device.fingerprint in enough]
    reasons = [
        "its device has a single architecture"
        for row in rows
        if row.device.fingerprint not in enough
    ]
    devices = {row.device.fingerprint: row.device.slug for row in kept}
    if len(devices) < MIN_DEVICES:
        named = next(iter(devices.values()), rows[0].device.slug)
        raise OptionError(
            f"a pool needs {MIN_DEVICES} devices that several architectures were measured on, but "
            f"there is only {named}; measure the same architectures on another device, and give "
            "both tables"
        )
    return kept, reasons


def _pool(rows: list[Row], setting: Setting, metric: Metric) -> StoredPool:
    known = spaces.get(setting.space)
    archs = sorted({row.arch for row in rows})
    of_device: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        of_device[row.device.fingerprint].append(row)
    order = sorted(of_device.values(), key=lambda those: those[0].device.slug)
    names = short_names([those[0].device for those in order])
    values = np.full((len(archs), len(order)), np.nan)
    errors = np.full_like(values, np.nan)
    places = {arch: number for number, arch in enumerate(archs)}
    for column, those in enumerate(order):
        cells: dict[str, list[Row]] = defaultdict(list)
        for row in those:
            cells[row.arch].append(row)
        for arch, repeats in cells.items():
            value, error = taken_together(
                [row.value for row in repeats], [row.std_error for row in repeats]
            )
            values[places[arch], column] = value
            errors[places[arch], column] = np.nan if error is None else error
    pool = DevicePool(known.encode(archs), values, names, archs, metric=metric, setting=setting)
    sources = tuple(map(_source, names, order))
    return StoredPool(setting.space, pool, None if np.isnan(errors).all() else errors, sources)


def _source(name: str, rows: Sequence[Row]) -> DeviceSource:
    device = rows[0].device
    times = sorted(row.measured.created_at for row in rows)
    tables = {row.table.name + (row.table.sha256 or ""): row.table for row in rows}
    return DeviceSource(
        name=name,
        fingerprint=device.fingerprint,
        slug=device.slug,
        asked=asked_as(device),
        hardware=device.hardware.accelerator or device.hardware.cpu,
        runtime=device.runtime,
        runtime_version=device.runtime_version,
        rows=len(rows),
        first=times[0],
        last=times[-1],
        hwprof_versions=tuple(sorted({r.measured.provenance.hwprof_version for r in rows})),
        origins=tuple(sorted({row.measured.source for row in rows})),
        contended=sum(row.contended for row in rows),
        noisy=sum(row.noisy for row in rows),
        tables=tuple(table for _, table in sorted(tables.items())),
    )
