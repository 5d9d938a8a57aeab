"""Pools of real measurements that ship with hwprof, one per search space.

Each is a safetensors file (numbers only, nothing in it can be executed) whose header says where the
figures come from and under which licence; NOTICE beside them says the same at length.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hwprof import spaces
from hwprof.codec import from_json
from hwprof.errors import OptionError, TableError
from hwprof.predictors.pool import DevicePool

FORMAT = "hwprof-pool"
VERSION = 1
# Their features take hundreds of times the bytes that a file has for them.
_MOST_ROWS = 100_000


def names() -> tuple[str, ...]:
    """Spaces that a pool ships for, sorted."""
    folder = files(__name__)
    return tuple(
        sorted(
            entry.name.removesuffix(".safetensors")
            for entry in folder.iterdir()
            if entry.name.endswith(".safetensors")
        )
    )


def load(space: str) -> DevicePool:
    """The shipped pool of a search space: its architectures by name, latencies in seconds.

    Raises OptionError for a space without one, or when safetensors is not installed.
    """
    return read(_shipped(space))


def read(path: Path | str) -> DevicePool:
    """A pool from a file such as those that ship.

    Raises TableError for a file that is missing, damaged, foreign or of a newer version, and
    OptionError when safetensors is not installed or the file's space is not known.
    """
    header, tensors = _open(Path(path))
    known = spaces.get(header["space"])
    try:
        # The published figures are 32-bit milliseconds, kept as they are; here they become seconds.
        latency_s = tensors["latency_ms"].astype(np.float64) * 1e-3
        devices = from_json(header["devices"], list[str])
        if len(tensors["operations"]) > _MOST_ROWS:
            raise ValueError(f"it has more than {_MOST_ROWS} architectures")
        archs = known.texts(tensors["operations"])
        return DevicePool(known.encode(archs), latency_s, devices, archs)
    except (KeyError, ValueError, TypeError, IndexError, ArithmeticError, OptionError) as error:
        raise TableError(
            f"'{path}' is a damaged pool file ({error}); get another copy of it"
        ) from error


def source(space: str) -> str:
    """Where the figures of a shipped pool come from, in one line. Raises OptionError as `load`."""
    return _open(_shipped(space))[0]["source"]


def space_of(path: Path | str) -> str:
    """The name of the space of a pool in a file. Raises as `read`."""
    return _open(Path(path))[0]["space"]


def _shipped(space: str) -> Path:
    if space not in names():
        raise OptionError(
            f"no pool ships for the space '{space}'; there are pools for {', '.join(names())}"
        )
    return Path(str(files(__name__) / f"{space}.safetensors"))


def _open(path: Path) -> tuple[dict[str, str], dict[str, NDArray[np.generic]]]:
    """Header and tensors of a file that says of itself that it is a pool."""
    try:
        from safetensors import SafetensorError, safe_open
    except ImportError as error:
        raise OptionError(
            "reading a pool needs safetensors; install it with pip install 'hwprof[predict]'"
        ) from error
    if not path.is_file():
        raise TableError(f"there is no pool file '{path}'; check the path")
    try:
        with safe_open(str(path), framework="numpy") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, ValueError, TypeError, AttributeError) as error:
        raise TableError(
            f"'{path}' is truncated or not a pool file ({error}); get another copy of it"
        ) from error
    if header.get("format") != FORMAT or "space" not in header:
        raise TableError(f"'{path}' is not a pool of hwprof; give one, such as those that ship")
    if header.get("version") != str(VERSION):
        raise TableError(
            f"'{path}' has version {header.get('version')} of pool files where this hwprof reads "
            f"{VERSION}; upgrade hwprof"
        )
    return header, tensors
