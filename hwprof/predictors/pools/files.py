"""Pools as safetensors files: numbers, and a header of text. Nothing in them is executed.

Version history: 1, the pools that ship: latencies in 32-bit milliseconds, devices by name; 2, any
metric in base units, the setting, standard errors, and where each device's figures come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from hwprof import spaces
from hwprof.codec import from_json, to_json
from hwprof.errors import OptionError, TableError, WrongTable
from hwprof.files import is_safetensors, whole_file
from hwprof.metrics import LATENCY
from hwprof.predictors.pool import DevicePool
from hwprof.predictors.pools.stored import DeviceSource, StoredPool
from hwprof.predictors.setting import Setting
from hwprof.predictors.stored_metric import StoredMetric, read_metric
from hwprof.spaces.base import Space

FORMAT = "hwprof-pool"
VERSION = 2
_OLDEST = 1
_HEADER = "pool"
# Their features take hundreds of times the bytes that a file has for them.
_MOST_ROWS = 100_000

Tensors = dict[str, NDArray[np.generic]]


class _Header(msgspec.Struct, frozen=True):
    """Of version 2."""

    space: str
    devices: tuple[str, ...]
    metric: StoredMetric
    setting: Setting | None = None
    sources: tuple[DeviceSource, ...] = ()
    source: str = ""

    @classmethod
    def first(cls, text: dict[str, str]) -> _Header:
        """Of version 1, which had latencies alone."""
        return cls(
            text["space"],
            tuple(from_json(text["devices"], list[str])),
            StoredMetric.of(LATENCY),
            source=text.get("source", ""),
        )


def write(
    path: Path | str,
    pool: DevicePool,
    *,
    space: str | None = None,
    std_error: NDArray[np.float64] | None = None,
    devices: Sequence[DeviceSource] = (),
    source: str = "",
) -> None:
    """Write a pool of a search space as a file that `read` reads.

    `space` is the setting's where it has one. Raises OptionError for a pool whose architectures
    have no names or are not of the space, and TableError if the path cannot be written.
    """
    if space is None:
        if pool.setting is None:
            raise OptionError("a pool's file names its search space; pass space='NAME'")
        space = pool.setting.space
    write_stored(path, StoredPool(space, pool, std_error, tuple(devices), source))


def write_stored(path: Path | str, stored: StoredPool) -> None:
    """Write a pool with where it comes from. Raises as `write` does."""
    save = _safetensors().numpy.save
    pool = stored.pool
    if pool.names is None:
        raise OptionError("a pool's file holds architectures; give the pool names")
    form = spaces.get(stored.space)
    operations = form.indices(list(pool.names))
    if not np.array_equal(form.encode(operations).astype(np.float64), pool.features):
        raise OptionError(
            f"the features of the pool are not what {stored.space} makes of its names; encode "
            "them by the space"
        )
    tensors: Tensors = {
        "operations": operations.astype(np.uint8 if operations.max() < 256 else np.uint16),
        "values": pool.values,
    }
    if stored.std_error is not None:
        tensors["std_error"] = stored.std_error
    metric = StoredMetric.of(pool.metric)
    header = _Header(
        *(stored.space, pool.devices, metric, pool.setting, stored.devices, stored.source)
    )
    text = {"format": FORMAT, "version": str(VERSION), _HEADER: to_json(header).decode()}
    contiguous = {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}
    with whole_file(Path(path), replaces=is_safetensors) as stream:
        stream.write(save(contiguous, metadata=text))


def read(path: Path | str) -> DevicePool:
    """A pool from a file that ships, or that `write` wrote.

    Raises TableError for a file that is missing, damaged, foreign or of a newer version, and
    OptionError for a space that is not known, and when safetensors is not installed.
    """
    return read_stored(path).pool


def read_stored(path: Path | str) -> StoredPool:
    """As `read`, with where the figures come from. A shipped pool tells no setting: its devices
    differ in their batch.
    """
    path = Path(path)
    text, tensors = _open(path)
    try:
        header = _Header.first(text) if text["version"] == "1" else _header(text)
    except (KeyError, ValueError, TypeError) as error:
        raise _damaged(path, error) from error
    # One of another's space, which needs its plugin, is no damaged file.
    known = spaces.get(header.space)
    try:
        # What overflows is found by the pool's own checks, and told in one sentence.
        with np.errstate(all="ignore"):
            return _unpacked(header, known, tensors)
    except (KeyError, ValueError, TypeError, IndexError, ArithmeticError, OptionError) as error:
        raise _damaged(path, error) from error


def _header(text: dict[str, str]) -> _Header:
    return from_json(text[_HEADER], _Header)


def _unpacked(header: _Header, known: Space, tensors: Tensors) -> StoredPool:
    operations = tensors["operations"]
    if len(operations) > _MOST_ROWS:
        raise ValueError(f"it has more than {_MOST_ROWS} architectures")
    archs = known.texts(operations)
    if "latency_ms" in tensors and "values" not in tensors:
        # The published figures are 32-bit milliseconds, kept as they are; here they become seconds.
        values = tensors["latency_ms"].astype(np.float64) * 1e-3
    else:
        values = tensors["values"].astype(np.float64)
    pool = DevicePool(
        *(known.encode(archs), values, header.devices, archs),
        metric=read_metric(header.metric),
        setting=header.setting,
    )
    found = tensors.get("std_error")
    error = None if found is None else found.astype(np.float64)
    return StoredPool(header.space, pool, error, header.sources, header.source)


def _damaged(path: Path, error: Exception) -> TableError:
    why = f"it has no {error}" if isinstance(error, KeyError) else error
    return TableError(f"'{path}' is a damaged pool file ({why}); get another copy of it")


def _open(path: Path) -> tuple[dict[str, str], Tensors]:
    """Header and tensors of a file that says of itself that it is a pool."""
    library = _safetensors()
    try:
        there = path.is_file()
    except (OSError, ValueError):  # too long a name, or a NUL in it
        there = False
    if not there:
        raise WrongTable(f"there is no pool file '{path}'; check the path")
    try:
        with library.safe_open(str(path), framework="numpy") as file:
            text = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (library.SafetensorError, OSError, ValueError, TypeError, AttributeError) as error:
        raise TableError(
            f"'{path}' is truncated or not a pool file ({error}); get another copy of it"
        ) from error
    version = text.get("version", "")
    if text.get("format") != FORMAT or not version.isdecimal():
        raise TableError(
            f"'{path}' is not a pool of hwprof; give one that 'hwprof pool make' wrote, or such as "
            "those that ship"
        )
    # Long runs of digits are no version, and no number either.
    if len(version) > 9 or not _OLDEST <= int(version) <= VERSION:
        raise TableError(
            f"'{path}' has version {version[:9]} of pool files where this hwprof reads up to "
            f"{VERSION}; upgrade hwprof"
        )
    return text, tensors


def _safetensors() -> Any:
    """The library, which an extra brings. Raises OptionError that names it."""
    try:
        import safetensors.numpy
    except ImportError as error:
        raise OptionError(
            "pools are safetensors files; install it with pip install 'hwprof[predict]'"
        ) from error
    return safetensors
