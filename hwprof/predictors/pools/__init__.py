"""Pools of real measurements that ship with hwprof, one per search space.

Each is a safetensors file (numbers only, nothing in it can be executed) whose header says where the
figures come from and under which licence; NOTICE beside them says the same at length.
"""

from __future__ import annotations

import json
from importlib.resources import files
from pathlib import Path

import numpy as np

from hwprof import spaces
from hwprof.errors import OptionError
from hwprof.predictors.pool import DevicePool

FORMAT = "hwprof-pool"
VERSION = 1


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
    if space not in names():
        raise OptionError(
            f"no pool ships for the space '{space}'; there are pools for {', '.join(names())}"
        )
    try:
        from safetensors import safe_open
    except ImportError as error:
        raise OptionError(
            "reading a pool needs safetensors; install it with pip install 'hwprof[predict]'"
        ) from error
    path = Path(str(files(__name__) / f"{space}.safetensors"))
    with safe_open(str(path), framework="numpy") as file:
        header = file.metadata()
        chosen = file.get_tensor("operations")
        latency_ms = file.get_tensor("latency_ms")
    known = spaces.get(space)
    archs = known.texts(chosen)
    # The published figures are 32-bit milliseconds, kept as they are; here they become seconds.
    latency_s = latency_ms.astype(np.float64) * 1e-3
    return DevicePool(known.encode(chosen), latency_s, json.loads(header["devices"]), archs)


def source(space: str) -> str:
    """Where the figures of a shipped pool come from, in one line. Raises OptionError as `load`."""
    from safetensors import safe_open

    if space not in names():
        raise OptionError(
            f"no pool ships for the space '{space}'; there are pools for {', '.join(names())}"
        )
    path = Path(str(files(__name__) / f"{space}.safetensors"))
    with safe_open(str(path), framework="numpy") as file:
        return str(file.metadata()["source"])
