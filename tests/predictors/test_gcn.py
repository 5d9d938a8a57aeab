"""Graphs of architectures, and the network that reads them."""

import numpy as np
import pytest

from hwprof import spaces
from hwprof.errors import OptionError
from hwprof.predictors import pools, registry
from hwprof.predictors.baselines.graphs import graph_of
from hwprof.predictors.pool import DevicePool
from tests.predictors.pools import small_pool


@pytest.mark.parametrize(
    ("name", "nodes"), [("nasbench201", 9), ("fbnet", 23), ("mobilenetv3", 27)]
)
def test_layers_are_nodes_and_one_more_hears_all(name, nodes):
    space = spaces.get(name)
    rows = space.sample(5, np.random.default_rng(0))
    features = space.encode(rows).astype(np.float64)
    graph = graph_of(space.similarity(), features)
    assert graph.adjacency.shape == (nodes, nodes)
    np.testing.assert_allclose(graph.adjacency.sum(axis=1), 1, rtol=1e-6)
    assert (graph.adjacency[-1] > 0).all()
    assert (np.diag(graph.adjacency) > 0).all()
    assert (graph.adjacency[:-1, -1] == 0).all()
    found = graph.nodes(features)
    assert found.shape == (5, nodes, graph.width)
    # Different architectures are different graphs, and each reads alike alone.
    assert len(np.unique(found.reshape(5, -1), axis=0)) == len(np.unique(rows, axis=0))
    np.testing.assert_array_equal(graph.nodes(features[2:3])[0], found[2])


def test_a_chain_hears_the_layer_before_and_unused_layers_are_empty():
    space = spaces.get("mobilenetv3")
    rows = space.sample(200, np.random.default_rng(0))
    graph = graph_of(space.similarity(), space.encode(rows).astype(np.float64))
    before = np.flatnonzero(graph.adjacency[5])
    assert before.tolist() == [4, 5]
    names = [p.name for p in space.positions]
    shallow = rows[rows[:, names.index("stage1.depth")] == 0]
    deep = rows[rows[:, names.index("stage1.depth")] == 2]
    empty = [
        (~graph.nodes(space.encode(each).astype(float)).any(axis=2)).sum(axis=1).min()
        for each in (shallow, deep)
    ]
    assert empty[0] >= 2


def test_what_is_of_no_space_is_a_single_node():
    pool, _ = small_pool()
    graph = graph_of(None, pool.features)
    assert graph.adjacency.shape == (2, 2)
    assert graph.nodes(pool.features[:3]).shape == (3, 2, pool.width)
    with pytest.raises(OptionError, match=r"not one-hot architectures of fbnet"):
        graph_of(spaces.get("fbnet").similarity(), pool.features)


def test_ten_measurements_rank_the_rest():
    pytest.importorskip("torch")
    pool, space = pools.load("nasbench201"), spaces.get("nasbench201")
    some = np.random.default_rng(0).permutation(pool.rows)[:900]
    latency = pool.latency_s[some]
    known, new = list(range(0, 8)), pool.devices.index("titanx_32")
    assert new not in known
    part = DevicePool(pool.features[some], latency[:, known], [pool.devices[i] for i in known])
    predictor = registry.get("gcn").fit(part, similarity=space.similarity())
    rows = predictor.select(10)
    told = predictor.adapt(rows, latency[rows, new]).predict(np.arange(900))
    truth = latency[:, new]
    assert np.corrcoef(told.mean.argsort().argsort(), truth.argsort().argsort())[0, 1] > 0.8
    assert np.median(np.abs(told.mean / truth - 1)) < 0.2
    # Tuning moves it towards what was measured.
    scaled = predictor.adapt(rows[:1], latency[rows[:1], new]).predict(rows).mean
    errors = [np.abs(m / truth[rows] - 1).mean() for m in (told.mean[rows], scaled)]
    assert errors[0] < errors[1]


def test_a_missing_torch_names_the_extra(monkeypatch):
    monkeypatch.setattr("hwprof.predictors.baselines.gcn.find_spec", lambda name: None)
    pool, _ = small_pool()
    with pytest.raises(OptionError, match=r"the predictor 'gcn' needs torch.*hwprof\[torch\]"):
        registry.get("gcn").fit(pool)
