"""The best architecture under a limit, with every measurement spent where it decides.

Measuring ten architectures to learn a device, and then trusting the predictor, errs where the
search looks hardest: a maximum picks the errors out. Here every measurement but the first is of the
architecture that promises most, so that what is chosen in the end has usually been measured.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from operator import index
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hwprof.errors import OptionError
from hwprof.metrics import parse_limit
from hwprof.predictors.base import AdaptedPredictor, FloatArray, IntArray, metric_told
from hwprof.predictors.pool import check_features

# Power of the probability in what an architecture promises. Above 1, measurements rather confirm
# than hope. 1, 2 and 4 were compared on validation devices.
CAUTION = 2.0


@dataclass(frozen=True, slots=True, eq=False)
class LimitedSearch:
    """Maximises a gain over architectures, the cost on one device being limited.

    They are rows of a pool, or any architectures by their features: then what is proposed, told and
    found are places among them.

    The promise of a row is its gain beyond the best known feasible one, times the squared
    probability of meeting the limit (after the constrained expected improvement of Gardner et al.,
    Bayesian optimization with inequality constraints, 2014). `tell` gives a new value.
    """

    adapted: AdaptedPredictor
    rows: IntArray
    """Candidates as rows of the pool, shape `[n]`; places `0 .. n - 1` of `features`."""
    gain: FloatArray
    """What is maximised, shape `[n]`; its zero is what nothing is worth."""
    limit: float
    """In the predictor's base unit, seconds for latency."""
    known: tuple[tuple[int, float], ...] = ()
    """Rows measured, with their costs."""
    features: FloatArray | None = None
    """Candidates by their features, shape `[n, d]`; None where they are rows of the pool."""

    @classmethod
    def start(
        cls,
        adapted: AdaptedPredictor,
        rows: ArrayLike,
        gain: ArrayLike,
        limit: float | str,
        known: tuple[tuple[int, float], ...] = (),
    ) -> Self:
        """A search among `rows` `[n]`; `known` are the measurements `adapted` rests on.

        Candidates that the pool does not hold are given by their features, floats `[n, d]` in place
        of rows, with a predictor that can learn of such, as the few-shot one does.

        `limit` is in the base unit of what is predicted, or a text such as `15ms` or `2mJ`.

        Raises OptionError for rows, gains and limits that do not fit.
        """
        places, features = np.asarray(rows), None
        if places.ndim == 2 and places.dtype.kind == "f":
            features = check_features(places)
            places = np.arange(len(features))
        values = np.asarray(gain, dtype=np.float64)
        if places.ndim != 1 or places.dtype.kind not in "iu" or len(places) == 0:
            raise OptionError(
                "rows must be integers [n] or features [n, d], one at least; pass rows of the pool"
            )
        if len(np.unique(places)) < len(places):
            raise OptionError("rows names a row twice; name each once")
        if values.shape != places.shape or not np.isfinite(values).all():
            raise OptionError(
                f"gain must be {len(places)} finite numbers, one per row, but has shape "
                f"{values.shape}; give what each row is worth"
            )
        bound = parse_limit(limit, metric_told(adapted)) if isinstance(limit, str) else float(limit)
        if not 0 < bound < np.inf:
            raise OptionError(f"limit must be positive and finite, but is {limit}; use base units")
        return cls(adapted, places.astype(np.int64), values, bound, known, features)

    def propose(self) -> int | None:
        """The row to measure next; None where no row promises more than what is known."""
        best = self._best_known()
        worth = np.maximum(self.gain - (0.0 if best is None else self.gain[best]), 0)
        promise = self._probability() ** CAUTION * worth
        promise[self._measured()] = 0
        place = int(promise.argmax())
        return int(self.rows[place]) if promise[place] > 0 else None

    def tell(self, row: int | ArrayLike, cost: float) -> Self:
        """The search that knows this measurement as well.

        `row` is what was proposed, or any architecture by its features, `[d]`: one that is no
        candidate teaches the predictor alone. Raises OptionError as `update` does.
        """
        if np.ndim(row) > 0:
            return self._tell_features(np.asarray(row), float(cost))
        row = _integer(row)
        of: ArrayLike = [row]
        if self.features is not None:
            if not 0 <= row < len(self.features):
                raise OptionError(
                    f"row must be a place among the {len(self.features)} candidates, but is {row}; "
                    "tell what was proposed"
                )
            of = self.features[[row]]
        return replace(
            self,
            adapted=self.adapted.update(of, [cost]),
            known=(*self.known, (int(row), float(cost))),
        )

    def _tell_features(self, given: NDArray[Any], cost: float) -> Self:
        """`tell` of an architecture by its features, `[d]` or `[1, d]`."""
        if given.ndim > 2 or (given.ndim == 2 and len(given) != 1):
            raise OptionError(
                f"the features must be of one architecture, [d], but have shape {given.shape}; "
                "tell one at a time"
            )
        one = check_features(given.reshape(1, -1))
        adapted = self.adapted.update(one, [cost])
        if self.features is not None:
            same = np.flatnonzero((self.features == one).all(axis=1)).tolist()
        else:
            # A predictor that learns of features finds those of the pool; others are no candidates.
            measured = getattr(adapted, "measured", None)
            same = [] if measured is None else [int(measured.indices[-1])]
        return replace(
            self, adapted=adapted, known=(*self.known, *((place, cost) for place in same))
        )

    def best(self, level: float = 0.9) -> int | None:
        """The row of greatest gain that was seen to meet the limit, or does with this probability.

        None where there is none. Raises OptionError unless 0 < level < 1.
        """
        if not 0 < level < 1:
            raise OptionError(f"level must lie between 0 and 1, but is {level}; 0.9 is usual")
        probability = self._probability()
        for place, cost in self._places().items():
            probability[place] = float(cost <= self.limit)
        allowed = np.flatnonzero(probability >= level)
        if allowed.size == 0:
            return None
        return int(self.rows[allowed[self.gain[allowed].argmax()]])

    def _probability(self) -> FloatArray:
        of = self.rows if self.features is None else self.features
        return np.array(self.adapted.predict(of).cdf(self.limit))

    def _places(self) -> dict[int, float]:
        """Mean measured cost by place among the candidates."""
        where = {int(row): place for place, row in enumerate(self.rows)}
        seen: dict[int, list[float]] = {}
        for row, cost in self.known:
            if row in where:
                seen.setdefault(where[row], []).append(cost)
        return {place: float(np.mean(costs)) for place, costs in seen.items()}

    def _measured(self) -> NDArray[np.int64]:
        return np.array(sorted(self._places()), dtype=np.int64)

    def _best_known(self) -> int | None:
        met = [place for place, cost in self._places().items() if cost <= self.limit]
        return max(met, key=lambda place: self.gain[place], default=None)


def _integer(row: Any) -> int:
    try:
        return index(row)
    except TypeError as error:
        raise OptionError(
            f"row must be an integer or the features of an architecture, but is {row!r}; tell what "
            "was proposed"
        ) from error
