"""Importing LiteRT, telling which build it is, and putting its errors into words."""

from __future__ import annotations

import platform
import re
from importlib.metadata import PackageNotFoundError, distribution

from hwprof.errors import one_line

_DISTRIBUTIONS = ("ai-edge-litert", "ai-edge-litert-nightly")
# The library with the interpreter and XNNPACK in it.
_LIBRARY = "libpywrap_litert_common.so"


def version() -> str:
    """The version of the installed package."""
    import ai_edge_litert

    return str(ai_edge_litert.__version__)


def build() -> str:
    """What identifies the binary: the digest that its wheel gives, and the C library."""
    libc = platform.libc_ver()[0] or "libc"
    for name in _DISTRIBUTIONS:
        try:
            files = distribution(name).files or []
        except PackageNotFoundError:
            continue
        for file in files:
            if file.name == _LIBRARY and file.hash is not None:
                return f"{name} {file.hash.mode}={file.hash.value}, {libc}"
    return f"unknown wheel, {libc}"


# "Didn't find op for builtin opcode 'STFT' version '1'. ..."
_UNKNOWN = re.compile(r"Didn't find op for builtin opcode '(\w+)' version '(\d+)'")
_CUSTOM = re.compile(r"unresolved custom op: ([\w:.-]+)")
_CODES = re.compile(r"^(\S+\.cc:\d+ )?(\S.*? was not true\. ?)?")


def short_reason(error: Exception) -> str:
    """One of LiteRT's messages in one line; an operator that it lacks is named."""
    text = str(error)
    unknown = _UNKNOWN.search(text)
    if unknown is not None:
        return "it has no operator '{}' of version {}".format(*unknown.groups())
    custom = _CUSTOM.search(text)
    if custom is not None:
        return f"it has no operator '{custom[1].rstrip('.')}'"
    line = one_line(error)
    return _CODES.sub("", line) or line


def out_of_memory(error: Exception) -> bool:
    """Whether one of LiteRT's errors is a failed allocation."""
    text = str(error)
    return isinstance(error, MemoryError) or "bad_alloc" in text or "ailed to allocate" in text


def memory_advice(model: str) -> str:
    """What to say when memory ran out on `model`."""
    return (
        f"memory ran out on '{model}'; use a smaller --batch or --shape, close other programs, "
        "or use a machine with more memory"
    )
