"""Names of spaces."""

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from hwprof.errors import OptionError
from hwprof.spaces import registry
from hwprof.spaces.base import Space
from hwprof.spaces.fbnet import FbNet
from tests.spaces.tiny import Tiny

KNOWN = {
    *("bert", "fbnet", "gpt", "mobilenetv3", "nasbench201", "resnet50", "transformer", "vit"),
}


def point(name, value):
    return EntryPoint(name, value, registry.REGISTRY.group)


def test_every_name_gives_a_space():
    assert set(registry.names(plugins=())) == KNOWN
    for name in KNOWN:
        space = registry.get(name)
        assert isinstance(space, Space)
        assert space.name == name
        assert registry.get(name) is space


def test_an_unknown_name_is_told_the_known_ones():
    with pytest.raises(OptionError, match=r"unknown search space 'darts'.*fbnet.*resnet50"):
        registry.get("darts", plugins=())


def test_a_plugin_is_found_and_cannot_take_a_name():
    mine, thief = point("tiny", "tests.spaces.tiny:Tiny"), point("fbnet", "json:JSONDecoder")
    assert isinstance(registry.get("tiny", plugins=[mine]), Tiny)
    assert isinstance(registry.get("fbnet", plugins=[thief]), FbNet)
    assert "tiny" in registry.names(plugins=[mine])


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ("no.such.module:X", "does not import"),
        ("json:JSONDecoder", "not an hwprof Space"),
        ("hwprof.spaces.base:Space", "does not import.*abstract"),
        ("tests.spaces.tiny:Tiny", "not an hwprof Space of that name"),
    ],
)
def test_a_broken_plugin_is_named_and_breaks_nothing_else(value, sentence):
    bad = point("bad", value)
    with pytest.raises(OptionError, match=sentence) as caught:
        registry.get("bad", plugins=[bad])
    assert "'bad'" in str(caught.value)
    assert "\n" not in str(caught.value)
    good = point("tiny", "tests.spaces.tiny:Tiny")
    assert registry.get("tiny", plugins=[bad, good]).name == "tiny"


def test_spaces_import_no_onnx_until_they_build():
    program = (
        "import sys; from hwprof import spaces\n"
        "for name in spaces.names():\n"
        "    space = spaces.get(name); space.positions; space.similarity()\n"
        "print(sorted({'onnx', 'onnxruntime', 'torch'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
