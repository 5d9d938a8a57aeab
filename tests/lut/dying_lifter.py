"""Children killed while they lift an old table: `python dying_lifter.py TABLE FOLDER COUNT`.

Child n opens `FOLDER/n.db`, a copy of TABLE, and dies at statement n of the migration; the last
one dies within a statement, at the second document.
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import sys
from itertools import count
from pathlib import Path

from hwprof.lut import Table, schema


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def open_and_die(path: Path, last_statement: int | None) -> None:
    lift, statements, documents = schema.lift, count(), count()

    def watched(connection: sqlite3.Connection, version: int) -> None:
        if last_statement is not None:
            connection.set_trace_callback(lambda _: next(statements) == last_statement and die())
        lift(connection, version)

    def document(*arguments: object) -> None:
        if next(documents) == 1:
            die()

    schema.lift = watched
    if last_statement is None:
        schema.FUNCTIONS = {**schema.FUNCTIONS, "v1_document": (2, document)}
    Table.open(path).close()


def main(table: Path, folder: Path, children: int) -> None:
    for number in range(children):
        path = folder / f"{number}.db"
        shutil.copy(table, path)
        child = os.fork()
        if child == 0:
            open_and_die(path, number if number < children - 1 else None)
            os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
