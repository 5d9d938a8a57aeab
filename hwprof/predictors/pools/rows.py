"""Rows of tables that a pool could be made of: architectures of a space, and how they ran."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from hwprof import spaces
from hwprof.device_spec import DeviceSpec
from hwprof.errors import OptionError
from hwprof.lut import Table
from hwprof.lut.filters import device_matches
from hwprof.lut.pack import SOURCES
from hwprof.measurement import Measurement, Subject, WarningCode
from hwprof.metrics import Metric
from hwprof.predictors.pools.digests import table_file
from hwprof.predictors.pools.stored import TableFile
from hwprof.predictors.table_costs import OF_MEASUREMENT
from hwprof.spaces.base import Space

MEASURED = "measured"
# What a runtime that takes a model as it is calls its precision; all that spaces build is float32.
_NATIVE, _BUILT = "native", "fp32"
_NOISY = (WarningCode.NOISY, WarningCode.RESTARTS_DISAGREE, WarningCode.FEW_CLEAN_SAMPLES)
_NAMED = 4


@dataclass(frozen=True, slots=True)
class Row:
    """One measurement of an architecture."""

    arch: str
    """As the space writes it."""
    device: DeviceSpec
    value: float
    """Base unit."""
    std_error: float | None
    batch: int
    side: int
    """Of the image, or tokens."""
    own: bool
    """Whether the architecture has this side by itself."""
    precision: str
    values: tuple[tuple[str, str], ...]
    """What the inputs held, where it was not the usual."""
    measured: Measurement
    table: TableFile

    @property
    def contended(self) -> bool:
        """Whether the machine was busy otherwise."""
        return self.measured.warned(WarningCode.CONTENDED)

    @property
    def noisy(self) -> bool:
        """Whether samples or restarts scattered."""
        return any(self.measured.warned(code) for code in _NOISY)


@dataclass(slots=True)
class Found:
    """What tables hold of a space."""

    rows: list[Row] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    """Why a measurement of an architecture of the space is not among them, a reason for each."""
    others: Counter[str] = field(default_factory=Counter)
    """Metrics that the measurements without the wanted one have."""
    strangers: set[str] = field(default_factory=set)
    """Names of models that are no architectures of the space."""
    devices: set[str] = field(default_factory=set)
    """Slugs of devices, whether asked for or not."""


def find_rows(
    paths: Sequence[Path],
    space: str | Space,
    metric: Metric,
    devices: Sequence[str],
    include: Collection[str],
) -> Found:
    """Rows of tables whose model is an architecture of the space.

    `devices` narrows them as `hwprof lut show --device` does; `include` names sources beside
    `measured`. Raises OptionError for a source that is none, and TableError for a file that is no
    table, or is damaged.
    """
    for source in include:
        if source not in SOURCES:
            raise OptionError(f"'{source}' is not a source; choose one of {', '.join(SOURCES)}")
    known = spaces.get(space) if isinstance(space, str) else space
    found, seen = Found(), set[str]()
    for path in paths:
        file = table_file(path)
        with Table.open(path, create=False, readonly=True) as table:
            for measurement, arch in _of_space(table, known, found):
                device = measurement.device
                found.devices.add(device.slug)
                names = (device.fingerprint, device.slug, device.name)
                if devices and not any(device_matches(each, *names) for each in devices):
                    continue
                if measurement.id in seen:
                    continue  # an export of a table, imported into another
                seen.add(measurement.id)
                row = _row(measurement, arch, known, metric, include, file, found)
                found.rows += [] if row is None else [row]
    return found


def _of_space(table: Table, known: Space, found: Found) -> Iterator[tuple[Measurement, str]]:
    """Measurements of architectures, with the architecture; nothing else is read whole."""
    archs: dict[str, str | None] = {}
    for entry in table.listing.entries():
        if entry.failed:
            continue
        if entry.model not in archs:
            try:
                archs[entry.model] = known.format(known.parse(entry.model))
            except OptionError:
                archs[entry.model] = None
                found.strangers.add(entry.model)
        arch = archs[entry.model]
        if arch is not None:
            row = table.listing.read(entry)
            if isinstance(row, Measurement):
                yield row, arch


def _row(
    measurement: Measurement,
    arch: str,
    known: Space,
    metric: Metric,
    include: Collection[str],
    table: TableFile,
    found: Found,
) -> Row | None:
    """The row, or None with the reason among those left out."""
    reason = ""
    if measurement.device.hardware.emulated:
        reason = "it was run on emulated hardware, whose costs mean nothing"
    elif measurement.source != MEASURED and measurement.source not in include:
        reason = f"it is {measurement.source}, not measured here (--include {measurement.source})"
    if reason:
        found.left_out.append(reason)
        return None
    value, error, reason = OF_MEASUREMENT[metric.name](measurement)
    if value is None:
        for name, told in OF_MEASUREMENT.items():
            found.others[name] += told(measurement)[0] is not None
    elif not 0 < value < float("inf"):
        reason = f"its {metric.name} is {value:g} {metric.unit}, which is not positive and finite"
    sizes = _sizes(measurement.subject)
    if not reason and sizes is None:
        reason = "its inputs have no shape"
    if reason or value is None or sizes is None:
        found.left_out.append(reason)
        return None
    batch, side = sizes
    own = known.resolution(arch) == side
    subject, device = measurement.subject, measurement.device
    precision = _precision(subject, device.precision)
    held = _held(subject)
    return Row(arch, device, value, error, batch, side, own, precision, held, measurement, table)


def _sizes(subject: Subject) -> tuple[int, int] | None:
    """Batch and side of the first input, which is the image or the tokens."""
    if not subject.inputs or len(subject.inputs[0].shape) < 2:
        return None
    shape = subject.inputs[0].shape
    batch = subject.batch if subject.batch is not None else shape[0]
    # Some runtimes want the colours of an image last: its side stands before them then.
    side = shape[-2] if len(shape) == 4 and shape[1] == shape[2] != shape[3] else shape[-1]
    return batch, side


def _precision(subject: Subject, said: str) -> str:
    """What the arithmetic was in: the model's own where the runtime takes it as it is."""
    if said != _NATIVE:
        return said
    if any(tensor.dtype in ("int8", "uint8") for tensor in subject.inputs):
        return "int8"
    floats = {tensor.dtype for tensor in subject.inputs if tensor.dtype.startswith("float")}
    own = {"float32": _BUILT, "float16": "fp16", "float64": "fp64"}
    # Tokens are whole numbers: the model behind them is float32, as all that a space builds.
    return own.get(floats.pop(), said) if len(floats) == 1 else _BUILT


def _held(subject: Subject) -> tuple[tuple[str, str], ...]:
    """What inputs hold that is more than a made-up rule: given values, or such as decide."""
    return tuple(
        sorted(
            (each.name, each.sha256 or each.text)
            for each in subject.values
            if each.origin == "given" or each.decides
        )
    )


def nothing_found(found: Found, paths: Sequence[Path], space: str, metric: Metric,
                  devices: Sequence[str]) -> OptionError:  # fmt: skip
    """What to say where no row is left."""
    where = " and ".join(f"'{path}'" for path in paths)
    if found.others or found.left_out:
        there = {name: count for name, count in sorted(found.others.items()) if count}
        has = ", ".join(f"{name} ({count} rows)" for name, count in there.items())
        why = Counter(found.left_out).most_common(1)[0][0]
        then = (
            f"they have {has}; name one of these with --metric (metric=)"
            if has
            else ("measure it again, or give other tables")
        )
        return OptionError(
            f"{where} holds no {metric.name} of an architecture of {space} to take ({why}); {then}"
        )
    if found.devices:
        return OptionError(
            f"no device of {where} matches {' or '.join(map(repr, devices))}; there are "
            f"{', '.join(sorted(found.devices)[:_NAMED])}"
        )
    if found.strangers:
        fitting = [name for name in spaces.names() if _fits(name, found.strangers)]
        fits = (
            f"they are architectures of {' or '.join(fitting)}; name that with --space"
            if (fitting)
            else f"'hwprof measure --space {space} --sample 40' measures some"
        )
        some = ", ".join(sorted(found.strangers)[:2])
        return OptionError(
            f"no model in {where} is named by an architecture of {space} (there are {some}"
            f"{', ...' if len(found.strangers) > 2 else ''}); {fits}"
        )
    return OptionError(
        f"{where} holds no measurements; 'hwprof measure --space {space} --sample 40' makes some"
    )


def _fits(space: str, models: Collection[str]) -> bool:
    known = spaces.get(space)
    for model in models:
        try:
            known.parse(model)
        except OptionError:
            continue
        return True
    return False
