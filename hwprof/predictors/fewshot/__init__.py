"""Few-shot prediction on a device that is not in the pool."""

from __future__ import annotations

from hwprof.predictors.fewshot.adapted import AdaptedFewShot
from hwprof.predictors.fewshot.embedding import DeviceEmbedding
from hwprof.predictors.fewshot.mixture import FewShotPrediction
from hwprof.predictors.fewshot.model import FewShotPredictor

__all__ = ["AdaptedFewShot", "DeviceEmbedding", "FewShotPrediction", "FewShotPredictor"]
