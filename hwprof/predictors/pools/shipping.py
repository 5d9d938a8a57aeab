"""The pools that ship with hwprof, one per search space that others have measured.

NOTICE beside them says where their figures come from and under which licence.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from hwprof.errors import OptionError
from hwprof.predictors.pool import DevicePool
from hwprof.predictors.pools.files import read, read_stored

_FOLDER = "hwprof.predictors.pools"
_SUFFIX = ".safetensors"


def names() -> tuple[str, ...]:
    """Spaces that a pool ships for, sorted."""
    entries = (entry.name for entry in files(_FOLDER).iterdir())
    return tuple(sorted(name.removesuffix(_SUFFIX) for name in entries if name.endswith(_SUFFIX)))


def load(space: str) -> DevicePool:
    """The shipped pool of a search space: its architectures by name, latencies in seconds.

    Raises OptionError for a space without one, or when safetensors is not installed.
    """
    return read(shipped_file(space))


def source(space: str) -> str:
    """Where the figures of a shipped pool come from, in one line. Raises OptionError as `load`."""
    return read_stored(shipped_file(space)).source


def shipped_file(space: str) -> Path:
    """Where a shipped pool lies. Raises OptionError for a space without one."""
    if space not in names():
        raise OptionError(
            f"no pool ships for the space '{space}'; there are pools for {', '.join(names())}, and "
            f"'hwprof pool make TABLE --space {space} -o FILE' makes one of your own measurements"
        )
    return Path(str(files(_FOLDER) / f"{space}{_SUFFIX}"))
