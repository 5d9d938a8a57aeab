"""Baselines: what a few-shot predictor has to beat."""

from hwprof.predictors.baselines.boosting import BoostedTrees
from hwprof.predictors.baselines.flops import ProxyPredictor
from hwprof.predictors.baselines.lut_sum import LutSum
from hwprof.predictors.baselines.nearest import NearestDevice
from hwprof.predictors.baselines.nnls import DeviceMixture
from hwprof.predictors.baselines.ridge import RidgeRegression

__all__ = [
    "BoostedTrees",
    "DeviceMixture",
    "LutSum",
    "NearestDevice",
    "ProxyPredictor",
    "RidgeRegression",
]
