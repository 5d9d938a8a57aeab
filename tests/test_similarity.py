"""Feature maps: their inner products are the similarities they stand for."""

import numpy as np
import pytest

from hwprof.errors import OptionError
from hwprof.similarity import PLAIN, Blocks, Hamming, Linear, Rbf, Similarity, check_similarity


def one_hot(rows, positions, choices, seed=0):
    chosen = np.random.default_rng(seed).integers(0, choices, (rows, positions))
    return np.eye(choices)[chosen].reshape(rows, -1), chosen


def fit(component, features, cost=None):
    flat = np.ones(len(features)) if cost is None else cost
    return component.fit(features, flat, np.random.default_rng(0))


def test_linear_is_standardised_and_skips_constants():
    rng = np.random.default_rng(0)
    features = np.c_[rng.normal(5, 3, (500, 4)), np.full(500, 2.0)]
    mapped = fit(Linear(), features)(features)
    np.testing.assert_allclose(mapped.mean(axis=0), 0, atol=1e-12)
    assert (mapped[:, -1] == 0).all()
    assert (mapped**2).sum(axis=1).mean() == pytest.approx(1)


def test_linear_of_a_matrix():
    features = np.random.default_rng(1).normal(size=(50, 6))
    matrix = np.ones((6, 1))
    mapped = fit(Linear(matrix), features)(features)
    total = features.sum(axis=1)
    np.testing.assert_allclose(mapped[:, 0], (total - total.mean()) / total.std())


def test_hamming_is_exact_on_its_landmarks():
    features, chosen = one_hot(60, 5, 3)
    mapped = fit(Hamming(5, rho=0.6), features)(features)
    differ = (chosen[:, None] != chosen[None]).sum(axis=2)
    np.testing.assert_allclose(mapped @ mapped.T, 0.6**differ, atol=1e-6)


def test_rbf_approximates_the_kernel_beyond_its_landmarks():
    rng = np.random.default_rng(0)
    features = rng.normal(size=(400, 3)) * [1.0, 10.0, 100.0]
    mapped = fit(Rbf(length=2.0, landmarks=150), features)(features)
    z = features / features.std(axis=0) / np.sqrt(6) / 2.0
    squared = ((z[:, None] - z[None]) ** 2).sum(axis=2)
    np.testing.assert_allclose(mapped @ mapped.T, np.exp(-0.5 * squared), atol=0.02)


def test_rank_bounds_the_features():
    features = np.random.default_rng(0).normal(size=(100, 4))
    assert fit(Rbf(rank=7), features).matrix.shape[1] == 7


def test_blocks_are_free_where_they_cost_nothing():
    features, _ = one_hot(300, 4, 3)
    price = np.array([[1.0, 3.0, 0.0]] * 4) * np.array([[1], [2], [3], [4]])
    cost = features @ price.reshape(-1) + 5
    descriptors = np.arange(12.0)[:, None] / 6
    component = Blocks(descriptors, free=2, choices=3, rank=12)
    c = component.block_cost(features, cost).reshape(4, 3)
    assert (c[:, 2] == 0).all()
    np.testing.assert_allclose(c[:, :2], price[:, :2], rtol=0.02)
    mapped = fit(component, features, cost)
    kernel = np.exp(-((descriptors - descriptors.T) ** 2) / 2)
    weights = c.reshape(-1)[:, None] * kernel * c.reshape(-1)
    centred = features - features.mean(axis=0)
    np.testing.assert_allclose(
        mapped(features) @ mapped(features).T, centred @ weights @ centred.T, atol=1e-6
    )


def test_components_alone_make_a_similarity():
    for parts in (1, 2, 3):
        similarity = Similarity("mine", (Linear(),) * parts, (Linear(),) * parts)
        assert {len(weights) for weights in similarity.smoothing_weights} == {parts}
        assert len(set(similarity.smoothing_weights)) == len(similarity.smoothing_weights)
        # Devices, an overhead that is there or not, and the components.
        assert similarity.amplitudes.shape == (2 * 4 ** (parts + 1), 2 + parts)
        assert similarity.noises == PLAIN.noises
    assert Similarity("mine", (Linear(),), ()).amplitudes.shape == (8, 2)
    machines = Similarity("mine", (Linear(),), (), analytic=Linear(), analytic_weight=0.25)
    np.testing.assert_allclose(machines.amplitudes[:, 1], 0.25 * machines.amplitudes[:, 0])


def test_what_a_plain_feature_matrix_gets():
    # Figures of predictors fitted without a similarity rest on these.
    assert PLAIN.smoothing_weights == ((1, 0), (1, 0.03), (1, 0.1), (1, 0.3), (1, 1), (0.1, 1))
    assert PLAIN.transfer_weights == ((1e-5, 0.001, 0.01, 0.1), (1e-6, 0.003, 0.03, 0.3))
    assert PLAIN.device_weights == (0.1, 0.5, 1.0, 2.0)
    assert PLAIN.noises == (1e-4, 0.003, 0.01, 0.03, 0.06, 0.1, 0.15, 0.22, 0.4, 0.8)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"smoothing": ()}, "smooths by nothing; give a component"),
        ({"smoothing_weights": ((1, 0), (1,))}, "must have 1 numbers each, one per component"),
        ({"transfer_weights": ((0.1,), (0.2,))}, "must be for 1 components, but are for 2"),
        ({"transfer_weights": ((),)}, "not missing"),
        ({"noises": ()}, "not missing"),
        ({"noises": (0.1, -0.1)}, "finite, 0 or more"),
        ({"device_weights": (float("nan"),)}, "finite, 0 or more"),
    ],
)
def test_numbers_that_do_not_go_with_the_components(given, sentence):
    parts = {"name": "mine", "smoothing": (Linear(),), "transfer": (Linear(),)}
    with pytest.raises(OptionError, match=sentence) as error:
        Similarity(**parts | given)
    assert "\n" not in str(error.value)


def test_what_is_no_similarity_is_told():
    assert check_similarity(PLAIN) is PLAIN
    with pytest.raises(OptionError, match=r"must be a Similarity or None, but is str; pass"):
        check_similarity("nasbench201")
