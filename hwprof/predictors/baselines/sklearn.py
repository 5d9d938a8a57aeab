"""What the baselines from scikit-learn (Pedregosa et al., JMLR 2011) share.

White, Zela, Ru, Liu, Hutter, "How Powerful are Performance Predictors in Neural Architecture
Search?", NeurIPS 2021, compare such regressions on encoded architectures; here they see the
measurements of the target alone. scikit-learn is imported on use, not with this module.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import ClassVar, Self

from hwprof.errors import OptionError
from hwprof.predictors.base import FloatArray
from hwprof.predictors.baselines.base import Known, dispersion
from hwprof.predictors.baselines.own import OwnBaseline
from hwprof.predictors.baselines.ridge import mapped, summaries
from hwprof.predictors.pool import DevicePool
from hwprof.similarity import FeatureMap, Similarity


class SklearnBaseline(OwnBaseline):
    """A regression of scikit-learn on the features and the space's own summary of them.

    Needs the extra `sklearn`; `fit` raises OptionError without it. The pool lends the scale of its
    features and what spread to expect, and no latency.
    """

    registered: ClassVar[str]
    """The name that it is known by."""

    def __init__(self, known: Known, maps: tuple[FeatureMap, ...], seed: int) -> None:
        self.known = known
        self.maps = maps
        self.seed = seed

    @classmethod
    def fit(cls, pool: DevicePool, *, similarity: Similarity | None = None, seed: int = 0) -> Self:
        """See `Predictor.fit`. Raises OptionError when scikit-learn is not installed, and for what
        is no `Similarity`."""
        if find_spec("sklearn") is None:
            raise OptionError(
                f"the predictor '{cls.registered}' needs scikit-learn, which is not installed; run "
                "pip install 'hwprof[sklearn]'"
            )
        maps = summaries(pool, similarity, seed)
        known = Known.of(pool, mapped(maps, pool.features), dispersion(pool))
        return cls(known, maps, seed)

    def inputs(self, features: FloatArray) -> FloatArray:
        """Standardised features, the space's own summary first, `[n, p]`."""
        return mapped(self.maps, features)
