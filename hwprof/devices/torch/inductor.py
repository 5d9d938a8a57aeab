"""Compiling a module with inductor, and what inductor tells about the code it wrote.

Inductor writes a Python function that calls kernels of its own (C++) and libraries' one after the
other. Its structured log names the file of that function and, for each kernel call, the lines of
the module that it computes; both come also where the compiled code was found in the cache.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import fx

from hwprof.convert.torch.runtime import quiet
from hwprof.devices.torch.cache import run_own_code
from hwprof.errors import DeviceError, ModelError, one_line

_LOG = "torch.__trace"
_TRACES = "inductor_provenance_tracking_kernel_stack_traces"
_NODES = "inductor_provenance_tracking_node_mappings"
# A line of a module's generated code: `relu = torch.nn.functional.relu(add);  add = None`.
_LINE = re.compile(r'File "<eval_with_key>[^"]*", line \d+, in forward\n\s*(\w+) = ')

# oneDNN's kernels for quantised tensors, as the compiled code calls them.
_INTEGER = re.compile(r"torch\.ops\.(onednn|quantized)\.q(linear|conv)")


@dataclass(slots=True, eq=False)
class Written:
    """What inductor logged: files of Python code, and the origins of its kernel calls.

    `nodes` maps a kernel call (`cpp_fused_relu_0:2`, the number counting calls) to the nodes of
    the module that it computes; `main` to those that a library's kernel stands for by itself.
    """

    files: list[str] = field(default_factory=list)
    nodes: dict[str, tuple[str, ...]] = field(default_factory=dict)
    main: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def modules(self) -> list[ModuleType]:
        """The modules that the code was loaded as."""
        from torch._inductor.codecache import PyCodeCache

        latest = {str(module.__file__): module for module in PyCodeCache.modules}
        return [latest[file] for file in dict.fromkeys(self.files) if file in latest]

    def note(self, kind: str, content: Any) -> None:
        """Keep one of the two tables of origins."""
        if kind == _TRACES:
            for call, traces in content.items():
                found = [name for trace in traces for name in _LINE.findall(trace)]
                self.nodes[call] = tuple(dict.fromkeys(found))
        elif kind == _NODES:
            origins: Mapping[str, list[str]] = content.get("postToPre", {})
            for call, made in content.get("cppCodeToPost", {}).items():
                self.main[call] = tuple(name for each in made for name in origins.get(each, ()))


class _Listener(logging.Handler):
    """Reads inductor's structured log."""

    def __init__(self, written: Written) -> None:
        super().__init__()
        self._written = written

    def emit(self, record: logging.LogRecord) -> None:
        facts: Mapping[str, Any] = getattr(record, "metadata", {})
        code = facts.get("inductor_output_code")
        if code is not None:
            self._written.files.append(str(code.get("filename")))
        name = facts.get("artifact", {}).get("name")
        if name in (_TRACES, _NODES):
            payload = getattr(record, "payload", None)
            self._written.note(name, json.loads(payload) if isinstance(payload, str) else {})


@contextmanager
def _listening(written: Written) -> Iterator[None]:
    log, listener = logging.getLogger(_LOG), _Listener(written)
    log.addHandler(listener)
    try:
        yield
    finally:
        log.removeHandler(listener)


def compile_module(
    module: fx.GraphModule, inputs: tuple[torch.Tensor, ...], freezing: bool, model: str
) -> tuple[Any, Written]:
    """`torch.compile` of the whole module, for exactly these inputs, run once.

    Raises DeviceError when the compiler fails or others could give it code, ModelError when
    inductor cannot take the model.
    """
    from torch._inductor import config
    from torch._inductor.async_compile import shutdown_compile_workers

    run_own_code()
    written = Written()
    settings = {"freezing": freezing, "trace.provenance_tracking_level": 1}
    torch._dynamo.reset()
    compiled = torch.compile(module, fullgraph=True, dynamic=False)
    try:
        with quiet(), config.patch(settings), _listening(written), torch.inference_mode():
            compiled(*inputs)
    except Exception as error:  # a dozen types, from dynamo, inductor and the compiler
        reason = one_line(error)
        if "CppCompileError" in type(error).__name__ or "C++ compile" in str(error):
            raise DeviceError(
                f"the C++ compiler failed on '{model}': {reason}; update g++, or use mode=eager"
            ) from error
        raise ModelError(
            f"torch {torch.__version__} cannot compile '{model}': {reason}; use mode=eager"
        ) from error
    # Workers that compile would share the processor with what is timed.
    shutdown_compile_workers()
    return compiled, written


def refuse_unless_integer(written: Written, model: str) -> None:
    """Raise DeviceError unless the compiled code calls kernels on integers."""
    for module in written.modules():
        if _INTEGER.search(Path(str(module.__file__)).read_text()):
            return
    raise DeviceError(
        f"inductor computes nothing of '{model}' on integers, so precision=int8 would be a name "
        "only; use precision=fp32"
    )
