"""The one door for built-ins and plugins, and the four registries behind it."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from hwprof.devices.registry import REGISTRY as DEVICES
from hwprof.errors import DeviceError, OptionError
from hwprof.machine.meters.registry import REGISTRY as METERS
from hwprof.plugins import Registry
from hwprof.predictors.registry import REGISTRY as PREDICTORS
from hwprof.spaces.registry import REGISTRY as SPACES

ALL = (DEVICES, METERS, PREDICTORS, SPACES)
each = pytest.mark.parametrize("registry", ALL, ids=lambda registry: registry.group)

SMALL = Registry("tests.numbers", "number", int, "tests.laws", {"one": "builtins:int"})


class Five(int):
    """A plugin as it should be."""


def point(name: str, value: str) -> EntryPoint:
    return EntryPoint(name, value, "tests.numbers")


@each
def test_the_package_declares_the_built_ins(registry: Registry) -> None:
    text = (Path(__file__).parents[1] / "pyproject.toml").read_text()
    declared = tomllib.loads(text)["project"]["entry-points"]
    assert declared[registry.group] == dict(registry.builtin)
    assert set(declared) == {known.group for known in ALL}


@each
def test_every_built_in_is_of_its_kind(registry: Registry) -> None:
    assert set(registry.names(())) == set(registry.builtin)
    for entry in registry.entries(()).values():
        assert issubclass(registry.load(entry), registry.base)


@each
def test_the_laws_are_where_an_error_says(registry: Registry) -> None:
    text = str(registry.stranger(point("x", "y:Z"), registry.base.__name__))
    assert text.endswith(f"ask its author to run {registry.laws}")
    __import__(registry.laws)


def test_plugins_come_after_the_built_ins_and_take_none_of_their_names() -> None:
    plugins = [point("two", "x:Y"), point("five", f"{__name__}:Five"), point("one", "x:Thief")]
    assert [entry.name for entry in SMALL.entries(plugins).values()] == ["one", "five", "two"]
    assert SMALL.names(plugins) == ("five", "one", "two")
    one = SMALL.find("one", plugins)
    assert one is not None
    assert SMALL.load(one) is int
    five = SMALL.find("five", plugins)
    assert five is not None
    assert SMALL.load(five) is Five
    assert SMALL.find("six", plugins) is None


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("no_such_module:X", "does not import: ModuleNotFoundError: No module named"),
        ("json:Missing", "does not import: AttributeError: "),
        ("tests.leaving:X", "does not import: SystemExit: goodbye all of you; reinstall or remove"),
        ("json:dumps", "is not an hwprof int; ask its author to run tests.laws"),
        ("json:JSONDecoder", "is not an hwprof int; ask its author to run tests.laws"),
    ],
)
def test_a_broken_plugin_is_named_with_its_reason(
    value: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if value.startswith("tests.leaving"):
        (tmp_path / "leaving.py").write_text("raise SystemExit('goodbye\\n  all of you')\n")
        monkeypatch.syspath_prepend(str(tmp_path))
        value = "leaving:X"
    with pytest.raises(OptionError) as caught:
        SMALL.load(point("bad", value))
    text = str(caught.value)
    assert text.startswith(f"the number 'bad' ({value}) ")
    assert says in text
    assert "\n" not in text


def test_a_registry_raises_its_own_errors() -> None:
    errors = (DeviceError, DeviceError, OptionError, OptionError)
    for registry, error in zip(ALL, errors, strict=True):
        with pytest.raises(error, match="does not import"):
            registry.load(point("bad", "no_such_module:X"))


def test_a_built_in_is_found_in_a_tree_that_was_never_installed() -> None:
    program = (
        "import importlib.metadata as m; m.entry_points = None\n"
        "from hwprof.devices.registry import REGISTRY as d\n"
        "from hwprof.spaces.registry import get\n"
        "print(d.load(d.find('litert-cpu')).__name__, get('fbnet').name)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["LiteRtCpu", "fbnet"]


def test_opening_a_built_in_reads_no_metadata() -> None:
    program = (
        "import sys; from hwprof.plugins import Registry\n"
        "r = Registry('g', 'number', int, 'laws', {'one': 'builtins:int'})\n"
        "assert r.load(r.find('one')) is int\n"
        "print('importlib.metadata' in sys.modules); r.find('two')\n"
        "print('importlib.metadata' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "True"]
