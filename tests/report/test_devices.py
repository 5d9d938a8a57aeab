"""Short names of devices: as little as tells those apart that are listed."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from hwprof.device_spec import DeviceSpec
from hwprof.report.devices import short_names
from hwprof.testing.examples import example_device
from tests.report.realistic import device

ONE = replace(example_device(0), precision="native")


def named(*devices: DeviceSpec) -> list[str]:
    found = short_names(devices)
    assert len(found) == len({each.fingerprint for each in devices})
    return [found[each.fingerprint] for each in devices]


def test_a_device_alone_is_its_name() -> None:
    assert named(ONE) == ["onnxruntime-cpu"]
    assert named(replace(ONE, threads=4)) == ["onnxruntime-cpu:threads=4"]
    assert named(device(3), ONE) == ["openvino-cpu", "onnxruntime-cpu"]


def test_settings_are_written_as_they_are_asked_for() -> None:
    none = replace(ONE, options={**ONE.options, "graph-opt": "none"})
    assert named(ONE, replace(none, threads=2)) == ["onnxruntime-cpu", "onnxruntime-cpu:threads=2"]
    assert named(ONE, none) == ["onnxruntime-cpu:graph-opt=all", "onnxruntime-cpu:graph-opt=none"]
    assert named(ONE, none, replace(ONE, precision="int8")) == [
        "onnxruntime-cpu:graph-opt=all",
        "onnxruntime-cpu:graph-opt=none",
        "onnxruntime-cpu:precision=int8,graph-opt=all",
    ]


def test_versions_machines_and_the_rest() -> None:
    assert named(ONE, replace(ONE, runtime_version="2")) == [
        "onnxruntime-cpu 1.20.1",
        "onnxruntime-cpu 2",
    ]
    other = replace(ONE, hardware=replace(ONE.hardware, cpu="Other (R) CPU", cores=2))
    assert named(ONE, other)[1] == "onnxruntime-cpu other-r-cpu-2c"
    more = replace(ONE, hardware=replace(ONE.hardware, memory_bytes=1))
    assert named(ONE, more)[1] == f"onnxruntime-cpu {more.fingerprint[:6]}"


devices = st.builds(
    lambda number, threads, version, precision, opt: replace(
        device(number), threads=threads, runtime_version=version, precision=precision, options=opt
    ),
    st.integers(0, 5),
    st.sampled_from([1, 2]),
    st.sampled_from(["1", "2"]),
    st.sampled_from(["native", "fp16"]),
    st.dictionaries(st.sampled_from(["opt", "spin"]), st.sampled_from(["a", "b"])),
)


@given(st.lists(devices, max_size=8))
def test_unlike_devices_have_unlike_names(listed: list[DeviceSpec]) -> None:
    names = short_names(listed)
    assert set(names) == {each.fingerprint for each in listed}
    assert len(set(names.values())) == len(names)
    assert all(names[each.fingerprint].startswith(each.name) for each in listed)
