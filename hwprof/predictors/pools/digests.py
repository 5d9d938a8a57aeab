"""What a table's file is, so that it can be told from others later."""

from __future__ import annotations

import hashlib
from pathlib import Path

from hwprof.predictors.pools.stored import TableFile

_BLOCK = 1 << 20


def table_file(path: Path) -> TableFile:
    """Name and digest of a table's file; no digest where part of it lies beside the file.

    What is no file is left to the table's own reader to refuse.
    """
    beside = path.with_name(path.name + "-wal")
    digest = hashlib.sha256()
    try:
        if not path.is_file() or (beside.exists() and beside.stat().st_size):
            return TableFile(path.name)
        with path.open("rb") as stream:
            while block := stream.read(_BLOCK):
                digest.update(block)
    except (OSError, ValueError):
        return TableFile(path.name)
    return TableFile(path.name, digest.hexdigest())
