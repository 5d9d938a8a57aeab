"""The public names: imported when used, and clear when an extra is missing."""

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import hwprof
from hwprof.errors import OptionError


def test_every_public_name_is_there():
    for name in hwprof.__all__:
        assert getattr(hwprof, name) is not None
    assert set(hwprof.__all__) <= set(dir(hwprof))
    with pytest.raises(AttributeError, match="nothing_such"):
        _ = hwprof.nothing_such


def test_every_public_name_says_what_it_is():
    for name in set(hwprof.__all__) - {"__version__"}:
        assert inspect.getdoc(getattr(hwprof, name)), name


def test_type_checkers_see_the_same_names_at_the_same_places():
    tree = ast.parse(Path(hwprof.__file__).read_text())
    (block,) = [
        node
        for node in tree.body
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
    ]
    seen = {}
    for statement in block.body:
        assert isinstance(statement, ast.ImportFrom)
        for alias in statement.names:
            assert alias.asname == alias.name
            seen[alias.name] = statement.module
    assert seen == hwprof._HOMES


def test_the_documentation_lists_them_all():
    page = Path(__file__).parents[1] / "docs" / "api.md"
    listed = re.findall(r"^\| `(\w+)` \| \S.*\|$", page.read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(hwprof.__all__)
    assert len(set(listed)) == len(listed)


def run(program):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_importing_loads_nothing_else():
    heavy = "{'numpy', 'onnx', 'onnxruntime', 'torch', 'scipy', 'optuna', 'typer', 'hwprof.cli'}"
    assert run(f"import sys, hwprof; print({heavy} & set(sys.modules))").strip() == "set()"


def test_a_missing_extra_is_named():
    said = run(
        "import sys; sys.modules['scipy'] = None\n"
        "import hwprof\n"
        "try:\n"
        "    hwprof.Objective\n"
        "except hwprof.OptionError as error:\n"
        "    print(error)\n"
    )
    assert "pip install 'hwprof[predict]'" in said
    assert "scipy" in said
    assert issubclass(hwprof.OptionError, OptionError)
