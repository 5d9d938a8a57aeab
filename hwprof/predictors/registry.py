"""Predictors by name: built-ins and plugins come through the same door."""

from __future__ import annotations

from collections.abc import Iterable

from hwprof.errors import OptionError
from hwprof.plugins import Entry, Registry
from hwprof.predictors.base import Predictor

REGISTRY = Registry(
    "hwprof.predictors",
    "predictor",
    Predictor,  # type: ignore[type-abstract]
    "hwprof.testing.predictors",
    {
        "fewshot": "hwprof.predictors.fewshot:FewShotPredictor",
        "help": "hwprof.predictors.help:HelpPredictor",
        "flops": "hwprof.predictors.baselines.flops:ProxyPredictor",
        "nearest": "hwprof.predictors.baselines.nearest:NearestDevice",
        "nnls": "hwprof.predictors.baselines.nnls:DeviceMixture",
        "ridge": "hwprof.predictors.baselines.ridge:RidgeRegression",
        "lightgbm": "hwprof.predictors.baselines.boosting:BoostedTrees",
        "lut_sum": "hwprof.predictors.baselines.lut_sum:LutSum",
        "gp": "hwprof.predictors.baselines.gp:GaussianProcess",
        "forest": "hwprof.predictors.baselines.forest:RandomForest",
        "gbm": "hwprof.predictors.baselines.gbm:QuantileBoosting",
        "mlp": "hwprof.predictors.baselines.mlp:SmallNetworks",
        "gcn": "hwprof.predictors.baselines.gcn:GraphConvolution",
    },
)


def names(*, plugins: Iterable[Entry] | None = None) -> tuple[str, ...]:
    """Every name that `get` knows, sorted. `plugins` stands in for the installed entry points."""
    return REGISTRY.names(plugins)


def get(name: str, *, plugins: Iterable[Entry] | None = None) -> type[Predictor]:
    """The predictor class of that name, imported now.

    Raises OptionError for an unknown name, and for a plugin that does not import or is not a
    Predictor. An optional dependency is only missed when the class is fitted or loaded.
    """
    entry = REGISTRY.find(name, plugins)
    if entry is None:
        known = ", ".join(REGISTRY.names(plugins))
        raise OptionError(f"unknown predictor '{name}'; choose among {known}")
    return REGISTRY.load(entry)
