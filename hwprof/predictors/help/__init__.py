"""HELP (Lee et al., NeurIPS 2021): meta-learned latency prediction. Needs the extra `torch`."""

from hwprof.predictors.help.episodes import Scale, trimmed
from hwprof.predictors.help.options import PUBLISHED_REFERENCES, HelpOptions
from hwprof.predictors.help.predictor import HelpAdapted, HelpPredictor
from hwprof.predictors.help.report import TrainingReport

__all__ = [
    "PUBLISHED_REFERENCES",
    "HelpAdapted",
    "HelpOptions",
    "HelpPredictor",
    "Scale",
    "TrainingReport",
    "trimmed",
]
