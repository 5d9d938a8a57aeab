"""Small neural networks on the features, from the target's measurements alone."""

from __future__ import annotations

import warnings

import numpy as np

from hwprof.predictors.base import FloatArray
from hwprof.predictors.baselines.own import Learnt, Told
from hwprof.predictors.baselines.sklearn import SklearnBaseline

_NETWORKS, _WIDTH, _STEPS, _DECAY = 5, 32, 100, 0.1


class SmallNetworks(SklearnBaseline):
    """Five networks of one hidden layer, started anew each (Lakshminarayanan, Pritzel, Blundell,
    "Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles", NeurIPS 2017): the
    mean is theirs, the deviation that of their answers.

    All measurements count alike: scikit-learn 1.4 gives networks no weights.
    """

    registered = "mlp"

    def learn(self, inputs: FloatArray, values: FloatArray, weight: FloatArray) -> Learnt:
        """See `OwnBaseline.learn`."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPRegressor

        deviation = max(float(values.std()), 1e-9)
        # Inputs have a squared length of one or so; networks start from ones each.
        stretch = float(np.sqrt(inputs.shape[1]))
        networks = []
        with warnings.catch_warnings():
            # A few steps are what keeps networks of more weights than measurements smooth.
            warnings.simplefilter("ignore", ConvergenceWarning)
            for number in range(_NETWORKS):
                network = MLPRegressor(
                    hidden_layer_sizes=(_WIDTH,),
                    solver="lbfgs",
                    alpha=_DECAY,
                    max_iter=_STEPS,
                    random_state=self.seed + number,
                )
                networks.append(network.fit(stretch * inputs, (values - 1) / deviation))

        def tell(rows: FloatArray) -> Told:
            if len(rows) == 0:
                return np.zeros(0), np.zeros(0)
            each = np.stack([network.predict(stretch * rows) for network in networks])
            return 1 + deviation * each.mean(axis=0), deviation * each.std(axis=0)

        return tell
