"""The fuzzer itself, and a short run of it over every reader, always the same one."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"
RUNS = 8
MODULES = ("fuzz_targets_tables", "fuzz_targets_models")


@pytest.fixture(scope="module")
def fuzzing() -> Iterator[Any]:
    sys.path.insert(0, str(SCRIPTS))
    try:
        import fuzzing

        yield fuzzing
    finally:
        sys.path.remove(str(SCRIPTS))


@pytest.mark.runtimes
def test_no_reader_does_what_it_may_not(fuzzing: Any, tmp_path: Path) -> None:
    found = fuzzing.load(MODULES, tmp_path / "parent")
    with fuzzing.Child(MODULES, tmp_path) as child:
        for name, target in found.items():
            result = fuzzing.fuzz(child, name, target, tmp_path / "kept", seed=1, runs=RUNS)
            assert result.findings == [], result.findings
            assert result.accepted + result.refused == result.runs == RUNS
            assert result.accepted


BAD = """
import os, socket, time
from pathlib import Path
from fuzzing import Target
from hwprof.errors import TableError


def read(path):
    content = path.read_bytes()
    path.with_name("beside").write_bytes(b"this is allowed")
    if b"refuse" in content:
        raise TableError("it is refused: send another")
    if b"error" in content:
        return {}["missing"]
    if b"exit" in content:
        raise SystemExit(3)
    if b"crash" in content:
        os.kill(os.getpid(), 11)
    if b"hang" in content:
        time.sleep(60)
    if b"memory" in content:
        held = bytearray(300 * 2**20)
        held[::4096] = bytes(len(held[::4096]))
    if b"address" in content:
        bytearray(2**40)
    if b"outside" in content:
        Path(path.parent.parent / "escaped").write_bytes(b"x")
    if b"elsewhere" in content:
        Path(os.environ["ELSEWHERE"]).write_bytes(b"x")
    if b"connect" in content:
        socket.getaddrinfo("127.0.0.1", 1)


def change(number, content):
    return number.choice(KINDS)


KINDS = [b"fine"]


def targets(folder):
    return {"bad": Target([b"fine", b"refuse"], ".bin", read, change)}
"""


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("error", "error"),
        ("exit", "error"),
        ("crash", "crash"),
        ("hang", "hang"),
        ("memory", "memory"),
        ("address", "memory"),
        ("outside", "file"),
        ("elsewhere", "file"),
        ("connect", "connection"),
    ],
)
def test_the_fuzzer_finds(
    fuzzing: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, expected: str
) -> None:
    module = f"bad_reader_{kind}"
    (tmp_path / f"{module}.py").write_text(BAD.replace('[b"fine"]', f'[b"{kind}"]', 1))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")
    monkeypatch.setenv("ELSEWHERE", str(tmp_path / "elsewhere"))
    monkeypatch.setattr(fuzzing, "LIMIT_S", 0.5 if kind == "hang" else fuzzing.LIMIT_S)
    target = fuzzing.load([module], tmp_path / "parent")["bad"]
    with fuzzing.Child([module], tmp_path / "child") as child:
        result = fuzzing.fuzz(child, "bad", target, tmp_path / "kept", seed=3, runs=6)
    (finding,) = result.findings
    assert finding.kind == expected
    assert kind.encode() in Path(finding.kept).read_bytes()
    assert result.refused >= 1
    assert result.runs == 6


def test_inputs_depend_on_the_seed_alone(fuzzing: Any) -> None:
    from itertools import islice

    seeds = [b'{"a": [1, 2.5, "x", null], "b": {"c": true}}\n' * 3, bytes(range(256))]
    from fuzz_mutations import mutate_json, mutate_lines

    for mutate in (None, mutate_json, mutate_lines):
        target = fuzzing.Target(seeds, "", print, mutate)
        one, two, other = (list(islice(fuzzing.inputs(target, seed), 60)) for seed in (1, 1, 2))
        assert one == two
        assert one != other
        assert one[: len(seeds)] == seeds
        assert len(set(one)) > 40


def test_zip_members_are_changed_and_stay_readable(fuzzing: Any) -> None:
    import io
    import random
    import zipfile

    from fuzz_mutations import mutate_zip

    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", '{"x": 1}')
        archive.writestr("b.bin", bytes(100))
    number = random.Random(0)
    results = [mutate_zip(number, made.getvalue()) for _ in range(60)]
    for content in results:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            for info in archive.infolist():
                archive.read(info)
    assert len(set(results)) > 30
    assert mutate_zip(number, b"no archive") != b""
