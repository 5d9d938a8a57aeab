"""What a folder of schedules may hold: schedules, and nothing that becomes code by itself.

TVM builds whatever a record asks for. An annotation may bring a program of its own (the key
`pragma_import_llvm` compiles its value, inline assembly included), and a workload may name any
object that TVM can make of text. So only known words are let through: the instructions and
annotations of meta-schedule's rules for processors (tvm/s_tir/meta_schedule/schedule_rule and
postproc of TVM 0.26), and the types of nodes that such kernels are made of.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hwprof.errors import DeviceError, one_line

RECORDS = "database_tuning_record.json"
WORKLOADS = "database_workload.json"

MOST_BYTES = 256 << 20
MOST_LINE_BYTES = 16 << 20

INSTRUCTIONS = frozenset(
    {"GetSBlock", "GetLoops", "GetChildBlocks", "GetProducers", "GetConsumers", "GetOutputBlocks"}
    | {"SampleCategorical", "SamplePerfectTile", "SamplePartitionedTile", "SampleComputeLocation"}
    | {"Merge", "Fuse", "Split", "LoopPartition", "Reorder", "ReorderBlockIterVar", "AddUnitLoop"}
    | {"Parallel", "Vectorize", "Unroll", "CacheRead", "CacheWrite", "ReIndex", "CacheIndex"}
    | {"ComputeAt", "ReverseComputeAt", "ComputeInline", "ReverseComputeInline"}
    | {"DecomposeReduction", "RFactor", "StorageAlign", "Blockize", "Tensorize", "PadEinsum"}
    | {"Annotate", "Unannotate", "EnterPostproc"}
)
"""Kinds of instructions that a trace may hold."""

ANNOTATIONS = frozenset(
    {f"meta_schedule.{word}" for word in ("parallel", "vectorize", "unroll_explicit")}
    | {f"meta_schedule.{word}" for word in ("unroll_implicit", "tiling_structure", "inline_rule")}
    | {f"meta_schedule.{word}" for word in ("random_compute_producer", "write_cache_level")}
    | {f"meta_schedule.{word}" for word in ("auto_tensorize", "auto_tensorize_init")}
    | {"pragma_auto_unroll_max_step", "pragma_unroll_explicit"}
)
"""Keys of annotations that a trace may set."""

_WORD = re.compile(r"[\w.]{0,80}", re.ASCII)
# Quoted, as traces write texts apart from the variables of earlier instructions.
_TEXT = re.compile(r'"?[\w. -]{0,200}"?', re.ASCII)
_TARGET_KEYS = frozenset(
    {"kind", "tag", "keys", "mcpu", "mtriple", "mattr", "mabi", "mfloat-abi", "model", "device"}
    | {"num-cores", "vector-width", "opt-level", "fast-math", "fast-math-nnan", "fast-math-ninf"}
    | {"fast-math-nsz", "fast-math-arcp", "fast-math-contract", "fast-math-reassoc", "jit", "libs"}
    | {"target_device_type", "max_num_threads", "thread_warp_size", "from_device"}
)
_NODES = re.compile(
    r"None|bool|int|float|DataType|Device|dtype|"
    r"ffi\.(String|SmallStr|Bytes|SmallBytes|Array|List|Map|Dict|Shape|Tensor)|"
    r"(ir|tirx|s_tir|sym|prim|target|relax)(\.[a-z]\w*)*\.[A-Z]\w*|Target",
    re.ASCII,
)
# They stand for functions and libraries of TVM's own, or hold programs.
_NO_NODES = re.compile(r".*(EnvFunc|Module|Extern|Function(?!Type)|Pass)\w*", re.ASCII)
_STILL_NODES = frozenset({"ir.IRModule"})


# An infinite number of threads is an arithmetic error.
_NO_RECORD = (ValueError, TypeError, LookupError, AttributeError, RecursionError, ArithmeticError)


class _Unknown(ValueError):
    """A record holds something that is not known to be harmless."""


def check_records(folder: Path, mcpu: str, threads: int) -> dict[str, bytes]:
    """The files of a folder of schedules, checked line by line.

    Raises DeviceError for schedules of another processor or number of threads, files that are no
    database, and whatever else a record holds than a schedule. A file that is not there is left
    out.
    """
    found: dict[str, bytes] = {}
    for name, check in ((RECORDS, _check_record), (WORKLOADS, _check_workload)):
        content = _read(folder, name)
        if content is None:
            continue
        found[name] = content
        for number, line in enumerate(content.splitlines(), 1):
            try:
                if len(line) > MOST_LINE_BYTES:
                    raise ValueError("it is too long")
                made_for = check(json.loads(line))
            except _Unknown as error:
                raise DeviceError(
                    f"line {number} of '{folder / name}' holds {error}, which hwprof does not run; "
                    "use a folder of your own, and search its schedules with tune=32"
                ) from error
            except _NO_RECORD as error:
                raise DeviceError(
                    f"line {number} of '{folder / name}' is no record of TVM's meta-schedule; "
                    "remove the folder, or name another one"
                ) from error
            if made_for is not None and made_for != (mcpu, threads):
                raise DeviceError(
                    f"the schedules in '{folder}' were found for mcpu={made_for[0] or 'generic'} "
                    f"and {made_for[1]} threads, not for mcpu={mcpu} and {threads}; use a folder "
                    "of its own for each"
                )
    return found


def _read(folder: Path, name: str) -> bytes | None:
    path = folder / name
    try:
        if not path.exists():
            return None
        if not path.is_file() or path.stat().st_size > MOST_BYTES:
            raise OSError(f"'{name}' is no file of at most {MOST_BYTES >> 20} MiB")
        return path.read_bytes()
    except OSError as error:
        raise DeviceError(
            f"the schedules in '{folder}' cannot be read: {one_line(error)}; check the folder, or "
            "name another one"
        ) from error


def _check_record(record: Any) -> tuple[str, int]:
    """Processor and threads of one record. Raises ValueError and its like."""
    _, (trace, seconds, target, arguments) = record
    made_for = (str(target.get("mcpu", "")), int(target.get("num-cores", 1)))
    _check_target(target)
    if not all(isinstance(each, int | float) for each in seconds or ()):
        raise ValueError("times are numbers")
    if not all(_plain(each) for each in arguments or ()):
        raise _Unknown("arguments of an unknown form")
    instructions, decisions = trace or ((), ())
    for instruction in instructions:
        _check_instruction(*instruction)
    if not all(_plain(each) for each in decisions):
        raise _Unknown("decisions of an unknown form")
    return made_for


def _check_target(target: Mapping[str, Any]) -> None:
    for key, value in target.items():
        known = key in _TARGET_KEYS or key.startswith("feature.")
        if not known or not _plain(value):
            raise _Unknown(f"the target setting '{key[:80]}'")
    if target.get("kind", "llvm") != "llvm":
        raise _Unknown(f"a target of the kind '{str(target['kind'])[:80]}'")


def _check_instruction(kind: str, inputs: Any, attributes: Any, outputs: Any) -> None:
    if kind not in INSTRUCTIONS:
        raise _Unknown(f"the instruction '{str(kind)[:80]}'")
    if kind in ("Annotate", "Unannotate"):
        (key,) = attributes
        if key not in ANNOTATIONS:
            raise _Unknown(f"the annotation '{str(key)[:80]}'")
    if not all(isinstance(each, str) and _WORD.fullmatch(each) for each in outputs):
        raise _Unknown(f"results of an unknown form of {kind}")
    if not all(_plain(each) for each in (*inputs, *attributes)):
        raise _Unknown(f"arguments of an unknown form of {kind}")


def _plain(value: Any, depth: int = 0) -> bool:
    """Whether a value is made of numbers and short words: no text of a program, no object."""
    if value is None or isinstance(value, bool | int | float):
        return True
    if isinstance(value, str):
        return _TEXT.fullmatch(value) is not None
    if depth > 4:
        return False
    if isinstance(value, list):
        return all(_plain(each, depth + 1) for each in value)
    if isinstance(value, dict):
        return all(_plain(part, depth + 1) for pair in value.items() for part in pair)
    return False


def _check_workload(line: Any) -> None:
    """A workload is its hash and its kernel, as text of JSON or that in base 64."""
    _, text = line
    if not isinstance(text, str):
        raise ValueError("a kernel is text")
    if not text.lstrip().startswith("{"):
        raw = base64.b64decode(text, validate=True)
        if not raw.startswith(b"{"):  # TVM writes how long it is first, in eight bytes
            if int.from_bytes(raw[:8], "little") != len(raw) - 8:
                raise ValueError("a text of another length")
            raw = raw[8:]
        text = raw.decode()
    graph = json.loads(text)
    for node in graph["nodes"]:
        kind = node["type"]
        harmless = _NODES.fullmatch(kind) and not _NO_NODES.fullmatch(kind)
        if not harmless and kind not in _STILL_NODES:
            raise _Unknown(f"a kernel with a part of the type '{str(kind)[:80]}'")
