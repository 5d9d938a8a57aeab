"""Pools of measurements on known devices: those that ship, and those of one's own tables.

`load(space)` is a pool that ships, `from_tables` makes one of tables, `read` and `write` keep it in
a file. What a pool is worth is in `checking`, what to measure next in `planning`.
"""

from hwprof.predictors.pools.files import (
    FORMAT,
    VERSION,
    read,
    read_stored,
    write,
    write_stored,
)
from hwprof.predictors.pools.making import Made, from_tables
from hwprof.predictors.pools.shipping import load, names, shipped_file, source
from hwprof.predictors.pools.size import too_small
from hwprof.predictors.pools.stored import DeviceSource, StoredPool, TableFile

__all__ = [
    "FORMAT",
    "VERSION",
    "DeviceSource",
    "Made",
    "StoredPool",
    "TableFile",
    "from_tables",
    "load",
    "names",
    "read",
    "read_stored",
    "shipped_file",
    "source",
    "too_small",
    "write",
    "write_stored",
]
