"""Layers' costs from kernels whose truth is known: sums, coefficients, files and the command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import linprog

from hwprof import spaces
from hwprof.errors import OptionError, TableError
from hwprof.graph import TensorSpec
from hwprof.lut import Table
from hwprof.measurement import Measurement
from hwprof.profile import KernelOccurrence, Profile
from hwprof.search import Objective
from hwprof.search.layers import LayerCosts, covering, layer_costs
from hwprof.spaces.analytic import CountedSpace
from hwprof.testing.examples import example_measurement
from tests.cli.conftest import Result
from tests.predictors.pools.tables import device, restart

Cli = Callable[..., Result]
RUNS = 12
# Seconds per unit of work: arithmetic, depthwise, traffic, and of every operator.
SPEEDS = {"arithmetic": 2e-11, "depthwise": 1e-10, "traffic": 5e-11, "operators": 2e-6}
KERNEL = next(
    o.kernel
    for seed in range(9)
    for o in (example_measurement(seed).profile or Profile((), np.zeros(1))).occurrences
)


def counted(name: str) -> CountedSpace:
    space = spaces.get(name)
    assert isinstance(space, CountedSpace)
    return space


def truth(space: CountedSpace, arch: str) -> dict[str, float]:
    """Seconds of each layer, and of what is in none."""
    from hwprof.spaces.work import NAMES

    row = space.indices([arch])
    speeds = np.array([SPEEDS.get(name, 0.0) for name in NAMES])
    found = {}
    for number, part in enumerate(space.part_works):
        work = part.work[tuple(row[0, list(part.positions)])]
        # Layers differ in more than their work.
        found[part.layer] = float(work @ speeds) * (1 + 0.1 * (number % 5))
    return found


def measured(
    space: CountedSpace,
    seed: int,
    arch: str,
    *,
    noise: float = 0.0,
    overhead_s: float = 1e-4,
    profile: bool = True,
) -> Measurement:
    """One architecture with a kernel per node, as a runtime tells them."""
    rng = np.random.default_rng([seed, 7])
    layers = truth(space, arch)
    side = space.resolution(arch)
    nodes: dict[str, list[str]] = {}
    for node in space.build(arch).graph.node:
        nodes.setdefault(space.layer_of(node.name), []).append(node.name)
    occurrences = []
    for layer, names in nodes.items():
        each = layers[layer] / len(names) * np.exp(noise * rng.standard_normal(RUNS))
        occurrences += [KernelOccurrence(name, KERNEL, "CPU", each, (name,)) for name in names[:-1]]
        # A change of layout covers no node: it goes with the kernel before it.
        for source in ((names[-1],), ()):
            occurrences.append(KernelOccurrence(names[-1], KERNEL, "CPU", each / 2, source))
    one = example_measurement(seed)
    told = Profile(tuple(occurrences), np.full(RUNS, 1.0), node_cost_s=0.0)
    latency_s = sum(layers.values()) + overhead_s
    return replace(
        one,
        subject=replace(
            one.subject,
            name=arch,
            inputs=(TensorSpec("image", "float32", (1, 3, side, side)),),
            batch=1,
            values=(),
        ),
        device=device("layers"),
        restarts=(restart(latency_s * float(np.exp(noise * rng.standard_normal()))),) * 2,
        profile=told if profile else None,
        profile_reason="" if profile else "nobody asked",
        source="measured",
    )


def table_of(path: Path, space: CountedSpace, archs: list[str], **options: float) -> Path:
    with Table.open(path) as table:
        for seed, arch in enumerate(archs):
            table.add(measured(space, seed, arch, **options))
    return path


@pytest.fixture(scope="module")
def fbnet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("layers") / "fbnet.db"
    return table_of(path, counted("fbnet"), covering("fbnet", least=24), noise=0.02)


@pytest.fixture(scope="module")
def costs(fbnet: Path) -> LayerCosts:
    return layer_costs([fbnet], "fbnet")


def test_sums_are_the_latencies_of_others(costs: LayerCosts) -> None:
    space = counted("fbnet")
    archs = space.texts(space.sample(60, np.random.default_rng(99)))
    real = np.array([sum(truth(space, arch).values()) + 1e-4 for arch in archs])
    assert np.abs(costs(archs) / real - 1).mean() < 0.02
    assert costs.agreement.architectures == costs.profiled
    assert costs.agreement.mape < 0.04
    assert costs.agreement.correlation > 0.95
    assert costs.unmeasured == ()
    np.testing.assert_allclose(costs.covered(archs), 1.0)
    assert costs.setting.space == "fbnet"


def test_layers_have_their_own_costs(costs: LayerCosts) -> None:
    space = counted("fbnet")
    (arch,) = space.texts(space.sample(1, np.random.default_rng(3)))
    real, row = truth(space, arch), space.indices([arch])
    for part in costs.parts:
        if real[part.layer] > 0:
            assert float(part.of(row)[0]) == pytest.approx(real[part.layer], rel=0.12)
        else:
            assert float(part.of(row)[0]) == 0


def test_an_objective_takes_them(costs: LayerCosts) -> None:
    space = counted("fbnet")
    rows = space.sample(5, np.random.default_rng(1))
    objective = Objective(costs, limit="1s")
    assert objective.kind == "additive"
    np.testing.assert_allclose(objective(rows), costs(rows))
    with pytest.raises(OptionError, match="the space fbnet, but nasbench201 is searched"):
        Objective(costs, space="nasbench201")


def test_a_linear_programme_finds_the_cheapest(costs: LayerCosts) -> None:
    from hwprof.search.additive import linear_cost

    layers = costs.linear()
    programme = linear_cost(layers.table)
    found = linprog(programme.c, A_eq=programme.A_eq, b_eq=programme.b_eq, bounds=(0, 1))
    row = layers.architectures(programme.rows(found.x))
    sampled = costs(counted("fbnet").sample(500, np.random.default_rng(2)))
    assert found.fun + programme.constant == pytest.approx(float(costs(row)[0]))
    assert float(costs(row)[0]) <= sampled.min()


def test_depths_are_bilinear(tmp_path: Path) -> None:
    space = counted("mobilenetv3")
    path = table_of(tmp_path / "m.db", space, covering("mobilenetv3", least=30)[:36])
    costs = layer_costs([path], "mobilenetv3")
    with pytest.raises(OptionError, match="several layers share resolution"):
        costs.linear()
    layers, form = costs.bilinear({"resolution": "192"})
    assert form.depths == ((2, 3, 4),) * 5
    rng = np.random.default_rng(0)
    names = [position.name for position in space.positions]
    for _ in range(5):
        row = rng.integers(0, layers.table.sizes)
        depths = rng.integers(0, 3, 5)
        arch = layers.architectures(row[None])[0]
        for stage, depth in enumerate(depths, 1):
            arch[names.index(f"stage{stage}.depth")] = depth
        x = np.zeros(int(layers.table.sizes.sum()))
        x[np.append(0, np.cumsum(layers.table.sizes)[:-1]) + row] = 1
        d = np.zeros((5, 3))
        d[np.arange(5), depths] = 1
        assert form(x, d.reshape(-1)) == pytest.approx(float(costs(arch[None])[0]), rel=1e-9)
    with pytest.raises(OptionError, match="no position 'side'"):
        costs.bilinear({"side": "1"})
    with pytest.raises(OptionError, match="no choice '7' at resolution"):
        costs.linear({"resolution": "7"})


def test_what_was_never_measured_is_named(tmp_path: Path) -> None:
    space = counted("fbnet")
    rows = space.sample(24, np.random.default_rng(0))
    rows[:, 4] = 1
    path = table_of(tmp_path / "t.db", space, space.texts(rows))
    costs = layer_costs([path], "fbnet")
    name = space.positions[4].name
    missing = {choice for position, choice in costs.unmeasured if position == name}
    choices = space.positions[4].choices
    # A layer that is skipped has nothing to do, measured or not.
    assert missing | {"skip"} == {c for i, c in enumerate(choices) if i != 1} | {"skip"}
    other = rows[:1].copy()
    other[0, 4] = 3
    assert float(costs.covered(rows[:1])[0]) == pytest.approx(1)
    assert float(costs.covered(other)[0]) < 1


def test_files(costs: LayerCosts, tmp_path: Path) -> None:
    path = tmp_path / "f.costs"
    costs.save(path)
    again = LayerCosts.load(path)
    rows = counted("fbnet").sample(20, np.random.default_rng(0))
    np.testing.assert_array_equal(again(rows), costs(rows))
    assert (again.agreement, again.setting, again.device) == (
        costs.agreement,
        costs.setting,
        costs.device,
    )
    content = path.read_bytes()
    for wrong, says in (
        (content[: len(content) // 2], "truncated or no file"),
        (content.replace(b'schema\\":1', b'schema\\":9'), "schema 9 where this hwprof reads 1"),
        (content.replace(b'space\\":\\"fbnet', b'space\\":\\"fbnot'), "unknown search space"),
        (content.replace(b"hwprof.layers", b"hwprof.nobody"), "holds no layers' costs"),
        (b"", "truncated or no file"),
    ):
        (tmp_path / "bad.costs").write_bytes(wrong)
        with pytest.raises(TableError, match=says) as error:
            LayerCosts.load(tmp_path / "bad.costs")
        assert "\n" not in str(error.value)
    with pytest.raises(TableError, match="there is no file"):
        LayerCosts.load(tmp_path / "gone.costs")


@pytest.mark.parametrize("name", ["nasbench201", "fbnet", "resnet50", "gpt", "fbnet+int8"])
def test_a_plan_covers_every_choice_of_every_layer(name: str) -> None:
    space = counted(name)
    archs = covering(name, least=10)
    assert len(set(archs)) == len(archs) >= 10
    assert archs == covering(name, least=10)
    rows = space.indices(archs)
    for number, position in enumerate(space.positions):
        used = space.used(rows)[:, number]
        # Where a layer may be absent, what it chooses counts where it is there.
        there = set(rows[used, number].tolist())
        idle = {
            choice
            for part in space.part_works
            if number in part.positions
            for choice in range(len(position.choices))
            if not np.take(part.work, choice, axis=part.positions.index(number)).any()
        }
        assert there | idle == set(range(len(position.choices)))


def test_what_cannot_be(tmp_path: Path, fbnet: Path) -> None:
    space = counted("fbnet")
    few = table_of(tmp_path / "few.db", space, covering("fbnet")[:5])
    with pytest.raises(OptionError, match=r"kernels of 5 architectures .* at least 8 are needed"):
        layer_costs([few], "fbnet")
    with Table.open(tmp_path / "none.db") as table:
        table.add(measured(space, 1, covering("fbnet")[0], profile=False))
    with pytest.raises(OptionError, match="nobody asked"):
        layer_costs([tmp_path / "none.db"], "fbnet")
    with pytest.raises(OptionError, match=r"no device of .* matches 'gpu'"):
        layer_costs([fbnet], "fbnet", device="gpu")
    with pytest.raises(OptionError, match="name that with --space"):
        layer_costs([fbnet], "nasbench201")
    with pytest.raises(OptionError, match="least must be 1 or more"):
        covering("fbnet", least=0)


def test_the_command(hwprof: Cli, fbnet: Path) -> None:
    done = hwprof("lut", "additive", "--space", "fbnet", "--lut", fbnet, "-o", "f.costs")
    assert done.code == 0, done.err
    assert "off on average" in done.out
    assert "costs in f.costs" in done.out
    costs = LayerCosts.load("f.costs")
    document = hwprof("lut", "additive", "--space", "fbnet", "--lut", fbnet, "--json").json
    assert document["agreement"]["mape"] == pytest.approx(costs.agreement.mape)
    assert len(document["parts"]) == 23
    planned = hwprof("lut", "additive", "--space", "fbnet", "--plan").out.splitlines()
    assert planned == covering("fbnet")
    both = hwprof("lut", "additive", "--space", "fbnet", "--plan", "-o", "x")
    assert "--plan only prints" in both.error
    eight = hwprof("lut", "additive", "--space", "fbnet", "--lut", fbnet, "--batch", "8")
    assert "no measurement of fbnet is of batch 8" in eight.error
