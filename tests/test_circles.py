"""No two modules of the predicting rooms need each other, in whatever form they import."""

import ast
from pathlib import Path

import hwprof

ROOT = Path(hwprof.__file__).parent
ROOMS = ("predictors", "search", "spaces")


def imports(path, modules):
    """Modules that a file imports anywhere: at the top, inside functions, for types alone."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (name if name in modules else node.module for name in whole)
        elif isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)


def circles(graph):
    """What is left when nodes that lead nowhere are taken away, again and again."""
    left = {name: targets & graph.keys() for name, targets in graph.items()}
    while ends := [name for name, targets in left.items() if not targets & left.keys()]:
        for name in ends:
            del left[name]
    return left


def test_no_circles():
    modules = {}
    for room in ROOMS:
        for path in (ROOT / room).rglob("*.py"):
            parts = ("hwprof", *path.relative_to(ROOT).with_suffix("").parts)
            modules[".".join(parts).removesuffix(".__init__")] = path
    graph = {name: set(imports(path, modules)) - {name} for name, path in modules.items()}
    assert len(graph) > 50
    assert circles(graph) == {}


def test_circles_are_seen():
    graph = {"a": {"b"}, "b": {"c", "d"}, "c": {"b"}, "d": set()}
    assert circles(graph).keys() == {"a", "b", "c"}
