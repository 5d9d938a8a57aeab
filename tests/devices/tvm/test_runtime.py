"""Which processor to compile for."""

from __future__ import annotations

from hwprof.devices.tvm.runtime import missing_features, x86_level

AVX2 = ("avx", "avx2", "f16c", "fma", "sse4_1", "sse4_2")
AVX512 = (*AVX2, "avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl", "avx512_vnni")


def test_what_a_virtual_machine_hides_is_missing() -> None:
    wanted = ["avx2", "sse4.2", "avx512f", "avx512vnni", "popcnt", "avx10.1"]
    assert missing_features(wanted, AVX2) == ["avx512f", "avx512vnni"]
    assert missing_features(wanted, AVX512) == []


def test_nothing_is_missing_where_flags_are_not_listed() -> None:
    assert missing_features(["neon", "sve"], ("asimd", "sve")) == []
    assert missing_features(["avx2"], ()) == []


def test_levels_of_x86() -> None:
    assert x86_level(AVX512) == "x86-64-v4"
    assert x86_level(AVX2) == "x86-64-v3"
    assert x86_level(("sse4_1", "sse4_2")) == "x86-64-v2"
    assert x86_level(()) == "x86-64"
