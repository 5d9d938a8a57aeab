from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from hwprof.lut import Table


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "table.db"


@pytest.fixture
def table(path: Path) -> Iterator[Table]:
    with Table.open(path) as opened:
        yield opened
