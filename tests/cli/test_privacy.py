"""No command asks the network anything or leaves a file that nobody asked for (docs/privacy.md).

Each runs in an empty home, with empty caches, temporary and current folders, while all of its
processes are watched.
"""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.watching import Watched, watched

HERE = Path(__file__).parents[2]
QUICK = ("--precision", "0.5", "--budget", "0.3", "--restarts", "1")
FOLDERS = {
    "HOME": "home",
    "XDG_CACHE_HOME": "cache",
    "XDG_CONFIG_HOME": "config",
    "XDG_DATA_HOME": "data",
    "XDG_STATE_HOME": "state",
    "TMPDIR": "temporary",
}
# Inductor keeps the code that it compiled in a folder with the user's name.
CACHE = "temporary/torchinductor_"
TABLE = ("here/hwprof.db", "here/hwprof.db-shm", "here/hwprof.db-wal")
# And pools that were fitted are kept by what went into them.
FITTED = ("cache/hwprof", "cache/hwprof/fitted")
# Six more workers tell what their profilers cost, and each takes long to import them.
SLOW = ("executorch-cpu", "torch-cpu:mode=compiled", "tvm-cpu")


@dataclass(frozen=True)
class Room:
    """Empty folders for all that a program may write to without being told."""

    root: Path

    @property
    def here(self) -> Path:
        """The current folder of the commands."""
        return self.root / "here"

    def run(self, *arguments: str) -> Watched:
        """A command that succeeds, and neither opened a socket nor looked a name up."""
        environment = {
            "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
            "PYTHONPATH": str(HERE),
            # Next to the packages, not in any of these folders; and not what is looked for.
            "PYTHONDONTWRITEBYTECODE": "1",
            **{name: str(self.root / folder) for name, folder in FOLDERS.items()},
        }
        found = watched([sys.executable, "-m", "hwprof", *arguments], self.here, environment)
        assert found.code == 0, found.err
        assert (found.sockets, found.lookups) == ([], [])
        # `mkdir -p` asks for the folders above as well.
        above = (self.root, *self.root.parents)
        elsewhere = {p for p in found.made if not p.is_relative_to(self.root) and p not in above}
        assert {path for path in elsewhere if path.exists() and not _device(path)} == set()
        return found

    def left(self) -> set[str]:
        """Everything that is there now, but for the table and what docs/privacy.md calls caches."""
        found = {str(p.relative_to(self.root)) for p in self.root.rglob("*")}
        ours = {"here", *FOLDERS.values(), *TABLE}
        caches = (CACHE, f"{FITTED[-1]}/")
        return {each for each in found - ours - {*FITTED} if not each.startswith(caches)}


@pytest.fixture
def room(tmp_path: Path) -> Room:
    root = tmp_path / "room"
    for folder in ("here", *FOLDERS.values()):
        (root / folder).mkdir(parents=True)
    return Room(root)


def _device(path: Path) -> bool:
    return path.is_relative_to("/dev") and not path.is_relative_to("/dev/shm")


def _files(names: Iterable[str]) -> set[str]:
    return {f"here/{name}" for name in names}


@pytest.mark.parametrize(
    "device",
    [
        "onnxruntime-cpu",
        "onnxruntime-cpu:precision=int8",
        *(
            pytest.param(name, marks=pytest.mark.runtimes)
            for name in (
                "executorch-cpu",
                "litert-cpu",
                "mnn-cpu",
                "ncnn-cpu",
                "openvino-cpu",
                "torch-cpu",
                "torch-cpu:mode=compiled",
                "tvm-cpu",
            )
        ),
    ],
)
def test_measuring(room: Room, mlp: Path, device: str) -> None:
    shutil.copy(mlp, room.here / "mlp.onnx")
    options = ("--no-per-op",) if device in SLOW else ()
    done = room.run("measure", "mlp.onnx", "--device", device, *QUICK, *options)
    assert "latency" in done.out
    assert room.left() == _files(["mlp.onnx"])


@pytest.mark.runtimes
def test_searching_schedules(room: Room, mlp: Path) -> None:
    shutil.copy(mlp, room.here / "mlp.onnx")
    device = "tvm-cpu:tune=1,database=schedules"
    room.run("measure", "mlp.onnx", "--device", device, "--no-per-op", *QUICK)
    kept = [f"schedules/database_{name}.json" for name in ("workload", "tuning_record")]
    assert room.left() == _files(["mlp.onnx", "schedules", *kept])


def test_looking_around(room: Room) -> None:
    assert "onnxruntime-cpu" in room.run("devices").out
    room.run("devices", "--quick", "--json")
    found = room.run("doctor", "--json")
    assert "timer" in found.out
    assert room.left() == set()


def test_tables(room: Room, mlp: Path) -> None:
    shutil.copy(mlp, room.here / "mlp.onnx")
    room.run("measure", "mlp.onnx", "--no-per-op", *QUICK)
    # On a busy machine the two may be unlike.
    quick = ("--budget", "0.5", "--precision", "0.5", "--anyway")
    room.run("compare", "mlp.onnx", "mlp.onnx", *quick)
    room.run("lut", "show")
    room.run("lut", "show", "--json")
    exports = [f"all.{suffix}" for suffix in ("jsonl", "csv", "parquet")]
    for name in exports:
        room.run("lut", "export", "-o", name)
        room.run("lut", "import", name, "--lut", "theirs.db")
    rows = json.loads(room.run("lut", "show", "--json").out)
    first, second = (row["id"] for row in rows[:2])
    room.run("compare", first, second, "--anyway")
    theirs = {"theirs.db", "theirs.db-shm", "theirs.db-wal"}
    assert room.left() - _files(theirs) == _files(["mlp.onnx", *exports])


def test_predicting(room: Room) -> None:
    archs = room.run("select", "--space", "nasbench201", "-k", "3").out.split()
    rows = [f"{arch},{2 + number}" for number, arch in enumerate(archs)]
    (room.here / "three.csv").write_text("\n".join(["arch,latency_ms", *rows]))
    room.run(
        *("adapt", "--space", "nasbench201", "--measurements", "three.csv"),
        *("-o", "my.device", "--any-speed"),
    )
    room.run("predict", "--predictor", "my.device", archs[0])
    room.run("measure", "--space", "nasbench201", "--arch", archs[0], "--no-per-op", *QUICK)
    room.run("example")
    assert room.left() == _files(["three.csv", "my.device", "example.onnx"])
