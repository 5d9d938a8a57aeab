"""Names of what a table holds measurements of."""

from __future__ import annotations

from pathlib import Path

from hwprof.lut import Table
from hwprof.testing.examples import example_measurement


def test_each_name_once_in_order(tmp_path: Path) -> None:
    measurements = [example_measurement(seed) for seed in range(12)]
    with Table.open(tmp_path / "t.db") as table:
        assert table.names() == []
        for measurement in measurements:
            table.add(measurement)
        assert table.names() == sorted({m.subject.name for m in measurements})
