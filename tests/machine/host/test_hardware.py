import os
import platform
from pathlib import Path

import pytest

from hwprof.machine.host import Roots, hardware
from hwprof.machine.host.cpuinfo import cpu_name, emulation, is_virtual, isa_flags
from hwprof.testing import machines as fake_machines


def test_intel_desktop(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, fake_machines.intel_desktop())
    found = hardware(roots, system="Linux", machine="x86_64")
    assert found.system == "Linux-x86_64"
    assert found.cpu == "Intel(R) Core(TM) i7-0000"
    # `sme` is memory encryption on x86, and no reason for another kernel.
    assert found.isa == ("avx", "avx2", "avx_vnni", "f16c", "fma", "sse4_1", "sse4_2")
    assert found.cores == 8
    assert found.memory_bytes == 32_000 << 20
    assert not found.emulated


def test_arm_board_is_named_by_board_and_cores(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, fake_machines.arm_board())
    found = hardware(roots, system="Linux", machine="aarch64")
    assert found.cpu == "Khadas VIM3 (2x Cortex-A53 + 4x Cortex-A73)"
    # asimddp is on the fast cores only: no thread may count on it.
    assert found.isa == ("asimd",)
    assert not found.emulated


def test_arm_server_without_device_tree_is_named_by_its_core(tmp_path: Path) -> None:
    block = "processor\t: {}\nFeatures\t: asimd sve i8mm bf16\nCPU implementer\t: 0x41\n"
    block += "CPU part\t: 0xd40\n"
    roots = fake_machines.build(
        tmp_path, {"proc/cpuinfo": "\n".join(block.format(n) for n in range(64))}
    )
    assert cpu_name(roots) == "Neoverse-V1"
    assert isa_flags(roots) == ("asimd", "bf16", "i8mm", "sve")


@pytest.mark.parametrize(
    ("cpuinfo", "name"),
    [
        ("CPU implementer\t: 0x51\nCPU part\t: 0x001\n", "implementer 0x51 part 0x001"),
        ("CPU implementer\t: 0x41\nCPU part\t: 0xd03\nHardware\t: SM8250\n", "SM8250 (Cortex-A53)"),
        ("CPU implementer\t: 0x41\nCPU part\t: 0xd08\nModel\t: RPi 4\n", "RPi 4 (Cortex-A72)"),
        ("CPU implementer\t: 0x41\nCPU part\t: odd\n", "odd"),
        ("processor\t: 0\nisa\t: rv64imafdcv_zvfh\nuarch\t: thead,c910\n", "thead,c910"),
        ("", None),
    ],
)
def test_names_of_rarer_processors(tmp_path: Path, cpuinfo: str, name: str | None) -> None:
    assert cpu_name(fake_machines.build(tmp_path, {"proc/cpuinfo": cpuinfo})) == name


@pytest.mark.parametrize(
    ("isa", "flags"), [("rv64imafdcv_zvfh_zba", ("v", "zvfh")), ("rv64imafdc_zba", ())]
)
def test_riscv_vector_extensions(tmp_path: Path, isa: str, flags: tuple[str, ...]) -> None:
    # The v of "rv64" is no vector extension.
    roots = fake_machines.build(tmp_path, {"proc/cpuinfo": f"processor\t: 0\nisa\t: {isa}\n"})
    assert isa_flags(roots) == flags


def test_a_kernel_update_does_not_make_another_machine(tmp_path: Path) -> None:
    sizes = set()
    for kb in (24_684_092, 24_683_580):
        text = f"MemTotal:       {kb} kB\n"
        sizes.add(hardware(fake_machines.build(tmp_path, {"proc/meminfo": text})).memory_bytes)
    assert len(sizes) == 1


def test_mac_is_described_by_sysctl(tmp_path: Path) -> None:
    facts = {
        "machdep.cpu.brand_string": "Apple M2",
        "hw.optional.arm.AdvSIMD": "1",
        "hw.optional.arm.FEAT_I8MM": "1",
        "hw.optional.arm.FEAT_SME": "0",
    }
    roots = fake_machines.build(tmp_path, fake_machines.not_linux())
    found = hardware(roots, system="Darwin", machine="arm64", sysctl=lambda: facts)
    assert (found.system, found.cpu) == ("Darwin-arm64", "Apple M2")
    assert found.isa == ("asimd", "i8mm")
    assert found.cores > 0
    assert found.memory_bytes > 0
    assert not found.emulated
    facts["sysctl.proc_translated"] = "1"
    assert hardware(roots, system="Darwin", machine="x86_64", sysctl=lambda: facts).emulated


def test_sysctl_of_another_system_does_no_harm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "sysctl"
    program.write_text("#!/bin/sh\necho 'machdep.cpu.brand_string: Apple M1'\nexit 1\n")
    program.chmod(0o755)
    roots = fake_machines.build(tmp_path, fake_machines.not_linux())
    monkeypatch.setenv("PATH", str(tmp_path))
    assert hardware(roots, system="Darwin", machine="arm64").cpu == "Apple M1"
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert hardware(roots, system="Darwin", machine="arm64").cpu != "Apple M1"


def test_other_systems_still_have_a_name(tmp_path: Path) -> None:
    found = hardware(Roots(tmp_path / "proc", tmp_path / "sys"), system="Other", machine="m68k")
    assert found.cpu
    assert found.isa == ()


def test_qemu_user_is_seen_by_the_program_it_hides(tmp_path: Path) -> None:
    roots = fake_machines.build(tmp_path, fake_machines.arm_board())
    (roots.proc / "thread-self").mkdir()
    (roots.proc / "thread-self/exe").symlink_to("/usr/bin/qemu-aarch64-static")
    assert emulation(roots, "aarch64") == "the process is run by qemu-aarch64-static"
    assert hardware(roots, system="Linux", machine="aarch64").emulated


@pytest.mark.parametrize(("machine", "emulated"), [("aarch64", True), ("x86_64", False)])
def test_a_foreign_cpuinfo_shows_emulation(tmp_path: Path, machine: str, emulated: bool) -> None:
    roots = fake_machines.build(tmp_path, fake_machines.intel_desktop())
    assert (emulation(roots, machine) is not None) is emulated


@pytest.mark.parametrize("name", ["VirtualApple @ 2.50GHz", "QEMU TCG CPU version 2.5+"])
def test_translated_processors_are_known_by_name(tmp_path: Path, name: str) -> None:
    text = f"processor\t: 0\nvendor_id\t: X\nmodel name\t: {name}\nflags\t\t: avx\n"
    roots = fake_machines.build(tmp_path, {"proc/cpuinfo": text})
    assert name in (emulation(roots, "x86_64") or "")


def test_virtual_machines(tmp_path: Path) -> None:
    assert is_virtual(fake_machines.build(tmp_path / "a", fake_machines.virtual_machine())) is True
    assert is_virtual(fake_machines.build(tmp_path / "b", fake_machines.intel_desktop())) is False
    arm = fake_machines.arm_board()
    assert is_virtual(fake_machines.build(tmp_path / "c", arm)) is None
    arm |= {"sys/class/dmi/id/product_name": "KVM Virtual Machine\n"}
    assert is_virtual(fake_machines.build(tmp_path / "d", arm)) is True


def test_this_very_machine() -> None:
    found = hardware()
    assert found == hardware(), "the identity of a machine does not change between two calls"
    assert found.system == f"{platform.system()}-{platform.machine()}"
    assert found.cpu
    assert 0 < found.cores <= (os.cpu_count() or 1)
    assert found.memory_bytes > 0
