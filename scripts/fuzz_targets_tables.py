"""What the fuzzer reads with: tables, exchanged files, predictors, measurements, texts, replies.

A file that is read is also used: what an import accepts must be shown, exported and compared.
"""

from __future__ import annotations

import json
import random
import sqlite3
import struct
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from fuzz_mutations import TEXTS, mutate_bytes, mutate_json, mutate_lines, value
from fuzzing import Target

from hwprof import spaces
from hwprof.codec import to_json
from hwprof.device_spec import DeviceSpec
from hwprof.devices import registry as devices
from hwprof.devices.base import ProfiledRun
from hwprof.errors import HwprofError, TableError
from hwprof.lut import Table, export, import_file
from hwprof.machine.host import HostState, MachineFacts, Roots, hardware, machine_facts, snapshot
from hwprof.machine.host.state import between
from hwprof.machine.meters.base import EnergyMeter
from hwprof.machine.meters.registry import find_meter, list_meters
from hwprof.measurement import Energy, Memory
from hwprof.models.inputs.recipe import Recipe
from hwprof.models.outputs import OutputTensor
from hwprof.models.shapes import parse_shape
from hwprof.predictors import pools
from hwprof.predictors.fewshot import FewShotPredictor
from hwprof.predictors.measurements import read_measurements
from hwprof.predictors.shipped import load_adapted
from hwprof.profiler.compare import compare_stored
from hwprof.profiler.plan import Plan
from hwprof.samples import Samples
from hwprof.targets.channel import Channel
from hwprof.targets.protocol import Opening, Overhead, Stored
from hwprof.targets.stream import Stream
from hwprof.testing import machines
from hwprof.testing.examples import example_calibration, example_failure, example_measurement

STORED = Path(__file__).resolve().parents[1] / "tests/stored"
SPACE = "nasbench201"
CELL = "|nor_conv_3x3~0|+|none~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_1x1~1|none~2|"
# With a profile and without, with one restart and with several, with a GPU.
SEEDS = (1, 3, 4)


def targets(folder: Path) -> dict[str, Target]:
    """Every reader of this module."""
    table = _table(folder)
    exported = {fmt: _exported(table, fmt) for fmt in ("jsonl", "csv", "parquet")}
    tables = [table.read_bytes(), (STORED / "third/table.db").read_bytes()]
    tables.append((STORED / "second/table.db").read_bytes())
    second = STORED / "second"
    return {
        "jsonl": Target([exported["jsonl"], _old_lines()], ".jsonl", _import, mutate_lines),
        "csv": Target([exported["csv"]], ".csv", _import, _mutate_cells),
        "parquet": Target([exported["parquet"]], ".parquet", _import, _mutate_parquet),
        "table": Target(tables, ".db", _read_table, _mutate_table),
        "predictor": Target(
            [(second / f"{SPACE}-adapted.safetensors").read_bytes()],
            ".device",
            _read_predictor,
            _mutate_safetensors,
        ),
        "help": Target(
            [(second / f"{SPACE}-help.safetensors").read_bytes()],
            ".safetensors",
            _read_help,
            _mutate_safetensors,
        ),
        "pool": Target(
            [
                *((second / f"{name}-pool.safetensors").read_bytes() for name in (SPACE, "fbnet")),
                _own_pool(folder),
            ],
            ".safetensors",
            pools.read,
            _mutate_safetensors,
        ),
        "measurements-csv": Target(_measured(",".join), ".csv", _measurements, _mutate_cells),
        "measurements-json": Target(_measured(_object), ".jsonl", _measurements, mutate_lines),
        "measurements-table": Target([_of_space(folder)], ".db", _measurements, _mutate_table),
        "architecture": Target(_architectures(), ".txt", _read_architecture, _mutate_text),
        "device": Target(
            [b"onnxruntime-cpu:threads=2,opt=all", b"cpu", b"tvm-cpu:threads=1", b"torch-cpu"],
            ".txt",
            _text(lambda text: devices.check(*devices.parse(text))),
            _mutate_text,
        ),
        "shape": Target(
            [b"image=1,3,224,224", b"t0=*,-1", b"x="], ".txt", _text(parse_shape), _mutate_text
        ),
        "input": Target(
            [b"0..50256", b"0..4064 rising", b"1200,1800", b"-1e-3", b"true"],
            ".txt",
            _text(Recipe.parse),
            _mutate_text,
        ),
        "pin": Target(
            [b"auto", b"0,1", b"0"], ".txt", _text(lambda text: Plan(pin=text)), _mutate_text
        ),
        "machine": Target(_machines(), ".json", _read_machine, _mutate_machine),
        "replies": Target(_replies(), ".jsonl", _read_replies, mutate_lines),
    }


# Seeds.


def _table(folder: Path) -> Path:
    path = folder / "seed.db"
    path.unlink(missing_ok=True)
    with Table.open(path) as table:
        for seed in SEEDS:
            table.add(example_measurement(seed))
        table.add_failure(example_failure(1))
        table.add_calibration(example_calibration(1))
    return path


def _own_pool(folder: Path) -> bytes:
    """A part of a pool that ships, as version 2 stores it."""
    part = pools.read(STORED / f"second/{SPACE}-pool.safetensors")
    pools.write(folder / "seed.pool", part, space=SPACE, source="made up")
    return (folder / "seed.pool").read_bytes()


def _exported(table: Path, fmt: str) -> bytes:
    target = table.with_suffix(f".{fmt}")
    target.unlink(missing_ok=True)
    with Table.open(table, readonly=True) as opened:
        export(opened, fmt, target)
    return target.read_bytes()


def _old_lines() -> bytes:
    """The shortest lines of an export of version 1: all kinds, and one measurement."""
    lines = (STORED / "second/table.jsonl").read_bytes().splitlines(keepends=True)
    shortest = min((ln for ln in lines if b'"record":"measurement"' in ln), key=len)
    return b"".join(ln for ln in lines if ln is shortest or b'"record":"measurement"' not in ln)


def _measured(line: Callable[[list[str]], str]) -> list[bytes]:
    rows = [["arch", "latency_ms", "std_error_s"]]
    rows += [[CELL, f"{1 + i / 10}", "0.0001"] for i in range(5)]
    if line is _object:
        return ["".join(_object(dict(zip(rows[0], row, strict=True))) for row in rows[1:]).encode()]
    return ["\n".join(map(line, rows)).encode()]


def _object(row: Any) -> str:
    return json.dumps(row) + "\n"


def _of_space(folder: Path) -> bytes:
    """A table with measurements of architectures."""
    from dataclasses import replace

    path = folder / "space.db"
    path.unlink(missing_ok=True)
    with Table.open(path) as table:
        measurement = example_measurement(1)
        table.add(replace(measurement, subject=replace(measurement.subject, name=CELL)))
    return path.read_bytes()


def _architectures() -> list[bytes]:
    seeds = []
    for name in spaces.names():
        space = spaces.get(name)
        row = [position.choices[0] for position in space.positions]
        seeds.append(f"{name} {space.format(row)}".encode())
    return seeds


def _machines() -> list[bytes]:
    made = (machines.intel_desktop, machines.arm_board, machines.container, machines.not_linux)
    return [json.dumps(one()).encode() for one in made]


def _replies() -> list[bytes]:
    measurement = example_measurement(1)
    profiled = next(m for m in map(example_measurement, range(30)) if m.profile is not None)
    assert profiled.profile is not None
    answers = [
        {"opened": {"setup_s": 0.1, "cpus": [0]}, "need": []},
        measurement.restarts[0].steady,
        ProfiledRun(profiled.profile),
        measurement.memory,
        measurement.energy,
        {"seconds": 1e-7},
        measurement.device,
        machine_facts(),
        snapshot(),
        [OutputTensor.of(np.arange(6, dtype=np.float32).reshape(2, 3))],
        {"sha256": "0" * 64},
    ]
    lines = [to_json({"ok": answer}) for answer in answers]
    error = to_json({"error": {"kind": "DeviceError", "message": "it is broken"}})
    return [b"\n".join(each) + b"\n" for each in (lines, [*lines[:2], error, *lines[3:]])]


_KINDS: tuple[type[Any], ...] = (
    *(Opening, Samples, ProfiledRun, Memory, Energy, Overhead, DeviceSpec, MachineFacts, HostState),
    *(tuple[OutputTensor, ...], Stored),  # type: ignore[arg-type]
)


# Readers.


def _each(*actions: Callable[[], object]) -> None:
    """Do all of these; the first error of ours is raised in the end."""
    first: HwprofError | None = None
    for action in actions:
        try:
            action()
        except HwprofError as error:
            first = first or error
    if first is not None:
        raise first


def _import(path: Path) -> None:
    with Table.open(path.with_name("table.db")) as table:
        import_file(path, table)
        _use(table, strict=True)


def _read_table(path: Path) -> None:
    _each(lambda: _open(path, readonly=True), lambda: _open(path, readonly=False))


def _open(path: Path, *, readonly: bool) -> None:
    with Table.open(path, create=False, readonly=readonly) as table:
        _use(table, strict=False)


def _use(table: Table, *, strict: bool) -> None:
    """All that commands do with a table. What an import accepted must be shown."""
    from hwprof.report.document import comparison_document, json_text, measurement_document
    from hwprof.report.text import comparison_page, kernels_page, measurement_page

    damaged: list[TableError] = []
    found = list(table.measurements(on_damage=damaged.append))
    list(table.failures(on_damage=damaged.append))
    if strict and damaged:
        raise AssertionError(f"imported, but not shown: {damaged[0]}")
    for measurement in found[:3]:
        measurement_page(measurement).plain()
        kernels_page(measurement).plain()
        json_text(measurement_document(measurement))
        with suppress(HwprofError):
            compared = compare_stored(measurement, found[0])
            comparison_page(compared).plain()
            json_text(comparison_document(compared))
    target = table.path.with_name("again.jsonl")
    actions: Iterable[Callable[[], object]] = (
        table.counts,
        table.names,
        lambda: list(table.devices()),
        lambda: list(table.kernels()),
        lambda: list(table.calibrations()),
        lambda: export(table, None, target),
        lambda: table.get("0"),
    )
    for action in actions:
        try:
            action()
        except HwprofError:
            continue


def _read_predictor(path: Path) -> None:
    _each(
        lambda: load_adapted(path).answer(),
        lambda: load_adapted(path).answer([CELL]),
        lambda: FewShotPredictor.load(path).select(3),
    )


def _read_help(path: Path) -> None:
    from hwprof.predictors.help import HelpPredictor

    loaded = HelpPredictor.load(path)
    rows = loaded.select(4)
    adapted = loaded.adapt(rows, np.linspace(1e-3, 2e-3, len(rows)), check_units=False)
    adapted.predict(np.arange(min(10, loaded.pool.rows)))


def _measurements(path: Path) -> None:
    read_measurements(path, SPACE)


def _text(read: Callable[[str], object]) -> Callable[[Path], object]:
    def from_file(path: Path) -> object:
        return read(path.read_bytes().decode("utf-8", "surrogateescape"))

    return from_file


def _read_architecture(path: Path) -> None:
    name, _, text = path.read_bytes().decode("utf-8", "surrogateescape").partition(" ")
    for space in {name, SPACE} & set(spaces.names()):
        form = spaces.get(space)
        form.format(form.parse(text))


def _read_machine(path: Path) -> None:
    try:
        files = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return
    known = files.items() if isinstance(files, dict) else ()
    folder = path.with_name("machine")
    for place, text in known:
        # Only the texts are a machine's; the paths are the kernel's.
        if not isinstance(text, str) or not place.startswith(("proc/", "sys/")) or ".." in place:
            continue
        with suppress(OSError, ValueError):
            file = folder / place
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(text.encode("utf-8", "surrogateescape"))
    roots = Roots(folder / "proc", folder / "sys")
    hardware(roots, system="Linux", machine="x86_64")
    machine_facts(roots)
    before, after = snapshot(roots), snapshot(roots)
    between(before, after)
    list_meters(roots)
    meter = find_meter(None, roots)
    if isinstance(meter, EnergyMeter):
        with meter:
            meter.read_j()


class _Replies(Stream):
    """A worker that has answered already."""

    def __init__(self, content: bytes) -> None:
        self._lines = content.splitlines(keepends=True)
        self._closed = False

    def read_line(self, limit: int, *_: object) -> bytes:
        return self._lines.pop(0)[:limit] if self._lines else b""

    def write(self, data: bytes, *_: object) -> None:
        pass

    def flush(self) -> None:
        pass

    @property
    def closed(self) -> bool:
        return self._closed

    def obituary(self, who: str) -> str:
        return f"{who} is gone; start it again"

    def close(self) -> None:
        self._closed = True


def _read_replies(path: Path) -> None:
    channel = Channel(_Replies(path.read_bytes()), "measuring 'x'")
    _each(*(partial(channel.ask, "time", kind) for kind in _KINDS))


# Changes.


def _mutate_text(number: random.Random, content: bytes) -> bytes:
    parts = content.decode().replace("=", " = ").replace(",", " , ").split(" ")
    at = number.randrange(len(parts))
    parts[at] = number.choice(TEXTS) if number.random() < 0.5 else str(value(number, 1))
    return "".join(parts).encode("utf-8", "surrogatepass")[:1_000_000]


def _mutate_cells(number: random.Random, content: bytes) -> bytes:
    """Change one cell of a CSV file, or put a row in twice."""
    import csv
    import io

    try:
        csv.field_size_limit(2**30)
        rows = list(csv.reader(io.StringIO(content.decode(), newline="")))
    except (csv.Error, UnicodeDecodeError):
        return mutate_bytes(number, content)
    row = number.choice(rows)
    at = number.randrange(len(row))
    cell = row[at]
    if cell[:1] in ("{", "[") and number.random() < 0.7:
        row[at] = mutate_json(number, cell.encode()).decode("utf-8", "replace")
    else:
        row[at] = number.choice(
            (*TEXTS, str(value(number, 1)), str(value(number, 0.5)), "[]", "{}")
        )
    if number.random() < 0.1:
        rows.insert(number.randrange(len(rows)), row)
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8", "surrogatepass")


def _mutate_parquet(number: random.Random, content: bytes) -> bytes:
    """Change one column of a Parquet file, and write it anew."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(pa.BufferReader(content))
    at = number.randrange(table.num_columns)
    field = table.schema.field(at)
    rows = table.column(at).to_pylist()
    for _ in range(number.choice((1, 1, len(rows)))):
        row = number.randrange(len(rows))
        old = rows[row]
        if isinstance(old, str) and old[:1] in ("{", "["):
            rows[row] = mutate_json(number, old.encode()).decode("utf-8", "replace")
        else:
            rows[row] = value(number, old)
    try:
        column = pa.array(rows, field.type)
    except (pa.ArrowException, OverflowError, TypeError, ValueError):
        try:
            column = pa.array([None if row is None else repr(row)[:99] for row in rows])
        except (pa.ArrowException, ValueError):
            return mutate_bytes(number, content)
    changed = table.set_column(at, number.choice((field.name, field.name, "other")), column)
    made = pa.BufferOutputStream()
    pq.write_table(
        changed,
        made,
        compression=number.choice(("zstd", "snappy", "none")),
        use_dictionary=number.random() < 0.7,
        data_page_version=number.choice(("1.0", "2.0")),
    )
    return made.getvalue().to_pybytes()


# What has no place in a table, and would run or never end.
_STRANGE = (
    "CREATE TRIGGER boom AFTER INSERT ON measurement BEGIN DELETE FROM measurement; END",
    "CREATE TRIGGER boom BEFORE DELETE ON restart BEGIN SELECT RAISE(IGNORE); END",
    "CREATE VIEW v AS WITH RECURSIVE r(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM r) "
    "SELECT x FROM r",
    "ALTER TABLE failure RENAME TO gone",
    "ALTER TABLE device ADD COLUMN more TEXT DEFAULT (hex(zeroblob(1000)))",
    "ALTER TABLE device ADD COLUMN more TEXT GENERATED ALWAYS AS (upper(name)) VIRTUAL",
    "CREATE INDEX more ON failure (length(reason))",
    "CREATE TABLE more (x CHECK (x > 0))",
    "DROP TABLE restart",
    "DROP INDEX measurement_by_time",
    "ANALYZE",
    "PRAGMA user_version = 1",
    "PRAGMA user_version = 3",
)


def _mutate_table(number: random.Random, content: bytes) -> bytes:
    """Change some cells of an SQLite file, its schema, or which page a part of it begins on."""
    # A file in WAL mode cannot be opened from memory.
    content = content[:18] + b"\1\1" + content[20:]
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        try:
            connection.deserialize(content)
            connection.execute("PRAGMA foreign_keys = OFF")
            for _ in range(number.choice((1, 1, 2, 5))):
                _change(number, connection)
            return bytes(connection.serialize())
        except (sqlite3.Error, UnicodeError, OverflowError):
            return mutate_bytes(number, content)


def _change(number: random.Random, connection: sqlite3.Connection) -> None:
    kind = number.randrange(12)
    if kind == 0:
        connection.execute(number.choice(_STRANGE))
    elif kind == 1:
        connection.execute("PRAGMA writable_schema = ON")
        parts = connection.execute("SELECT name, rootpage FROM sqlite_master").fetchall()
        page = f"rootpage = {number.choice(parts)[1]}"
        change = number.choice(
            (page, "sql = upper(sql)", "sql = sql || ' STRICT'", "type = 'view'")
        )
        connection.execute(
            f"UPDATE sqlite_master SET {change} WHERE name = ?", (number.choice(parts)[0],)
        )
    else:
        tables = "SELECT name FROM sqlite_master WHERE type = 'table'"
        name = number.choice([row[0] for row in connection.execute(tables)])
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({name})")]
        column = number.choice(columns)
        found = connection.execute(f"SELECT {column} FROM {name} LIMIT 1 OFFSET ?", (kind % 3,))
        old = (found.fetchone() or [None])[0]
        connection.execute(f"UPDATE {name} SET {column} = ?", (_cell(number, old),))


def _cell(number: random.Random, old: Any) -> Any:
    if isinstance(old, bytes):
        return number.choice((mutate_bytes(number, old), b"", None, "text", bytes(2**20)))
    if isinstance(old, str) and old[:1] in ("{", "[") and number.random() < 0.8:
        text = mutate_json(number, old.encode())
        return number.choice((text, text.decode("utf-8", "replace")))
    found = value(number, old)
    return found if isinstance(found, str | int | float | None) else json.dumps(found)


def _mutate_safetensors(number: random.Random, content: bytes) -> bytes:
    """Change the header, the document inside it, or figures of the arrays."""
    size = struct.unpack("<Q", content[:8])[0]
    header, data = json.loads(content[8 : 8 + size]), bytearray(content[8 + size :])
    kind = number.randrange(4)
    known = header["__metadata__"]
    if kind == 0:
        key = number.choice(list(known))
        known[key] = mutate_json(number, known[key].encode()).decode("utf-8", "replace")
    elif kind == 1:
        tensor = number.choice([name for name in header if name != "__metadata__"])
        shape = header[tensor]["shape"]
        change = number.randrange(4)
        if change == 0:
            shape.reverse()
        elif change == 1:
            header[number.choice(("x", "matrix.9", ""))] = header.pop(tensor)
        elif change == 2:
            header[tensor]["dtype"] = number.choice(("F32", "F16", "BF16", "I64", "U8", "F8_E4M3"))
        else:
            header[tensor] = {"dtype": "F64", "shape": [0, 2**40], "data_offsets": [0, 0]}
    elif kind == 2:
        text = mutate_json(number, json.dumps(header).encode())
        return struct.pack("<Q", len(text)) + text + data
    else:
        form = number.choice(("<d", "<f", "<q"))
        wide = struct.calcsize(form)
        for _ in range(number.choice((1, 10, 1000))):
            at = number.randrange(max(1, len(data) // wide)) * wide
            figure = number.choice((float("nan"), float("inf"), 1e300, -1.0, 0.0, 1e-300))
            with suppress(OverflowError, struct.error):
                data[at : at + wide] = struct.pack(form, -1 if form == "<q" else figure)
    text = json.dumps(header).encode("utf-8", "surrogatepass")
    return struct.pack("<Q", len(text)) + text + bytes(data)


def _mutate_machine(number: random.Random, content: bytes) -> bytes:
    """Change some files of a machine."""
    files = json.loads(content)
    if not files:
        return mutate_bytes(number, content)
    for _ in range(number.choice((1, 1, 3))):
        name = number.choice(list(files))
        text = files[name]
        words = text.split(" ")
        at = number.randrange(len(words))
        words[at] = number.choice((*TEXTS, str(value(number, 1)), "0-4294967295", "9" * 30, "-5"))
        files[name] = number.choice(
            (
                " ".join(words),
                mutate_bytes(number, text.encode("utf-8", "surrogatepass")).decode(
                    "utf-8", "surrogateescape"
                ),
            )
        )
    return json.dumps(files).encode()
