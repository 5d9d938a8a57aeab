from __future__ import annotations

from importlib.metadata import EntryPoint

import pytest

from hwprof.devices import registry
from hwprof.devices.onnxruntime import OnnxRuntimeCpu
from hwprof.errors import DeviceError, OptionError


def test_built_ins_are_entry_points_too() -> None:
    from importlib.metadata import entry_points

    declared = {entry.name: entry.value for entry in entry_points(group=registry.GROUP)}
    for name, value in registry.BUILTIN.items():
        assert declared[name] == value


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


def test_a_broken_plugin_is_a_reason_not_a_crash(monkeypatch: pytest.MonkeyPatch) -> None:
    found = (
        EntryPoint("broken", "no_such_module:Device", registry.GROUP),
        EntryPoint("stranger", "json:JSONDecoder", registry.GROUP),
    )
    monkeypatch.setattr(registry, "plugins", lambda: found)
    listed = {device.name: device for device in registry.available()}
    assert not listed["broken"].available
    assert "no_such_module" in listed["broken"].reason
    assert "not an hwprof Device" in listed["stranger"].reason
    assert listed["onnxruntime-cpu"].available
    with pytest.raises(DeviceError, match="does not import"):
        registry.connect("broken")
