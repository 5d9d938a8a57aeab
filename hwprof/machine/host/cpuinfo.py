"""What `/proc/cpuinfo` says: the processor's name, its instruction sets, whether it is real."""

from __future__ import annotations

from collections import Counter

from hwprof.machine.host.roots import Roots

X86 = ("x86_64", "amd64", "i386", "i486", "i586", "i686")
ARM = ("aarch64", "arm64", "armv8l", "armv8b", "armv7l", "armv6l")

_X86_FLAGS = frozenset({"sse4_1", "sse4_2", "fma", "f16c"})
_X86_PREFIXES = ("avx", "amx")
_ARM_FLAGS = frozenset({"neon", "vfpv4", "asimd", "asimdhp", "asimddp", "asimdfhm", "fphp", "bf16"})
_ARM_PREFIXES = ("i8mm", "sve", "sme")

# Arm's part numbers (MIDR_EL1), as in the kernel's arch/arm64/include/asm/cputype.h.
_ARM_PARTS = {
    0xC07: "Cortex-A7",
    0xC09: "Cortex-A9",
    0xC0F: "Cortex-A15",
    0xD03: "Cortex-A53",
    0xD04: "Cortex-A35",
    0xD05: "Cortex-A55",
    0xD07: "Cortex-A57",
    0xD08: "Cortex-A72",
    0xD09: "Cortex-A73",
    0xD0A: "Cortex-A75",
    0xD0B: "Cortex-A76",
    0xD0C: "Neoverse-N1",
    0xD0D: "Cortex-A77",
    0xD40: "Neoverse-V1",
    0xD41: "Cortex-A78",
    0xD42: "Cortex-A78AE",
    0xD44: "Cortex-X1",
    0xD46: "Cortex-A510",
    0xD47: "Cortex-A710",
    0xD48: "Cortex-X2",
    0xD49: "Neoverse-N2",
    0xD4D: "Cortex-A715",
    0xD4E: "Cortex-X3",
    0xD4F: "Neoverse-V2",
    0xD80: "Cortex-A520",
    0xD81: "Cortex-A720",
    0xD82: "Cortex-X4",
    0xD84: "Neoverse-V3",
    0xD85: "Cortex-X925",
    0xD87: "Cortex-A725",
    0xD8E: "Neoverse-N3",
}
_ARM_LIMITED = 0x41


def cpuinfo(roots: Roots) -> list[dict[str, str]]:
    """One mapping per block of `/proc/cpuinfo`, in order; empty when unreadable.

    32-bit Arm and Android add a last block without a `processor` number.
    """
    text = roots.text(roots.proc / "cpuinfo") or ""
    blocks = []
    for block in text.split("\n\n"):
        pairs = (line.partition(":") for line in block.splitlines())
        fields = {key.strip(): value.strip() for key, colon, value in pairs if colon}
        if fields:
            blocks.append(fields)
    return blocks


def cpu_name(roots: Roots) -> str | None:
    """Model name of the processor; None when nothing names it.

    x86 has `model name`. Arm has part numbers per core instead, so the name is the board (device
    tree, else `Model` or `Hardware`) with its kinds of core, for example
    `Khadas VIM3 (2x Cortex-A53 + 4x Cortex-A73)`.
    """
    blocks = cpuinfo(roots)
    if not blocks:
        return None
    if "CPU part" not in blocks[0] and "model name" in blocks[0]:
        return blocks[0]["model name"]
    kinds = Counter(_part_name(block) for block in blocks if "CPU part" in block)
    # In order of the CPU numbers, as the board's own papers list its clusters.
    cores = " + ".join(f"{n}x {kind}" if len(kinds) > 1 else kind for kind, n in kinds.items())
    everywhere = {key: value for block in blocks for key, value in block.items()}
    board = (
        roots.text(roots.proc / "device-tree/model")
        or roots.text(roots.sys / "firmware/devicetree/base/model")
        or everywhere.get("Model")
        or everywhere.get("Hardware")
    )
    if board and cores:
        return f"{board} ({cores})"
    # RISC-V names its core in `uarch`.
    return board or cores or everywhere.get("uarch") or everywhere.get("cpu model")


def _part_name(block: dict[str, str]) -> str:
    try:
        implementer = int(block.get("CPU implementer", "0"), 16)
        part = int(block["CPU part"], 16)
    except ValueError:
        return block["CPU part"]
    if implementer == _ARM_LIMITED and part in _ARM_PARTS:
        return _ARM_PARTS[part]
    return f"implementer 0x{implementer:02x} part 0x{part:03x}"


def isa_flags(roots: Roots) -> tuple[str, ...]:
    """Instruction sets that decide which kernels a runtime picks, as the kernel spells them.

    Only flags that every core has: a thread may be moved to any of them. Sorted; empty when
    `/proc/cpuinfo` does not list any.
    """
    per_core = [flags for block in cpuinfo(roots) if (flags := _flags(block)) is not None]
    return tuple(sorted(frozenset.intersection(*per_core))) if per_core else ()


def _flags(block: dict[str, str]) -> frozenset[str] | None:
    # The two lists are kept apart: `sme` is memory encryption on x86, matrix extension on Arm.
    if "flags" in block:
        found = block["flags"].split()
        return frozenset(f for f in found if f in _X86_FLAGS or f.startswith(_X86_PREFIXES))
    if "Features" in block:
        found = block["Features"].split()
        return frozenset(f for f in found if f in _ARM_FLAGS or f.startswith(_ARM_PREFIXES))
    if "isa" in block:  # RISC-V: rv64imafdcv_zvfh_...
        base, *extensions = block["isa"].split("_")
        vector = ["v"] if "v" in base.removeprefix("rv")[2:] else []
        return frozenset(vector + [e for e in extensions if e.startswith("zv")])
    return None


def is_virtual(roots: Roots) -> bool | None:
    """Whether this is a virtual machine; None when nothing tells.

    x86 has a flag for it. Elsewhere only a maker's name in the firmware tables can show it.
    """
    blocks = cpuinfo(roots)
    if blocks and "flags" in blocks[0]:
        return "hypervisor" in blocks[0]["flags"].split()
    firmware = roots.sys / "class/dmi/id"
    names = f"{roots.text(firmware / 'sys_vendor')} {roots.text(firmware / 'product_name')}"
    known = ("QEMU", "KVM", "VMware", "VirtualBox", "Virtual Machine", "Parallels")
    return True if any(word in names for word in known) else None


def emulation(roots: Roots, machine: str) -> str | None:
    """How it shows that instructions are translated in software; None when nothing shows it.

    `machine` is the machine type the process believes in (`uname -m`). Signs, none of them
    promised by anyone:

    - `/proc/thread-self/exe` is a `qemu-*` program. qemu-user answers `/proc/self/exe` with the
      program it runs, but not this alias (its linux-user/syscall.c, `is_proc_myself`).
    - `/proc/cpuinfo` describes another architecture: qemu-user passes the host's file through
      for most targets (for Arm until version 9).
    - The processor calls itself `VirtualApple` (Rosetta in a Linux machine) or a TCG processor
      (qemu-system without hardware virtualisation, where the default model says so).

    qemu-system posing as a real processor model cannot be told from here.
    """
    try:
        program = (roots.proc / "thread-self/exe").readlink().name
    except OSError:
        program = ""
    if program.startswith("qemu-"):
        return f"the process is run by {program}"
    blocks = cpuinfo(roots)
    first = blocks[0] if blocks else {}
    says_x86 = "flags" in first and "vendor_id" in first
    says_arm = "CPU implementer" in first
    if (machine in ARM and says_x86) or (machine in X86 and says_arm):
        return f"the program is built for {machine} and /proc/cpuinfo describes another processor"
    name = first.get("model name", "")
    if "VirtualApple" in name or "VirtualApple" in first.get("vendor_id", "") or "TCG" in name:
        return f"the processor is '{name}'"
    return None
