"""HELP: its parts against plain arithmetic, its guard, and its file."""

import sys
from dataclasses import replace

import numpy as np
import pytest

from hwprof import spaces
from hwprof.errors import OptionError
from hwprof.predictors.pool import DevicePool
from tests.predictors.pools import latencies, one_hot, small_pool

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")

from hwprof.predictors.help import HelpOptions, HelpPredictor, Scale, trimmed  # noqa: E402
from hwprof.predictors.help.encoders import choose_encoder  # noqa: E402
from hwprof.predictors.help.episodes import draw, embedding, make_task  # noqa: E402
from hwprof.predictors.help.inference import Support, Tuned, tune  # noqa: E402
from hwprof.predictors.help.network import Network, divergence  # noqa: E402
from hwprof.predictors.help.ranks import rank_correlation  # noqa: E402

TINY = HelpOptions(
    episodes=4, check_every=2, tasks=3, samples=5, queries=10, width=8, draws=2, fall_back=False
)
EVERY = np.arange(120)
CELL = "|nor_conv_1x1~0|+|none~0|nor_conv_3x3~1|+|skip_connect~0|avg_pool_3x3~1|none~2|"


def fitted(options=TINY, **more):
    pool, target = small_pool()
    return HelpPredictor.fit(pool, options=options, **more), target


def test_published_normalisation():
    latency = np.arange(1.0, 21.0)
    scale = trimmed(latency)
    assert (scale.low_s, scale.high_s) == (3.0, 18.0)
    assert scale.to_unit(np.array([3.0, 18.0])) == pytest.approx([0.05, 0.95])
    assert scale.to_seconds(scale.to_unit(latency)) == pytest.approx(latency)
    assert embedding(np.array([2.0, 4.0, 3.0])) == pytest.approx([0, 1, 0.5])
    flat = Scale(2.0, 2.0)
    assert np.isfinite(flat.to_unit(latency)).all()
    assert embedding(np.ones(3)) == pytest.approx([0, 0, 0])


def test_support_and_queries_are_disjoint_and_measured():
    cells = np.full(50, np.nan)
    cells[::2] = np.arange(25) + 1.0
    task = make_task("a", cells, np.array([1.0, 2.0]))
    assert len(task.rows) == 20
    episode = draw((task, task), 5, 100, np.random.default_rng(0))
    assert episode.support.shape == (2, 5)
    assert episode.queries.shape == (2, 15)
    for support, queries in zip(episode.support, episode.queries, strict=True):
        assert not set(support) & set(queries)
        assert (support % 2 == 0).all()
    back = task.scale.to_seconds(episode.support_unit[0])
    assert back == pytest.approx(cells[episode.support[0]])


def test_too_few_cells_are_named():
    cells = np.full(9, np.nan)
    cells[:3] = 1.0
    with pytest.raises(OptionError, match=r"'a' has 3 measured architectures"):
        make_task("a", cells, np.ones(2))


def test_cells_become_graphs():
    x = spaces.get("nasbench201").encode([CELL]).astype(float)
    encoder = choose_encoder("nasbench201", x)
    nodes = encoder(x)
    assert nodes.shape == (9, 1, 8)
    assert (nodes.sum(axis=2) == 1).all()
    # Input, the six operations in the order of the text, output, global.
    kinds = nodes[:, 0].argmax(axis=1).tolist()
    assert kinds == [5, 2, 0, 3, 1, 4, 0, 6, 7]
    hears = encoder.adjacency
    assert (np.diag(hears) == 1).all()
    assert hears[8].sum() == 9
    # Edge 1->2 follows 0->1; the output hears the edges that end in node 3.
    assert np.flatnonzero(hears[3]).tolist() == [1, 3]
    assert np.flatnonzero(hears[6]).tolist() == [2, 3, 6]
    assert np.flatnonzero(hears[7]).tolist() == [4, 5, 6, 7]


def test_blocks_become_attributes():
    space = spaces.get("fbnet")
    x = space.encode([space.format(["skip"] * 22), space.format(["k5_e3"] * 22)]).astype(float)
    encoded = choose_encoder("fbnet", x)(x)
    assert encoded.shape == (1, 2, 132)
    assert (encoded[0, 0] == 0).all()
    assert encoded[0, 1, :6].tolist() == [0, 1, 0, 0, 1, 0]


def test_features_of_another_space_are_refused():
    for name in ("nasbench201", "fbnet"):
        with pytest.raises(OptionError, match="not one-hot architectures"):
            choose_encoder(name, one_hot())
        with pytest.raises(OptionError, match="not one-hot architectures"):
            choose_encoder(name, np.full((3, spaces.get(name).width), 0.5))


def test_unknown_spaces_are_standardised():
    x = np.random.default_rng(0).standard_normal((50, 3)) * [1, 100, 0] + 5
    encoded = choose_encoder(None, x)(x)[0]
    assert encoded[:, :2].std(axis=0) == pytest.approx([1, 1], rel=1e-4)
    assert np.abs(encoded[:, 2]).max() < 1e-6


@pytest.mark.parametrize("name", ["nasbench201", "fbnet", None])
def test_a_batch_of_devices_equals_one_at_a_time(name):
    space = spaces.get(name) if name else None
    x = one_hot(7)
    if space is not None:
        ops = np.random.default_rng(0).choice(space.operations, (7, len(space.positions)))
        x = space.encode([space.format(row) for row in ops]).astype(float)
    encoder = choose_encoder(name, x)
    network = Network(encoder, 6, 3, 0.5)
    generator = torch.Generator().manual_seed(0)
    weights, z_weights = network.initial(generator), network.initial_z(generator)
    hardware = torch.rand((2, 3), generator=generator)
    mean, deviation = network.posterior(z_weights, hardware)
    assert (deviation > 0).all()
    inputs = torch.as_tensor(encoder(x))
    both = network.forward(
        network.modulated(weights, mean), inputs.expand(2, *inputs.shape), hardware
    )
    for i in range(2):
        own = network.modulated(weights, mean[i : i + 1])
        alone = network.forward(own, inputs[None], hardware[i : i + 1])
        assert torch.allclose(both[i], alone[0], atol=1e-6)
    assert not torch.allclose(both[0], both[1])


def test_divergence_is_that_of_normals():
    mean, deviation = torch.tensor([[0.3, -1.0]]), torch.tensor([[0.5, 2.0]])
    standard = torch.distributions.Normal(0.0, 1.0)
    own = torch.distributions.Normal(mean, deviation)
    expected = torch.distributions.kl_divergence(own, standard).sum(dim=1)
    assert torch.allclose(divergence(mean, deviation), expected)


def test_rank_correlation_averages_ties():
    stats = pytest.importorskip("scipy.stats")
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 5, 40).astype(float), rng.standard_normal(40)
    assert rank_correlation(a, b) == pytest.approx(stats.spearmanr(a, b)[0])
    assert rank_correlation(np.ones(3), np.arange(3.0)) == 0


def test_it_learns_to_rank_an_unseen_device():
    options = HelpOptions(
        episodes=150, check_every=25, tasks=5, queries=60, width=24, meta_rate=3e-3, draws=2
    )
    predictor, target = fitted(replace(options, validation=("device5",)))
    assert predictor.report.validation_spearman > 0.8
    rows = predictor.select(20)
    adapted = predictor.adapt(rows, target[rows], scale=trimmed(target))
    mean = adapted.predict(EVERY).mean_s
    assert rank_correlation(mean, target) > 0.8
    assert adapted.scale == trimmed(target)
    assert "fine-tuned" in adapted.answering


def test_references_come_first_and_only_embed():
    predictor, target = fitted(replace(TINY, references=(7, 3, 11)))
    assert predictor.select(5)[:3].tolist() == [7, 3, 11]
    assert predictor.select(3, exclude=[3])[:2].tolist() == [7, 11]
    few = predictor.adapt([7, 3, 11], target[[7, 3, 11]])
    assert np.isfinite(few.predict(EVERY).mean_s).all()
    assert predictor._fine_tuning(np.array([3, 7, 11])).all()
    rows = np.array([3, 7, 11, 20, 21, 22, 23, 24])
    assert predictor._fine_tuning(rows).tolist() == [False] * 3 + [True] * 5


def test_references_are_drawn_where_most_devices_were_measured():
    pool, _ = small_pool()
    holes = pool.latency_s.copy()
    holes[:100, 0] = np.nan
    predictor = HelpPredictor.fit(DevicePool(pool.features, holes, pool.devices), options=TINY)
    assert (predictor.references >= 100).all()


def test_divergence_restores_the_best_state_and_says_so():
    predictor, target = fitted(replace(TINY, meta_rate=1e6, episodes=50, check_every=1))
    report = predictor.report
    assert report.stopped_early
    assert report.restores == 4
    assert report.episodes < 50
    assert "diverged 4 times" in str(report)
    rows = predictor.select(12)
    assert np.isfinite(predictor.adapt(rows, target[rows]).predict(EVERY).mean_s).all()
    for p in predictor.state.flat().values():
        assert bool(torch.isfinite(p).all())


def test_a_network_that_learned_nothing_hands_over():
    predictor, target = fitted(replace(TINY, meta_rate=1e-9, fall_back=True))
    report = predictor.report
    assert report.fell_back
    assert report.validation_spearman < report.plain_spearman
    assert "NNLS mixture answers" in str(report)
    adapted = predictor.adapt(EVERY[:9], target[:9])
    assert "mixture" in adapted.answering
    assert rank_correlation(adapted.predict(EVERY).mean_s, target) > 0.7


def test_fine_tuning_that_diverges_is_left_out():
    predictor, target = fitted()
    rows = np.arange(12)
    for rate in predictor.state.rates.values():
        rate.data.fill_(1e6)
    adapted = predictor.adapt(rows, target[rows])
    assert "without fine-tuning" in adapted.answering
    assert np.isfinite(adapted.predict(EVERY).mean_s).all()
    for p in predictor.state.network.values():
        p.data.fill_(float("nan"))
    adapted = predictor.adapt(rows, target[rows])
    assert "mixture" in adapted.answering
    assert np.isfinite(adapted.predict(EVERY).mean_s).all()


def test_the_best_of_several_draws_is_their_mean():
    predictor, _ = fitted()
    support = Support(
        predictor.network.encoder(predictor.pool.features[:6]), np.linspace(0, 1, 6), np.zeros(10)
    )
    tuned = tune(predictor.network, predictor.state, support, TINY, seed=0)
    singles = []
    for i in range(TINY.draws):
        own = {name: p[i : i + 1] for name, p in tuned.parameters.items()}
        single = Tuned(tuned.network, own, tuned.hardware, tuned.answering)
        singles.append(single.predict(support.inputs))
    assert tuned.predict(support.inputs) == pytest.approx(np.mean(singles, axis=0), abs=1e-6)


def test_a_saved_predictor_comes_back(tmp_path):
    predictor, target = fitted()
    path = tmp_path / "help.safetensors"
    predictor.save(path)
    loaded = HelpPredictor.load(path)
    assert loaded.report == predictor.report
    assert loaded.options == predictor.options
    assert loaded.pool.devices == predictor.pool.devices
    rows = predictor.select(9)
    assert (loaded.select(9) == rows).all()
    first = predictor.adapt(rows, target[rows]).predict(EVERY)
    second = loaded.adapt(rows, target[rows]).predict(EVERY)
    assert second.mean_s == pytest.approx(first.mean_s, rel=1e-6)
    assert second.std_s == pytest.approx(first.std_s, rel=1e-6)


def test_joules_stay_joules(tmp_path):
    pool, target = small_pool()
    joules = DevicePool(pool.features, pool.values, pool.devices, metric="energy")
    predictor = HelpPredictor.fit(joules, options=TINY)
    predictor.save(tmp_path / "x")
    loaded = HelpPredictor.load(tmp_path / "x")
    rows = predictor.select(9)
    for one in (predictor, loaded):
        adapted = one.adapt(rows, target[rows]).update([119], target[[119]])
        prediction = adapted.predict(EVERY)
        assert (one.metric.name, adapted.metric.name, prediction.metric.name) == ("energy",) * 3
        with pytest.raises(OptionError, match="this prediction is of energy in joules"):
            _ = prediction.mean_s
        with pytest.raises(OptionError, match="latency_s are seconds of latency"):
            one.adapt(rows, latency_s=target[rows])


def test_files_that_are_not_ours_are_refused(tmp_path):
    predictor, _ = fitted()
    path = tmp_path / "help.safetensors"
    predictor.save(path)
    whole = path.read_bytes()
    from safetensors.numpy import save_file

    def refused(sentence):
        with pytest.raises(OptionError, match=sentence) as caught:
            HelpPredictor.load(path)
        assert "\n" not in str(caught.value)

    path.write_bytes(whole[: len(whole) // 2])
    refused("cannot read")
    path.write_bytes(b"")
    refused("cannot read")
    path.write_bytes(b"\x80\x04 not a pickle of ours" * 9)
    refused("cannot read")
    save_file({"x": np.zeros(1)}, path)
    refused("does not hold a HELP predictor")
    save_file({"x": np.zeros(1)}, path, metadata={"hwprof.help": '{"schema": 99}'})
    refused("schema 99, newer than 2; update hwprof")
    save_file({"x": np.zeros(1)}, path, metadata={"hwprof.help": '{"schema": 1}'})
    refused("header of .* is damaged")
    path.unlink()
    refused("cannot read")
    with pytest.raises(OptionError, match="cannot be written"):
        predictor.save(tmp_path / "no" / "such" / "folder")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"episodes": 0}, "episodes must be"),
        ({"draws": True}, "draws must be"),
        ({"meta_rate": 0.0}, "meta_rate must be"),
        ({"inner_rate": float("nan")}, "inner_rate must be"),
        ({"kl_scale": -1.0}, "kl_scale must"),
        ({"references": (1,)}, "at least 2"),
        ({"references": (1, 1)}, "repeats"),
    ],
)
def test_bad_options_are_refused(options, sentence):
    with pytest.raises(OptionError, match=sentence):
        HelpOptions(**options)


def test_options_that_do_not_fit_the_pool_are_refused():
    with pytest.raises(OptionError, match="which the pool does not have"):
        fitted(replace(TINY, validation=("elsewhere",)))
    with pytest.raises(OptionError, match="leaves 1 devices; leave at least 2"):
        fitted(replace(TINY, validation=tuple(f"device{j}" for j in range(5))))
    with pytest.raises(OptionError, match="references must be rows"):
        fitted(replace(TINY, references=(0, 500)))
    with pytest.raises(OptionError, match="similarity must be"):
        fitted(similarity=3)


def test_a_missing_torch_names_the_extra(monkeypatch):
    real = sys.modules["hwprof.predictors.help.predictor"].find_spec
    monkeypatch.setattr(
        "hwprof.predictors.help.predictor.find_spec",
        lambda name: None if name == "torch" else real(name),
    )
    with pytest.raises(OptionError, match=r"needs torch.*hwprof\[torch\]"):
        fitted()
    with pytest.raises(OptionError, match=r"hwprof\[torch\]"):
        HelpPredictor.load("anything")


def test_graph_cells_train_end_to_end():
    space = spaces.get("nasbench201")
    ops = np.random.default_rng(0).choice(space.operations, (80, 6))
    x = space.encode([space.format(row) for row in ops]).astype(float)
    y = latencies(x, 5)
    pool = DevicePool(x, y[:, :4], list("abcd"))
    predictor = HelpPredictor.fit(pool, similarity=space.similarity(), options=TINY)
    adapted = predictor.adapt(np.arange(8), y[:8, 4])
    rows, features = adapted.predict([5, 6]), adapted.predict(x[[5, 6]])
    assert rows.mean_s == pytest.approx(features.mean_s)
