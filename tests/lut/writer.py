"""A process that writes to tables: `python writer.py FIRST COUNT TABLE...`.

Prints `ready`, waits for a line, then adds measurements FIRST, FIRST + 1, ... to each table and
prints the id of each once `add` has returned.
"""

from __future__ import annotations

import sys

from hwprof.lut import Table
from hwprof.testing.stores import example_measurement


def main(first: int, count: int, paths: list[str]) -> None:
    made = [example_measurement(seed) for seed in range(first, first + count)]
    print("ready", flush=True)
    sys.stdin.readline()
    for path in paths:
        with Table.open(path) as table:
            for measurement in made:
                table.add(measurement)
                print(measurement.id, flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
