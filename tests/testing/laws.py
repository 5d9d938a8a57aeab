"""Every sentence that a contract can fail with, read from its source."""

from __future__ import annotations

import ast
import inspect
import re
from types import ModuleType


def sentences(module: ModuleType, ending: str) -> list[str]:
    """Patterns of the sentences of `law` and `refused`; values in them match anything.

    `ending` is what `refused` puts after the name of what was not refused.
    """
    found = []
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name)):
            continue
        if node.func.id == "law":
            found.append(_pattern(node.args[1]))
        elif node.func.id == "refused":
            found.append(_pattern(node.args[1]) + re.escape(ending))
    # Helpers hand a sentence on.
    return [pattern for pattern in found if pattern != ".*"]


def uncovered(module: ModuleType, ending: str, seen: list[str]) -> list[str]:
    """Sentences of a contract that are not among those seen."""
    return [p for p in sentences(module, ending) if not any(re.fullmatch(p, s) for s in seen)]


def _pattern(node: ast.expr) -> str:
    if isinstance(node, ast.Constant):
        return re.escape(str(node.value))
    if isinstance(node, ast.JoinedStr):
        return "".join(_pattern(part) for part in node.values)
    return ".*"
