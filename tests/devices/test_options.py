"""Options as fields: how they are read, refused, shown and documented."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hwprof.codec import from_json, to_json
from hwprof.device_spec import Hardware
from hwprof.devices.base import Availability, Session
from hwprof.devices.declared import DeclaredDevice, Runtime, installed
from hwprof.devices.options import Option, choice, option, switch, thread_count
from hwprof.devices.registry import REGISTRY
from hwprof.errors import ModelError, OptionError
from hwprof.models.base import Model
from hwprof.models.load import load_model

HERE = Hardware("system", "cpu", (), 1, 1)
SCRIPT = Path(__file__).parents[2] / "scripts/docs_tables.py"


@dataclasses.dataclass(frozen=True, slots=True)
class Toy(DeclaredDevice):
    NAME: ClassVar[str] = "toy"

    threads: int = thread_count()
    precision: str = choice("fp32", ("fp16", "fp32", "int8"), "of everything")
    level: str = choice("low", ("low", "high"), "how far to go", name="opt")
    cold: bool = switch(False, "of the cache", name="cache", values=("warm", "cold"), yes="cold")
    place: str = option(
        "", "where", lambda _, text: text, written="", form="FOLDER", show=lambda p: p and "kept"
    )
    number: int = option(0, "of the card", lambda _, text: int(text), form="N", in_spec=False)
    brand: str = option("auto", "of the card", lambda _, text: text, form="NAME")

    @classmethod
    def availability(cls) -> Availability:
        return Availability(True)

    @classmethod
    def completed(cls, options: Mapping[str, str]) -> Mapping[str, str]:
        if options.get("precision") == "int4":
            raise OptionError("int4 is not for toys; use int8")
        implied = {"opt": "high"} if options.get("precision") == "int8" else {}
        return {**implied, **options}

    def check(self) -> None:
        if self.cold and self.level == "low":
            raise OptionError("cache=cold needs opt=high; add it")

    def runtime(self) -> Runtime:
        return Runtime("toy", "1", "wood", "hand", HERE, {"brand": "acme"})

    def open_model(self, model: Model) -> Session:
        raise ModelError("a toy opens nothing; choose another device")


def test_options_are_read_from_the_declaration() -> None:
    assert Toy.create({}) == Toy()
    text = {"threads": "2", "opt": "high", "cache": "cold", "place": "x", "number": "3"}
    assert Toy.create(text) == Toy(2, "fp32", "high", True, "x", 3)
    assert Toy.create({"precision": "int8"}).level == "high"
    assert Toy.create({"precision": "int8", "opt": "low"}).level == "low"


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"threads": "0"}, "threads must be a whole number from 1 to 1024, got '0'; try threads=1"),
        ({"threads": "-1"}, "threads must be a whole number"),
        ({"threads": "9" * 5000}, "threads must be a whole number"),
        ({"threads": "²"}, "threads must be a whole number"),
        ({"precision": "fp8"}, "precision must be one of fp16, fp32, int8, got 'fp8'"),
        ({"precision": "int4"}, "int4 is not for toys; use int8"),
        ({"opt": "most"}, "opt must be low or high, got 'most'"),
        ({"cache": "on"}, "cache must be warm or cold, got 'on'"),
        ({"cache": "cold"}, "cache=cold needs opt=high"),
        (
            {"level": "high"},
            "device toy has no option 'level'; it has threads, precision, opt, cache, place, "
            "number and brand",
        ),
    ],
)
def test_wrong_options_are_refused_in_one_sentence(options: dict[str, str], says: str) -> None:
    with pytest.raises(OptionError) as error:
        Toy.create(options)
    assert says in str(error.value)
    assert "\n" not in str(error.value)


def test_the_spec_follows_from_the_declaration() -> None:
    spec = Toy.create({"opt": "high", "cache": "cold", "place": "/x", "number": "1"}).spec
    assert (spec.name, spec.runtime, spec.runtime_version, spec.runtime_build, spec.provider) == (
        *("toy", "toy", "1", "wood", "hand"),
    )
    assert (spec.hardware, spec.threads, spec.precision) == (HERE, 1, "fp32")
    assert list(spec.options.items()) == [
        ("opt", "high"),
        ("cache", "cold"),
        ("place", "kept"),
        ("brand", "acme"),
    ]


def test_a_device_without_options() -> None:
    @dataclasses.dataclass(frozen=True, slots=True)
    class Bare(DeclaredDevice):
        NAME: ClassVar[str] = "bare"

        @classmethod
        def availability(cls) -> Availability:
            return Availability(True)

        def runtime(self) -> Runtime:
            return Runtime("bare", "1", "", "hand")

        def open_model(self, model: Model) -> Session:
            raise NotImplementedError

    assert Bare.options() == ()
    spec = Bare.create({}).spec
    assert (spec.threads, spec.precision, dict(spec.options)) == (1, "native", {})
    with pytest.raises(OptionError, match="device bare has no option 'threads'; it has none"):
        Bare.create({"threads": "1"})


def test_options_are_data() -> None:
    texts = [str(each) for each in Toy.options()]
    assert texts == [
        "threads=1,N",
        "precision=fp32,fp16,int8",
        "opt=low,high",
        "cache=warm,cold",
        "place=FOLDER",
        "number=0,N",
        "brand=auto,NAME",
    ]
    assert from_json(to_json(Toy.options()), tuple[Option, ...]) == Toy.options()


def test_other_formats_are_refused_before_the_device_sees_them(mlp: Path) -> None:
    model = load_model(mlp)
    with pytest.raises(ModelError, match="device toy opens ONNX models"):
        Toy().open(Model(mlp, model.subject, "tflite"))
    with pytest.raises(ModelError, match="opens nothing"):
        Toy().open(model)


def test_what_is_missing_is_named() -> None:
    assert installed("pip install x", "json", "importlib.util").ok
    for missing in ("no_such_package", "json.no.such", "no_such_package.inside"):
        state = installed("pip install x", "json", missing)
        shown = missing.replace("_", "-")
        assert state.reason == f"{shown} is not installed; install it with pip install x"
        assert state.fix == "pip install x"


BUILT_IN = [
    (entry.name, each) for entry in REGISTRY.entries(()).values()
    for each in REGISTRY.load(entry).options()
]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "declared"), BUILT_IN, ids=[f"{name}-{each.name}" for name, each in BUILT_IN]
)
def test_every_declared_option_is_read_as_it_is_listed(name: str, declared: Option) -> None:
    entry = REGISTRY.find(name)
    assert entry is not None
    backend = REGISTRY.load(entry)
    if declared.default:
        assert backend.create({declared.name: declared.default}) == backend.create({})
    assert not declared.values or declared.default in declared.values
    assert declared.values or declared.form or declared.name == "threads"
    assert declared.help
    assert "|" not in declared.help
    for value in declared.values:
        try:
            backend.create({declared.name: value})
        except OptionError as error:
            if "needs" not in str(error):  # a value may need another option, and then says so
                raise
    if declared.values and not declared.form:
        with pytest.raises(OptionError, match=f"{declared.name} must be"):
            backend.create({declared.name: "no such value"})


@given(st.dictionaries(st.sampled_from([o.name for o in Toy.options()]), st.text(max_size=6)))
def test_whatever_is_given_is_read_or_refused(options: dict[str, str]) -> None:
    options.pop("number", None)  # its own reader, above, is careless
    try:
        device = Toy.create(options)
    except OptionError:
        return
    shown = {each.name: each for each in Toy.options()}
    for name, value in options.items():
        assert not shown[name].values or value in shown[name].values
    assert Toy.create(options) == device


def test_the_table_in_the_docs_is_up_to_date(tmp_path: Path) -> None:
    def check(*arguments: object) -> int:
        command = [sys.executable, str(SCRIPT), *map(str, arguments)]
        return subprocess.run(command, capture_output=True, check=False).returncode

    assert check("--check") == 0
    drifted = tmp_path / "backends.md"
    text = (SCRIPT.parents[1] / "docs/backends.md").read_text()
    drifted.write_text(text.replace("`spin=on,off`", "`spin=off,on`"))
    assert check("--check", "--docs", drifted) == 1
    assert check("--docs", drifted) == 0
    assert drifted.read_text() == text
    drifted.write_text("no marks")
    assert check("--docs", drifted) != 0


def test_the_door_for_authors_loads_nothing_heavy() -> None:
    code = (
        "import sys, hwprof.devices.plugin as door; "
        "assert all(hasattr(door, name) for name in door.__all__); "
        "print(sorted({'onnx', 'onnxruntime', 'torch', 'importlib.metadata'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
