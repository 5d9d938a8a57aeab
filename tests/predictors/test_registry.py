"""Names of predictors."""

import subprocess
import sys
from importlib.metadata import EntryPoint

import pytest

from hwprof.errors import OptionError
from hwprof.predictors import registry
from hwprof.predictors.base import Predictor
from hwprof.predictors.baselines import DeviceMixture

KNOWN = {
    *("fewshot", "help", "flops", "nearest", "nnls", "ridge", "lightgbm", "lut_sum"),
    *("gp", "forest", "gbm", "mlp", "gcn"),
}


def point(name, value):
    return EntryPoint(name, value, registry.REGISTRY.group)


def test_every_name_gives_a_predictor():
    assert set(registry.names(plugins=())) == KNOWN
    for name in KNOWN:
        assert issubclass(registry.get(name, plugins=()), Predictor)


def test_an_unknown_name_is_told_the_known_ones():
    with pytest.raises(OptionError, match=r"unknown predictor 'oracle'.*flops.*nnls"):
        registry.get("oracle", plugins=())


def test_a_plugin_is_found_and_cannot_take_a_name():
    mine = point("mine", "hwprof.predictors.baselines:DeviceMixture")
    thief = point("nnls", "json:JSONDecoder")
    assert registry.get("mine", plugins=[mine]) is DeviceMixture
    assert registry.get("nnls", plugins=[thief]) is DeviceMixture
    assert "mine" in registry.names(plugins=[mine])


@pytest.mark.parametrize(
    ("value", "sentence"),
    [("no.such.module:X", "does not import"), ("json:JSONDecoder", "not an hwprof Predictor")],
)
def test_a_broken_plugin_is_named(value, sentence):
    with pytest.raises(OptionError, match=sentence) as caught:
        registry.get("bad", plugins=[point("bad", value)])
    assert "\n" not in str(caught.value)


def test_names_import_nothing_heavy():
    program = (
        "import sys; from hwprof.predictors import registry; registry.names(); "
        "registry.get('help'); registry.get('lightgbm'); registry.get('gp'); registry.get('gcn'); "
        "print(sorted({'torch', 'lightgbm', 'sklearn', 'safetensors'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
