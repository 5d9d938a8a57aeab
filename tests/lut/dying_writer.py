"""Children that are killed at every statement of an `add`: `python dying_writer.py FOLDER COUNT`.

Child n adds measurement 0 to `FOLDER/n.db`, then dies at statement n of adding measurement 3.
"""

from __future__ import annotations

import os
import signal
import sys
from itertools import count
from pathlib import Path

from hwprof.lut import Table
from hwprof.testing.stores import example_measurement


def write_and_die(path: Path, last_statement: int) -> None:
    statements = count()

    def die_in_time(statement: str) -> None:
        if next(statements) == last_statement:
            os.kill(os.getpid(), signal.SIGKILL)

    with Table.open(path) as table:
        table.add(example_measurement(0))
        table._store.connection.set_trace_callback(die_in_time)
        table.add(example_measurement(3))


def main(folder: Path, children: int) -> None:
    for number in range(children):
        child = os.fork()
        if child == 0:
            write_and_die(folder / f"{number}.db", number)
            os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
