"""Importing TVM, setting up its threads, and choosing the processor that it compiles for."""

from __future__ import annotations

import os
import warnings
from collections.abc import Collection
from types import ModuleType

from hwprof.errors import DeviceError, one_line

INSTALL = "pip install 'hwprof[tvm]'"

# Levels of the x86-64 ABI, best first (System V ABI, AMD64 supplement, section 3.1.1).
_X86_LEVELS = {
    "x86-64-v4": {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl", "avx2", "fma", "f16c"},
    "x86-64-v3": {"avx", "avx2", "fma", "f16c"},
    "x86-64-v2": {"sse41", "sse42"},
}
# The instruction sets of LLVM's that /proc/cpuinfo names too, up to punctuation.
_X86_VECTOR = ("avx", "amx", "fma", "f16c", "sse41", "sse42")


def import_runtime() -> ModuleType:
    """TVM, with its threads left where hwprof pins them. Raises DeviceError with the reason."""
    # Read when TVM starts its threads: it would move them to processors of its own choice.
    os.environ["TVM_BIND_THREADS"] = "0"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # its own use of its own deprecated names
            import tvm
            import tvm.relax
    except Exception as error:  # its native libraries fail to load in many ways
        raise DeviceError(
            f"tvm does not import ({one_line(error)}); reinstall it with {INSTALL}"
        ) from error
    module: ModuleType = tvm
    return module


def set_threads(tvm: ModuleType, threads: int) -> None:
    """Let kernels run on `threads` threads. Raises DeviceError when TVM has fewer already.

    TVM starts its threads once per process, as many as TVM_NUM_THREADS says at that moment.
    """
    os.environ["TVM_NUM_THREADS"] = str(threads)
    big_cores_first = 1
    tvm.get_global_func("runtime.config_threadpool")(big_cores_first, threads)
    running = int(tvm.get_global_func("runtime.NumThreads")())
    if running != threads:
        raise DeviceError(
            f"tvm runs on {running} threads in this process and cannot be given {threads}; "
            "measure each number of threads in a process of its own"
        )


def processor(tvm: ModuleType, asked: str, isa: Collection[str]) -> str:
    """LLVM's name of the processor to compile for: `asked`, or this machine's for `auto`.

    `isa` are the flags of the machine (`Hardware.isa`). LLVM goes by the processor's model, while
    a virtual machine may hide some of its instructions: the name is then the highest x86-64 level
    that is left. Raises DeviceError for a name that LLVM does not know, or whose instructions this
    machine lacks.
    """
    from tvm.target import codegen

    name = str(codegen.llvm_get_system_cpu()) if asked == "auto" else asked
    triple = str(codegen.llvm_get_system_triple())
    if not codegen.llvm_is_valid_cpu(name, triple):
        raise DeviceError(
            f"LLVM knows no processor '{name}' for {triple}; use mcpu=auto, or a name that "
            "'llc -mcpu=help' lists"
        )
    target = tvm.target.Target({"kind": "llvm", "mcpu": name})
    missing = missing_features(map(str, codegen.llvm_get_cpu_features(target)), isa)
    if not missing:
        return name
    if asked != "auto":
        raise DeviceError(
            f"this machine lacks instructions of mcpu={name} ({', '.join(missing)}); use mcpu=auto"
        )
    return x86_level(isa)


def missing_features(features: Collection[str] | map[str], isa: Collection[str]) -> list[str]:
    """Vector instruction sets among LLVM's `features` that the flags of a machine lack, sorted.

    None where the machine does not list x86 flags: nothing can be said then.
    """
    have = {_plain(flag) for flag in isa}
    if not have & {"sse41", "sse42", "avx"}:
        return []
    needed = {
        plain
        for plain in map(_plain, features)
        # AVX10 has a version there and a flag here.
        if plain.startswith(_X86_VECTOR) and not plain.startswith("avx10")
    }
    return sorted(needed - have)


def x86_level(isa: Collection[str]) -> str:
    """The highest level of the x86-64 ABI whose vector instructions are among `isa`."""
    have = {_plain(flag) for flag in isa}
    return next((name for name, needs in _X86_LEVELS.items() if needs <= have), "x86-64")


def _plain(flag: str) -> str:
    """`avx512_vnni` and `sse4.1` as `avx512vnni` and `sse41`: Linux and LLVM write differently."""
    return "".join(letter for letter in flag if letter.isalnum())
