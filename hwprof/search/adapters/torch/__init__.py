"""PyTorch: predicted costs of distributions over architectures, to be trained through.

`ExpectedCost` takes a table, `PredictedCost` any predictor. Needs the extra `torch`.
"""

from __future__ import annotations

from hwprof.search.adapters.extras import missing

try:
    import torch  # noqa: F401 - the library itself, said here once where it is missing
except ImportError as error:
    raise missing("torch", "torch", error) from error

from hwprof.search.adapters.torch.expected import ExpectedCost
from hwprof.search.adapters.torch.predicted import PredictedCost

__all__ = ["ExpectedCost", "PredictedCost"]
