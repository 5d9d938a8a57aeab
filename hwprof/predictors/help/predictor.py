"""HELP as a predictor: fitted on a pool, adapted to a device.

Source: Lee, Lee, Chong, Hwang, "HELP: Hardware-Adaptive Efficient Latency Prediction for NAS via
Meta-Learning", NeurIPS 2021. Torch is imported on use, not with this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Self

import numpy as np
from numpy.typing import ArrayLike

from hwprof.errors import OptionError
from hwprof.metrics import Metric
from hwprof.predictors.base import AdaptedPredictor, IntArray, Measured, OfMetric, Predictor
from hwprof.predictors.baselines.base import BaselineAdapted
from hwprof.predictors.baselines.candidates import candidate_rows
from hwprof.predictors.baselines.nnls import DeviceMixture
from hwprof.predictors.baselines.prediction import Spread, StudentPrediction
from hwprof.predictors.fewshot.checks import check_rows, combine, merge
from hwprof.predictors.help.encoders import choose_encoder
from hwprof.predictors.help.episodes import Scale, embedding, trimmed
from hwprof.predictors.help.options import HelpOptions
from hwprof.predictors.help.prepare import (
    choose_references,
    learning_pool,
    plain_score,
    pool_tasks,
)
from hwprof.predictors.help.report import TrainingReport
from hwprof.predictors.naming import given
from hwprof.predictors.pool import BoolArray, DevicePool, check_features
from hwprof.similarity import Similarity, check_similarity

if TYPE_CHECKING:
    from hwprof.predictors.help.inference import Tuned
    from hwprof.predictors.help.network import Network
    from hwprof.predictors.help.training import State

# Predictions below this share of the fastest measurement are extrapolations gone wrong.
_FLOOR = 0.01
# Errors are relative to the latency down to this share of the mean, and absolute below it.
_LEVEL = 0.1


def require_torch() -> None:
    """Raises OptionError naming the extra when torch or safetensors is not installed."""
    missing = [name for name in ("torch", "safetensors") if find_spec(name) is None]
    if missing:
        raise OptionError(
            f"the predictor 'help' needs {' and '.join(missing)}, which is not installed; run "
            "pip install 'hwprof[torch]'"
        )


@dataclass(frozen=True, slots=True, eq=False)
class HelpPredictor(Predictor, OfMetric):
    """HELP, fitted. Two ways to count measurements:

    - As published: measure the reference architectures and as many others, and hand over the
      device's own `Scale`; the references are the embedding, the others fine-tune.
    - By measurements alone: whatever was measured fine-tunes; reference latencies and the scale
      that were not measured come from the NNLS mixture of the pool's devices.
    """

    pool: DevicePool
    options: HelpOptions
    space: str | None
    seed: int
    references: IntArray
    """Rows of the reference architectures, shape `[e]`."""
    report: TrainingReport
    mixture: DeviceMixture
    network: Network
    state: State

    @classmethod
    def fit(
        cls,
        pool: DevicePool,
        *,
        similarity: Similarity | None = None,
        seed: int = 0,
        options: HelpOptions | None = None,
    ) -> Self:
        """See `Predictor.fit`: minutes on one core, deterministic in `seed`.

        `similarity` only says which space the features come from: nasbench201 gets the graph
        network, fbnet the published block attributes, anything else standardised features. Raises
        OptionError without torch, for options that do not fit the pool, for features that are not
        the named space's, and for a device with fewer than 4 measured architectures.
        """
        require_torch()
        from hwprof.predictors.help import training

        space = None if similarity is None else check_similarity(similarity).name
        options = options or HelpOptions()
        known = learning_pool(pool, options)
        mixture = DeviceMixture.fit(known, seed=seed)
        references = choose_references(pool, options, seed)
        tasks = pool_tasks(pool, references, seed)
        learning = tuple(task for task in tasks if task.device in known.devices)
        checking = tuple(task for task in tasks if task.device in options.validation) or learning
        network = _network(pool, space, options, len(references))
        inputs = network.encoder(pool.features)
        state, report = training.meta_train(network, inputs, learning, checking, options, seed)
        plain = plain_score(mixture, checking)
        worse = options.fall_back and report.validation_spearman < plain
        report = replace(report, plain_spearman=plain, fell_back=worse)
        return cls(pool, options, space, seed, references, report, mixture, network, state)

    @property
    def metric(self) -> Metric:
        """What the pool holds."""
        return self.pool.metric

    def select(
        self,
        k: int,
        candidates: Sequence[int] | None = None,
        exclude: Sequence[int] | None = None,
    ) -> IntArray:
        """See `Predictor.select`: the reference architectures first, then random ones.

        Raises OptionError when fewer than k rows may be chosen.
        """
        allowed = candidate_rows(k, self.pool.rows, candidates, exclude)
        first = self.references[np.isin(self.references, allowed)]
        others = np.setdiff1d(allowed, first)
        shuffled = np.random.default_rng(self.seed).permutation(others)
        return np.concatenate([first, shuffled])[:k]

    def adapt(
        self,
        indices: ArrayLike,
        values: ArrayLike | None = None,
        device: str | None = None,
        std_error: ArrayLike | None = None,
        *,
        scale: Scale | None = None,
        metric: Metric | str | None = None,
        check_units: bool = True,
        latency_s: ArrayLike | None = None,
        std_error_s: ArrayLike | None = None,
    ) -> HelpAdapted:
        """See `Predictor.adapt`. Raises OptionError for measurements that cannot be used.

        `metric` is the pool's unless named; `latency_s` and `std_error_s` name values that are
        seconds. `scale` is the device's range over the middle 80 % of the pool's rows, as the
        published evaluation takes it from measurements that it does not count. Standard errors
        only weigh repeats: HELP has no other place for them. `check_units=False` accepts a device
        a hundred times beyond those of the pool.
        """
        values, error, wanted = given(
            *(self.metric, values, std_error, metric), latency_s=latency_s, std_error_s=std_error_s
        )
        known = self.mixture.known
        measured = known.check(indices, values, error, wanted, units=check_units)
        return self._adapted(measured, device, scale)

    def _adapted(self, measured: Measured, device: str | None, scale: Scale | None) -> HelpAdapted:
        from hwprof.predictors.help import inference

        rows, latency, _ = combine(measured)
        fallback = self.mixture.adapt(rows, latency, metric=measured.metric, check_units=False)
        floor = _FLOOR * float(latency.min())
        expected = fallback.predict(np.arange(self.pool.rows)).mean
        expected[rows] = latency
        known = scale or trimmed(expected[self.pool.measured.any(axis=1)])
        tuned, spread = None, fallback.spread
        if not self.report.fell_back:
            used = self._fine_tuning(rows)
            support = inference.Support(
                self.network.encoder(self.pool.features[rows[used]]),
                known.to_unit(latency[used]),
                embedding(expected[self.references]),
            )
            tuned = inference.tune(self.network, self.state, support, self.options, self.seed)
            out, unit = inference.left_out(self.network, self.state, support, self.options)
            if tuned is not None and np.isfinite(unit).all():
                level = _LEVEL * float(latency.mean())
                predicted = np.maximum(known.to_seconds(unit), floor)
                errors = (latency[used][out] - predicted) / np.maximum(predicted, level)
                spread = Spread.of(self.mixture.known.prior_spread, errors, level)
        return HelpAdapted(self, measured, device, scale, known, fallback, tuned, spread, floor)

    def _fine_tuning(self, rows: IntArray) -> BoolArray:
        """Which of the measured rows to fine-tune on, `[k]`.

        As published, the references only embed, as soon as enough others are there to adapt to.
        """
        others: BoolArray = ~np.isin(rows, self.references)
        return others if others.sum() >= self.options.samples else np.ones_like(others)

    def save(self, path: Path | str) -> None:
        """Write everything to one safetensors file; nothing in it can be executed."""
        from hwprof.predictors.help.storage import Kept, save

        kept = Kept(
            self.pool,
            self.options,
            self.space,
            self.seed,
            self.references,
            self.report,
            self.state,
        )
        save(kept, Path(path))

    @classmethod
    def load(cls, path: Path | str) -> Self:
        """Read what `save` wrote.

        Raises OptionError without torch, and for a file that is truncated, of a newer schema, or
        not a saved HELP.
        """
        require_torch()
        from hwprof.predictors.help.storage import check_state, damaged, load

        kept = load(Path(path))
        try:
            network = _network(kept.pool, kept.space, kept.options, len(kept.references))
            check_state(network, kept.state)
            with np.errstate(all="ignore"):
                learning = learning_pool(kept.pool, kept.options)
                mixture = DeviceMixture.fit(learning, seed=kept.seed)
        except (ValueError, ArithmeticError, IndexError, np.linalg.LinAlgError) as error:
            raise damaged(Path(path), error) from error
        return cls(
            kept.pool,
            kept.options,
            kept.space,
            kept.seed,
            kept.references,
            kept.report,
            mixture,
            network,
            kept.state,
        )


@dataclass(frozen=True, slots=True, eq=False)
class HelpAdapted(AdaptedPredictor, OfMetric):
    """HELP on one device."""

    predictor: HelpPredictor
    measured: Measured
    device: str | None
    given_scale: Scale | None
    scale: Scale
    """In use: the given one, or the one expected from the measurements."""
    fallback: BaselineAdapted
    tuned: Tuned | None
    """None where the fallback answers."""
    spread: Spread
    floor: float

    @property
    def answering(self) -> str:
        """Whose answer this is: an `Answering`, in words."""
        from hwprof.predictors.help.inference import Answering

        return str(Answering.MIXTURE if self.tuned is None else self.tuned.answering)

    def predict(self, architectures: ArrayLike) -> StudentPrediction:
        """See `AdaptedPredictor.predict`.

        The mean is the average over draws of z; the deviation comes from measurements left out of
        the fine-tuning. Raises OptionError for rows or features that do not fit.
        """
        if self.tuned is None:
            return self.fallback.predict(architectures)
        own = self.predictor
        given = np.asarray(architectures)
        if given.ndim == 1:
            features = own.pool.features[check_rows(given, own.pool.rows, "architectures")]
        else:
            features = check_features(given, own.pool.width)
        mean = self.scale.to_seconds(self.tuned.predict(own.network.encoder(features)))
        return self.spread.around(np.maximum(mean, self.floor), self.metric)

    @property
    def metric(self) -> Metric:
        """What is predicted: what was measured on the device."""
        return self.measured.metric

    def update(
        self,
        indices: ArrayLike,
        values: ArrayLike | None = None,
        std_error: ArrayLike | None = None,
        *,
        latency_s: ArrayLike | None = None,
        std_error_s: ArrayLike | None = None,
    ) -> Self:
        """See `AdaptedPredictor.update`: fine-tuned anew on all measurements."""
        own = self.predictor
        # The first measurements have settled the unit.
        values, error, metric = given(
            *(self.metric, values, std_error), latency_s=latency_s, std_error_s=std_error_s
        )
        new = own.mixture.known.check(indices, values, error, metric, units=False)
        fresh = own._adapted(merge(self.measured, new), self.device, self.given_scale)
        return replace(
            self,
            measured=fresh.measured,
            scale=fresh.scale,
            fallback=fresh.fallback,
            tuned=fresh.tuned,
            spread=fresh.spread,
            floor=fresh.floor,
        )


def _network(pool: DevicePool, space: str | None, options: HelpOptions, references: int) -> Network:
    from hwprof.predictors.help.network import Network

    encoder = choose_encoder(space, pool.features)
    return Network(encoder, options.width, references, options.z_scale)
