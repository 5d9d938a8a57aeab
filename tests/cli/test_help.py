"""Every command explains itself: examples, and the default of every option that has one."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any, get_args, get_type_hints

import pytest
import typer

from hwprof.cli import lut, pool
from hwprof.cli.app import app
from tests.cli.conftest import Result

Cli = Callable[..., Result]

COMMANDS = {
    **{
        (info.callback.__name__,): info.callback
        for info in app.registered_commands
        if info.callback
    },
    **{
        (group, info.name or info.callback.__name__): info.callback
        for group, own in (("lut", lut.app), ("pool", pool.app))
        for info in own.registered_commands
        if info.callback
    },
}


def options_of(callback: Callable[..., Any]) -> list[tuple[str, Any, Any]]:
    """(longest flag, default value, what typer was told) of each option of a command."""
    hints = get_type_hints(callback, include_extras=True)
    found = []
    for name, parameter in inspect.signature(callback).parameters.items():
        told = get_args(hints[name])[-1]
        # Arguments have no flags.
        if isinstance(told, type(typer.Option())):
            # In an annotation, what stands where a default would is the first flag.
            given = (told.default, *(told.param_decls or ()))
            flags = [f for text in given if isinstance(text, str) for f in text.split("/")]
            flags = flags or [f"--{name.replace('_', '-')}"]
            found.append((max(flags, key=len), parameter.default, told))
    return found


def test_there_are_all_commands() -> None:
    assert {" ".join(path) for path in COMMANDS} == {
        "measure", "example", "devices", "doctor", "compare", "select", "adapt", "predict",
        "search", "lut show", "lut export", "lut import", "lut rm", "lut additive",
        "pool make", "pool show", "pool check", "pool plan",
    }  # fmt: skip


@pytest.mark.parametrize("path", [(), ("lut",), ("pool",), *COMMANDS])
def test_examples_stand_as_they_are_typed(hwprof: Cli, path: tuple[str, ...]) -> None:
    for flag in ("--help", "-h"):
        done = hwprof(*path, flag)
        assert (done.code, done.err) == (0, "")
        _, found, after = done.out.partition("\n  Examples:\n")
        assert found
        lines = after.strip().splitlines()
        assert 1 < len(lines) < 4
        assert all(line.strip().startswith("hwprof") for line in lines)
        if path:
            assert any(line.strip().startswith(" ".join(["hwprof", *path])) for line in lines)


@pytest.mark.parametrize("path", COMMANDS)
def test_every_default_is_shown(hwprof: Cli, path: tuple[str, ...]) -> None:
    # Help wraps its lines, also within words that have a hyphen.
    text = re.sub(r"\s+", "", hwprof(*path, "--help").out)
    for flag, default, told in options_of(COMMANDS[path]):
        assert flag in text
        # Examples may name a flag too.
        after = text[text.index("Options:") :].partition("Examples:")[0].partition(flag)[2]
        if told.show_default and isinstance(told.show_default, str):
            assert f"default:({re.sub(chr(32), '', told.show_default)})" in after
        elif default is inspect.Parameter.empty:
            assert "required]" in after
        elif default is True:
            assert f"[default:{flag.removeprefix('--no-').removeprefix('--')}]" in after
        elif default is not None and default is not False:
            assert f"default:{default}" in after


def test_every_example_is_a_line_that_can_be_parsed(hwprof: Cli) -> None:
    import shlex

    for path in [(), ("lut",), ("pool",), *COMMANDS]:
        _, _, after = hwprof(*path, "--help").out.partition("\n  Examples:\n")
        for line in after.strip().splitlines():
            words = shlex.split(line.strip())[1:]
            # Help is eager: it answers once everything before it was understood.
            assert hwprof(*words, "--help").code == 0, line


def test_a_group_without_a_command_shows_its_help(hwprof: Cli) -> None:
    for words in ((), ("lut",), ("pool",)):
        done = hwprof(*words)
        assert done.code == 2
        assert done.out == hwprof(*words, "--help").out


def test_version(hwprof: Cli) -> None:
    from hwprof.version import __version__

    done = hwprof("--version")
    assert (done.code, done.out) == (0, f"hwprof, version {__version__}\n")
