"""What this version writes, for `tests/stored`: `python tests/stored/write.py FOLDER`.

Run it once for a new version of a format, into a folder of its own; files of old versions stay.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from hwprof.codec import to_builtins
from hwprof.lut import Table, export
from hwprof.measurement import Measurement
from hwprof.testing.examples import example_calibration, example_failure, example_measurement

# With and without a GPU, a profile, a reading of energy, a comparison of outputs.
SEEDS = (1, 3, 4, 13)


def facts(measurement: Measurement) -> dict[str, Any]:
    """What a later version must read from the files, in plain JSON."""
    latency, reading, profile = measurement.latency, measurement.energy.reading, measurement.profile
    columns = [c for r in measurement.restarts for c in (r.steady.busy_s, r.steady.waited_s)]
    columns += [] if profile is None else [profile.run_cpu_s, profile.run_waited_s]
    found = {
        "id": measurement.id,
        "name": measurement.subject.name,
        "key": measurement.subject.key,
        "headline_s": latency.headline_s,
        "n": latency.n,
        "basis": [r.steady.basis(measurement.device.threads).value for r in measurement.restarts],
        "gross_j": None if reading is None else reading.gross_j_per_run,
        "net_j": None if reading is None else reading.net_j_per_run,
        "total_s": None if profile is None else profile.total_s(),
        "mapping": None if profile is None else profile.mapping,
        "node_cost_reason": None if profile is None else profile.node_cost_reason,
        "profile_reason": measurement.profile_reason,
        "provenance": measurement.provenance,
        "waited_s": [None if column is None else float(column.sum()) for column in columns],
        "never_ran": [] if profile is None else profile.never_ran,
        "values": measurement.subject.values,
    }
    plain: dict[str, Any] = json.loads(json.dumps(to_builtins(found)))
    return plain


def main(folder: Path) -> None:
    table_file = folder / "table.db"
    table_file.unlink(missing_ok=True)
    with Table.open(table_file) as table:
        for seed in SEEDS:
            table.add(example_measurement(seed))
        table.add_failure(example_failure(1))
        table.add_calibration(example_calibration(1))
        for suffix in ("jsonl", "csv", "parquet"):
            export(table, None, folder / f"table.{suffix}")
        found = [facts(measurement) for measurement in table.measurements()]
    text = json.dumps(found, indent=1, ensure_ascii=False)
    (folder / "measurements.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
