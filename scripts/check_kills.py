"""Does a campaign survive its end? It is killed, again and again, and looked at each time.

    python scripts/check_kills.py --kills 200 --known 40 --json kills.json

A campaign of small models is resumed after every kill until its table is complete, and then begun
anew: tables are fresh, or know the profiler's own cost. Kinds of end: `kill` (kill -9 of the whole
group), `term`, `hup`, `int` (Ctrl-C), `twice` (two quick ones), `worker` (kill -9 of a worker
alone). After each: no row lost or double, the file sound, no process left, no traceback, the right
exit code; and after the run that completes a table, no temporary folder.

`--known` is how often a campaign of its own is killed once a latency is known, at any moment from
then on, with a fresh table: the row must be there.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
import onnx
import psutil
from onnx import TensorProto, helper, numpy_helper

HERE = Path(__file__).resolve().parents[1]
OPERATORS = (
    *("Relu", "Sigmoid", "Tanh", "Exp", "Softmax", "Erf"),
    *("Neg", "Abs", "Softplus", "Floor", "Elu", "Softsign"),
)
CODES = {"kill": -9, "term": 143, "hup": 129, "int": 130, "twice": 130}
KINDS = (*CODES, "worker")
# How long workers may take to follow the process that they belong to.
FOLLOW_S = 10.0
QUICK = ("--precision", "0.3", "--budget", "0.2", "--pin", "none")


@dataclass
class Found:
    """What was done, and what was wrong."""

    kills: Counter[str] = field(default_factory=Counter)
    ended_before: int = 0
    tables: int = 0
    known: int = 0
    kept: int = 0
    faults: list[str] = field(default_factory=list)

    def fault(self, sentence: str) -> None:
        self.faults.append(sentence)
        print(f"FAULT: {sentence}", flush=True)


def small_model(operator: str, folder: Path) -> Path:
    """x [4, 8] -> MatMul -> operator -> y."""
    weight = np.random.default_rng(0).standard_normal((8, 8)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "w"], ["a"], name="multiply"),
            helper.make_node(operator, ["a"], ["y"], name="apply"),
        ],
        operator,
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [4, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [4, 8])],
        [numpy_helper.from_array(weight, "w")],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path = folder / f"{operator.lower()}.onnx"
    onnx.save(proto, str(path))
    return path


def names(table: Path) -> list[str]:
    """Names of the models that a table holds, one for each row; raises for a damaged file."""
    if not table.exists() or not table.stat().st_size:
        return []
    with closing(sqlite3.connect(f"{table.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        if connection.execute("PRAGMA integrity_check").fetchone() != ("ok",):
            raise sqlite3.DatabaseError("the integrity check fails")
        schema = "SELECT count(*) FROM sqlite_master WHERE name = 'measurement'"
        if connection.execute(schema).fetchone() == (0,):
            return []  # killed while it was made
        rows = connection.execute("SELECT subject_name FROM measurement ORDER BY subject_name")
        return [str(row[0]) for row in rows]


class Killer:
    """Campaigns in a folder of their own, which is their temporary folder too."""

    def __init__(self, folder: Path, models: int, seed: int, found: Found) -> None:
        self.folder = folder
        self.found = found
        self.random = random.Random(seed)
        self.temporary = folder / "tmp"
        self.temporary.mkdir()
        self.models = [small_model(name, folder) for name in OPERATORS[:models]]
        self.environment = {
            **os.environ,
            "TMPDIR": str(self.temporary),
            "PYTHONPATH": str(HERE),
        }
        self.learned = folder / "learned.db"

    def command(self, table: Path, *options: str, models: list[Path] | None = None) -> list[str]:
        paths = [str(model) for model in models or self.models]
        start = [sys.executable, "-m", "hwprof", "measure", *paths, "--lut", str(table)]
        return [*start, *QUICK, *options]

    def start(self, command: list[str], errors: Path) -> subprocess.Popen[bytes]:
        with errors.open("wb") as stream:
            return subprocess.Popen(
                command,
                stdout=subprocess.PIPE if "--drive" in command else subprocess.DEVNULL,
                stderr=stream,
                env=self.environment,
                cwd=self.folder,
                start_new_session=True,
                # A shell's background jobs start with these ignored, and Python leaves it so.
                preexec_fn=lambda: [
                    signal.signal(number, signal.SIG_DFL)
                    for number in (signal.SIGINT, signal.SIGHUP)
                ],
            )

    def learn(self) -> None:
        """A table that knows the profiler's own cost, and holds no measurement."""
        errors = self.folder / "learn.err"
        command = self.command(self.learned, "--restarts", "1", models=self.models[:1])
        if self.start(command, errors).wait() != 0:
            raise SystemExit(errors.read_text())
        with closing(sqlite3.connect(self.learned)) as connection:
            for table in ("kernel_occurrence", "profile", "restart", "measurement"):
                connection.execute(f"DELETE FROM {table}")
            connection.commit()

    def ours(self) -> list[psutil.Process]:
        """Processes that belong to a campaign of this folder."""
        own = []
        for process in psutil.process_iter():
            try:
                if process.status() == psutil.STATUS_ZOMBIE:
                    continue
                if process.environ().get("TMPDIR") == str(self.temporary):
                    own.append(process)
            except (psutil.Error, OSError):
                continue
        return own

    def left(self) -> list[psutil.Process]:
        """What still runs though it had time to end; it is ended."""
        deadline = time.monotonic() + FOLLOW_S
        while (own := self.ours()) and time.monotonic() < deadline:
            time.sleep(0.05)
        for process in own:
            process.kill()
        return own

    def new_table(self, learned: bool) -> Path:
        self.found.tables += 1
        table = self.folder / f"{self.found.tables}.db"
        if learned:
            table.write_bytes(self.learned.read_bytes())
        return table

    def campaign(self, kinds: list[str], kills: int) -> None:
        """Kill and resume until so many kills are done and the last table is complete.

        Every other table knows the profiler's own cost, if `learn` was called.
        """
        learned = self.learned.exists()
        table, options, before = self.new_table(learned), self.options(learned), set[str]()
        longest_s = float(len(self.models))
        while kills:
            began = time.monotonic()
            kind = self.random.choice(kinds)
            killed = self.kill(kind, self.command(table, *options), longest_s)
            if killed:
                kills -= 1
                self.found.kills[kind] += 1
            else:
                self.found.ended_before += 1
                longest_s = max(1.0, (longest_s + time.monotonic() - began) / 2)
            before = self.look(kind, table, before)
            if len(before) == len(self.models) and not killed:
                self.complete(table, options)
                learned = self.learned.exists() and not learned
                table, options, before = self.new_table(learned), self.options(learned), set()
        self.complete(table, options)

    def options(self, learned: bool) -> list[str]:
        per_op = learned or self.random.random() < 0.5
        restarts = self.random.choice(("1", "3"))
        return ["--resume", "--restarts", restarts, "--per-op" if per_op else "--no-per-op"]

    def kill(self, kind: str, command: list[str], longest_s: float) -> bool:
        """Run a campaign and end it at a random moment; False where it ended before."""
        errors = self.folder / "run.err"
        process = self.start(command, errors)
        try:
            process.wait(self.random.uniform(0.02, longest_s))
        except subprocess.TimeoutExpired:
            killed = self.end(kind, process)
        else:
            killed = False
        code = process.wait()
        if "Traceback" in errors.read_text(errors="replace"):
            self.found.fault(f"{kind}: {errors.read_text(errors='replace')[-2000:]}")
        # A signal may come as the last row is printed.
        if killed and kind in CODES and code not in (CODES[kind], 0):
            # Before Python itself is up, its own answer to a signal counts.
            early = code in (-signal.SIGTERM, -signal.SIGHUP, -signal.SIGINT)
            if not early:
                self.found.fault(f"{kind}: exit code {code} instead of {CODES[kind]}")
        return killed

    def end(self, kind: str, process: subprocess.Popen[bytes]) -> bool:
        if kind == "kill":
            os.killpg(process.pid, signal.SIGKILL)
        elif kind == "worker":
            workers = psutil.Process(process.pid).children(recursive=True)
            if not workers:
                process.wait()
                return False
            try:
                self.random.choice(workers).kill()
            except psutil.NoSuchProcess:
                return False
        else:
            number = {"term": signal.SIGTERM, "hup": signal.SIGHUP}.get(kind, signal.SIGINT)
            process.send_signal(number)
            if kind == "twice":
                time.sleep(self.random.uniform(0.0, 0.05))
                process.send_signal(number)
        return True

    def look(self, kind: str, table: Path, before: set[str]) -> set[str]:
        """Hold the table against what it held before, and look for what still runs."""
        for process in self.left():
            self.found.fault(f"{kind}: process {process.pid} is left")
        try:
            rows = names(table)
        except sqlite3.Error as error:
            self.found.fault(f"{kind}: the table is damaged: {error}")
            return before
        if before - set(rows):
            self.found.fault(f"{kind}: lost {sorted(before - set(rows))}")
        double = [name for name, count in Counter(rows).items() if count > 1]
        if double:
            self.found.fault(f"{kind}: double {double}")
        return set(rows)

    def complete(self, table: Path, options: list[str]) -> None:
        """The run that is left alone: it completes the table and clears what is left behind."""
        errors = self.folder / "run.err"
        code = self.start(self.command(table, *options), errors).wait()
        if code != 0:
            self.found.fault(f"completing ended with {code}: {errors.read_text()[-2000:]}")
        if sorted(names(table)) != sorted(model.stem for model in self.models):
            self.found.fault(f"complete, but holds {names(table)}")
        remains = [path.name for path in self.temporary.glob("hwprof-*")]
        if remains:
            self.found.fault(f"temporary folders are left: {remains}")

    def known(self, times: int) -> None:
        """Kill campaigns once a latency is known; its row must be in the fresh table."""
        for number in range(times):
            table = self.folder / f"known{number}.db"
            paths = [str(model) for model in self.models[:2]]
            command = [sys.executable, __file__, "--drive", str(table), *paths]
            with self.start(command, self.folder / "run.err") as process:
                assert process.stdout is not None
                name = process.stdout.readline().decode().strip()
                if name:
                    time.sleep(self.random.uniform(0.0, 3.0))
                    os.killpg(process.pid, signal.SIGKILL)
            self.found.known += bool(name)
            if not name:
                self.found.fault(f"no latency: {(self.folder / 'run.err').read_text()[-2000:]}")
            elif name in names(table):
                self.found.kept += 1
            else:
                self.found.fault(f"the latency of {name} was known and is not in the table")
            for left in self.left():
                self.found.fault(f"known: process {left.pid} is left")


def drive(table: str, models: list[str]) -> None:
    """A campaign that says of each model when its first latency is known."""
    import hwprof
    from hwprof.profiler.bench import Progress
    from hwprof.profiler.campaign import Job

    told: set[str] = set()

    def listen(job: Job, progress: Progress) -> None:
        later = progress.restart > 1 or progress.phase in ("energy", "per-op profile")
        if later and job.model.stem not in told:
            told.add(job.model.stem)
            print(job.model.stem, flush=True)

    plan = hwprof.Plan(precision=0.3, budget_s=0.2, restarts=3, pin="none")
    for _ in hwprof.sweep(models, plan=plan, table=table, listen=listen):
        pass


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--kills", type=int, default=200, help="how many ends")
    parser.add_argument("--known", type=int, default=40, help="how many after a latency is known")
    parser.add_argument("--kind", action="append", choices=KINDS, help="only these (repeatable)")
    parser.add_argument("--models", type=int, default=len(OPERATORS), help="models of a campaign")
    parser.add_argument("--fresh", action="store_true", help="no table knows the profiler's cost")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path, help="write what was found to this file")
    parser.add_argument("--drive", nargs="+", metavar="TABLE MODEL", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.drive:
        drive(arguments.drive[0], arguments.drive[1:])
        return
    found = Found()
    try:
        look(arguments, found)
    finally:
        # Also when it is interrupted.
        told = ", ".join(f"{count} {kind}" for kind, count in sorted(found.kills.items()))
        print(
            f"{found.kills.total()} ends ({told}) over {found.tables} tables: "
            f"{len(found.faults)} faults"
        )
        if arguments.json:
            document = {**asdict(found), "kills": dict(found.kills)}
            arguments.json.write_text(json.dumps(document, indent=2) + "\n")
    raise SystemExit(1 if found.faults else 0)


def look(arguments: argparse.Namespace, found: Found) -> None:
    """Kill as often as was asked for."""
    with tempfile.TemporaryDirectory(prefix="kills-") as folder:
        killer = Killer(Path(folder), arguments.models, arguments.seed, found)
        killer.known(arguments.known)
        print(f"{found.kept} of {found.known} latencies that were known are kept", flush=True)
        if arguments.kills:
            if not arguments.fresh:
                killer.learn()
            killer.campaign(arguments.kind or list(KINDS), arguments.kills)


if __name__ == "__main__":
    main()
