from __future__ import annotations

import dataclasses
from importlib.metadata import EntryPoint

import pytest

from hwprof.codec import from_json, to_json
from hwprof.devices import registry
from hwprof.devices.base import Availability
from hwprof.devices.onnxruntime import OnnxRuntimeCpu
from hwprof.errors import DeviceError, OptionError


@pytest.mark.parametrize("name", ["cpu", "ort", "onnxruntime", "CPUExecutionProvider"])
def test_aliases(name: str) -> None:
    assert isinstance(registry.connect(name), OnnxRuntimeCpu)


def test_options_in_the_name_and_beside_it() -> None:
    device = registry.connect("onnxruntime-cpu:threads=2,opt=basic", {"spin": "off"})
    assert device == OnnxRuntimeCpu(2, "basic", False)
    assert device.spec.threads == 2
    assert device.spec.options == {"opt": "basic", "spin": "off"}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("cpu:threads", "where an option should stand"),
        ("cpu:=2", "where an option should stand"),
        ("cpu:threads=1,threads=2", "twice"),
        ("cpu:threads=many", "whole number"),
        ("cpu:opt=most", "none, basic, extended, all"),
        ("cpu:spin=maybe", "on or off"),
        ("cpu:colour=red", "no option 'colour'"),
    ],
)
def test_malformed_devices(text: str, says: str) -> None:
    with pytest.raises(OptionError, match=says) as error:
        registry.connect(text)
    assert "\n" not in str(error.value)


def test_an_unknown_device_names_the_known_ones() -> None:
    with pytest.raises(DeviceError, match="onnxruntime-cpu"):
        registry.connect("npu")


def test_names_and_options_are_checked_without_the_runtime() -> None:
    plugin = EntryPoint("far", "no_such_module:Device", registry.REGISTRY.group)
    registry.check("tensorrt", {"cache": "cold"})
    registry.check("far", {"anything": "goes"}, plugins=[plugin])
    with pytest.raises(OptionError, match="warm or cold"):
        registry.check("tensorrt", {"cache": "hot"})
    with pytest.raises(DeviceError, match="unknown device 'npu'; known here: executorch-cpu, far"):
        registry.check("npu", {}, plugins=[plugin])


class Careless(OnnxRuntimeCpu):
    """A plugin that raises where it must not."""

    @classmethod
    def availability(cls) -> Availability:
        raise OSError("no such\ndriver")


def test_a_broken_plugin_is_a_reason_not_a_crash() -> None:
    group = registry.REGISTRY.group
    found = (
        EntryPoint("broken", "no_such_module:Device", group),
        EntryPoint("stranger", "json:JSONDecoder", group),
        EntryPoint("careless", f"{__name__}:Careless", group),
    )
    listed = {device.name: device for device in registry.available(plugins=found)}
    assert not listed["broken"].available
    assert "no_such_module" in listed["broken"].reason
    assert "not an hwprof Device; ask its author to run" in listed["stranger"].reason
    assert listed["careless"].reason.endswith("OSError: no such driver")
    assert listed["onnxruntime-cpu"].available
    with pytest.raises(DeviceError, match="does not import"):
        registry.connect("broken", plugins=found)


def test_a_listing_carries_the_options() -> None:
    listed = {device.name: device for device in registry.available(plugins=())}
    assert [str(each) for each in listed["onnxruntime-cpu"].options] == [
        "threads=1,N",
        "opt=all,none,basic,extended",
        "spin=on,off",
        "precision=native,fp16,int8",
        "custom_ops=FILE.so",
    ]
    lines = listed["onnxruntime-cpu"].lines()
    assert lines[0] == f"{'onnxruntime-cpu':24s} available"
    assert "threads=1,N  opt=all,none,basic,extended  spin=on,off" in lines[1]
    known = dataclasses.replace(
        listed["onnxruntime-cpu"], spec=registry.connect("onnxruntime-cpu").spec
    )
    assert known.lines()[0].endswith(", native (defaults: threads=1,opt=all,spin=on)")
    away = registry.Listed("far", False, "it is far", listed["onnxruntime-cpu"].options)
    assert away.lines() == (f"{'far':24s} unavailable, because it is far",)
    assert from_json(to_json(listed["tvm-cpu"]), registry.Listed) == listed["tvm-cpu"]
