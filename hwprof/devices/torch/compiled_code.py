"""The function that inductor wrote, read as the Python that it is, and given clock readings."""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, NoReturn

import torch

from hwprof.devices.torch.inductor import Written
from hwprof.errors import DeviceError

MARK = "_hwprof_mark"
"""Called without arguments when the function starts, and after each of its kernel calls."""
MEET = "_hwprof_meet"
"""Called before each kernel call with its number, its arguments and its named arguments."""

_HANDLE = re.compile(r"# \[Provenance debug handles\] (\S+)")
# What the written function calls besides kernels: checks, and making room.
_IDLE = re.compile(
    r"(assert_size_stride|assert_alignment|empty_strided_\w+|reinterpret_tensor|args|"
    r"alloc_from_pool|device|get_raw_stream|run_intermediate_hooks)\b"
)


@dataclass(frozen=True, slots=True)
class Site:
    """A kernel call of the written function: what is called, and inductor's name for the call."""

    target: str
    handle: str
    call: ast.Call


class Code:
    """The function that inductor wrote, and its place in memory."""

    def __init__(self, written: Written) -> None:
        modules = written.modules()
        if len(modules) != 1:
            raise DeviceError(
                f"inductor wrote {len(modules)} functions where one was expected, so that its "
                "kernels cannot be told apart; use --no-per-op"
            )
        self._module: ModuleType = modules[0]
        text = Path(str(self._module.__file__)).read_text()
        self._lines = text.splitlines()
        tree = ast.parse(text)
        self.sources: Mapping[str, str] = _kernel_sources(tree)
        """Hashes of inductor's own kernels by name: equal text is equal work, sizes included."""
        self._function = self._main(tree)
        self.sites: list[Site] = []
        """Every kernel call, in order."""
        self._where: list[int] = []
        """Positions in the function's body of the statements with a kernel call."""
        for position, statement in enumerate(self._function.body):
            call = _kernel_call(statement)
            if call is not None:
                self._where.append(position)
                handle = self._handle(position)
                self.sites.append(Site(ast.unparse(call.func), handle, call))

    @contextmanager
    def replaced(self, names: Mapping[str, Any], described: bool) -> Iterator[None]:
        """The function with clock readings, or telling its arguments, while in the block."""
        original = self._owner()
        body: list[ast.stmt] = []
        for position, statement in enumerate(self._function.body):
            if position in self._where:
                site = self.sites[self._where.index(position)]
                if described:
                    body += [_meet(self._where.index(position), site.call), statement]
                else:
                    body += [statement, _statement(f"{MARK}()")]
            else:
                body.append(statement)
        if not described:
            body.insert(0, _statement(f"{MARK}()"))
        changed = ast.FunctionDef(
            "_hwprof_call", self._function.args, body, [], None, None, lineno=1, col_offset=0
        )
        tree = ast.fix_missing_locations(ast.Module([changed], []))
        scope = vars(self._module)
        scope.update(names)
        exec(compile(tree, "<inductor, with clock readings>", "exec"), scope)  # noqa: S102
        kept = original.__code__
        original.__code__ = scope.pop("_hwprof_call").__code__
        try:
            yield
        finally:
            original.__code__ = kept
            for name in names:
                scope.pop(name, None)

    def _owner(self) -> FunctionType:
        """The function object that compiled calls reach."""
        call: Any = vars(self._module).get("call")
        function = getattr(call, "__func__", call)
        if not isinstance(function, FunctionType):
            _refuse()
        return function

    def _main(self, tree: ast.Module) -> ast.FunctionDef:
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef) and node.name == "call":
                return node
        _refuse()

    def _handle(self, position: int) -> str:
        """Inductor's own name for the call, from the comment above its statement."""
        body = self._function.body
        first = body[position - 1].end_lineno if position else self._function.lineno
        for line in self._lines[first or 0 : body[position].lineno]:
            found = _HANDLE.search(line)
            if found is not None:
                return found[1]
        return ""


def _refuse() -> NoReturn:
    raise DeviceError(
        f"torch {torch.__version__} writes compiled code in a form that hwprof cannot read; "
        "use --no-per-op, or mode=eager for a profile"
    )


def _kernel_call(statement: ast.stmt) -> ast.Call | None:
    """The kernel that a statement calls, if it calls one."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Call) and not _IDLE.match(ast.unparse(node.func)):
            return node
    return None


def _kernel_sources(tree: ast.Module) -> dict[str, str]:
    """Hashes of the texts of the kernels that the module defines, by name."""
    found = {}
    for node in tree.body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
            texts = [a.value for a in node.value.args if isinstance(a, ast.Constant)]
            if isinstance(node.targets[0], ast.Name) and texts and isinstance(texts[-1], str):
                digest = hashlib.sha256(texts[-1].encode()).hexdigest()[:16]
                found[node.targets[0].id] = digest
    return found


def _statement(text: str) -> ast.stmt:
    return ast.parse(text).body[0]


def _meet(position: int, call: ast.Call) -> ast.stmt:
    """A statement that hands over the arguments of `call`."""
    names = [ast.Constant(keyword.arg) for keyword in call.keywords]
    values = [keyword.value for keyword in call.keywords]
    given = ast.Dict([*names], values)
    function = ast.Name(MEET, ast.Load())
    arguments = ast.Tuple(list(call.args), ast.Load())
    return ast.Expr(ast.Call(function, [ast.Constant(position), arguments, given], []))
