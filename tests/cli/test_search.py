"""`hwprof search`: from predictors of devices to architectures that keep the limits."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from hwprof import Objective, spaces
from hwprof.predictors import pools
from hwprof.predictors.fewshot import AdaptedFewShot, FewShotPredictor
from hwprof.predictors.pool import DevicePool
from tests.cli.conftest import Result

Cli = Callable[..., Result]
SPACE = "nasbench201"
STORED = Path(__file__).parents[1] / "stored/second"
FORM = spaces.get(SPACE)


@pytest.fixture(scope="module")
def pool() -> DevicePool:
    return pools.read(STORED / f"{SPACE}-pool.safetensors").subset(
        ["1080ti_1", "silver_4114", "samsung_a50"]
    )


@pytest.fixture(scope="module")
def phone(pool: DevicePool) -> AdaptedFewShot:
    fitted = FewShotPredictor.fit(pool, similarity=FORM.similarity())
    return fitted.adapt(list(range(0, 40, 4)), pool.values[::4, 2], "my phone")


@pytest.fixture(scope="module")
def board(pool: DevicePool) -> AdaptedFewShot:
    fitted = FewShotPredictor.fit(pool, similarity=FORM.similarity())
    joules = 0.1 * pool.values[::4, 1]
    return fitted.adapt(list(range(0, 40, 4)), joules, metric="energy", check_units=False)


@pytest.fixture
def files(hwprof: Cli, phone: AdaptedFewShot, board: AdaptedFewShot) -> None:
    """In the folder that commands run in."""
    phone.save(Path("phone.device"))
    board.save(Path("board.device"))


def middle(predictor: AdaptedFewShot, q: float = 0.5) -> float:
    """What a share of architectures keeps, by the 0.9 quantile."""
    rows = FORM.sample(500, np.random.default_rng(0))
    return float(np.quantile(Objective(predictor, statistic=0.9, space=SPACE)(rows), q))


ASK = ("search", "--predictor", "phone.device")
BOTH = (*ASK, "--predictor", "board.device")


@pytest.mark.usefixtures("files")
def test_what_is_found_keeps_the_limit(hwprof: Cli, phone: AdaptedFewShot) -> None:
    limit = middle(phone)
    done = hwprof(*ASK, "--max-latency", f"{limit}s", "--top", "5", "--json")
    assert (done.code, done.err) == (0, "")
    document = done.json
    assert (document["space"], document["maximised"], document["is_proxy"]) == (
        SPACE, "live_flops", True
    )  # fmt: skip
    archs = [each["arch"] for each in document["found"]]
    assert len(set(archs)) == 5 == len(archs)
    safe = Objective(phone, statistic=0.9, limit=limit, space=SPACE)
    assert (safe.violation(archs) <= 0).all()
    worth = [each["live_flops"] for each in document["found"]]
    assert worth == sorted(worth, reverse=True)
    rows = FORM.sample(300, np.random.default_rng(1))
    live = 2 * FORM.analytic(rows)[:, FORM.analytic_names.index("live_arithmetic")]
    # Nothing of 300 random ones is better.
    assert worth[0] >= live[safe.violation(rows) <= 0].max()
    (one,) = document["found"][0]["predicted"]
    assert (one["predictor"], one["device"], one["metric"]) == ("phone", "my phone", "latency")
    assert one["mean"] == pytest.approx(float(Objective(phone, space=SPACE)(archs[0])[0]))
    assert one["interval90"][0] <= one["mean"] <= one["interval90"][1]
    again = hwprof(*ASK, "--max", f"{limit}s", "--top", "5", "--json").json
    assert again == document
    other = hwprof(*ASK, "--max", f"{limit}s", "--top", "5", "--seed", "1", "--json").json
    assert other["evaluated"] != document["evaluated"] or other["found"] != document["found"]


@pytest.mark.usefixtures("files")
def test_lines_for_people(hwprof: Cli, phone: AdaptedFewShot) -> None:
    limit = f"{1e3 * middle(phone):.4g}ms"
    done = hwprof(*ASK, "--max-latency", limit, "--top", "2", "--maximise", "parameters")
    assert done.code == 0
    first, second = done.err.splitlines()
    assert f"keep phone latency at most {limit}, each with probability 0.9 as predicted" in first
    assert second == "parameters stand in for accuracy, which only training tells"
    lines = done.out.splitlines()
    assert len(lines) == 2
    assert all("parameters" in line and line.startswith("latency ") for line in lines)
    archs = hwprof(*ASK, "--max-latency", limit, "--top", "2", "--maximise", "parameters", "-q")
    assert archs.out.splitlines() == [line.split("  ")[-1] for line in lines]
    assert archs.err == ""


@pytest.mark.usefixtures("files")
def test_two_devices_two_metrics_and_a_limit_from_below(
    hwprof: Cli, phone: AdaptedFewShot, board: AdaptedFewShot
) -> None:
    limits = {"phone": middle(phone, 0.7), "board": middle(board, 0.7)}
    asked = ("--max", f"phone={limits['phone']}s", "--max", f"energy={limits['board']}J")
    document = hwprof(*BOTH, *asked, "--min", "compute_intensity=4", "--json").json
    assert len(document["limits"]) == 3
    assert document["limits"][2] == "compute_intensity at least 4FLOPs/B"
    archs = [each["arch"] for each in document["found"]]
    for predictor, limit in ((phone, limits["phone"]), (board, limits["board"])):
        assert (Objective(predictor, statistic=0.9, space=SPACE)(archs) <= limit).all()
    assert (FORM.compute_intensity(archs) >= 4).all()
    metrics = [(one["metric"], one["unit"]) for one in document["found"][0]["predicted"]]
    assert metrics == [("latency", "s"), ("energy", "J")]
    text = hwprof(*BOTH, *asked, "--top", "1")
    assert text.out.startswith("phone latency ")
    assert "  board energy " in text.out


@pytest.mark.usefixtures("files")
def test_accuracies_of_ones_own(hwprof: Cli, phone: AdaptedFewShot) -> None:
    rows = FORM.sample(60, np.random.default_rng(2))
    texts = list(dict.fromkeys(FORM.texts(rows)))
    accuracy = {text: 50 + i * 0.5 for i, text in enumerate(texts)}
    Path("mine.csv").write_text(
        "\n".join(["arch,note,accuracy", *(f"{a},x,{v}" for a, v in accuracy.items())])
    )
    limit = middle(phone)
    done = hwprof(*ASK, "--max", f"{limit}s", "--accuracies", "mine.csv", "--json").json
    safe = Objective(phone, statistic=0.9, limit=limit, space=SPACE)
    kept = [text for text in texts if safe.violation(text)[0] <= 0]
    expected = sorted(kept, key=lambda text: -accuracy[text])[:10]
    assert [each["arch"] for each in done["found"]] == expected
    assert [each["accuracy"] for each in done["found"]] == [accuracy[a] for a in expected]
    assert (done["evaluated"], done["feasible"], done["is_proxy"]) == (len(texts), len(kept), False)
    lines = hwprof(*ASK, "--max", f"{limit}s", "--accuracies", "mine.csv")
    assert "accuracy" in lines.out
    assert "stand in" not in lines.err


@pytest.mark.usefixtures("files")
@pytest.mark.parametrize(
    ("words", "says"),
    [
        (ASK, "phone has no limit; give one, such as --max phone=15ms"),
        ((*ASK, "--max", "1ns"), "no candidate meets the latency limit of 1ns: the best is"),
        ((*ASK, "--max", "5"), "must look like 15ms"),
        ((*ASK, "--max", "tpu=5ms"), "NAME=LIMIT with one of phone, flops, parameters"),
        ((*BOTH, "--max", "5ms"), "NAME=LIMIT with one of phone, board, flops"),
        ((*BOTH, "--max-latency", "5ms"), "board has no limit; give one, such as --max board=2mJ"),
        ((*ASK, "--max", "phone=5ms", "--max-latency", "5ms"), "two such limits of phone"),
        ((*ASK, "--max", "5s", "--maximise", "acc"), "choose among flops, parameters, live_flops"),
        ((*ASK, "--max", "5s", "--space", "fbnet"), "are of nasbench201, and not of fbnet"),
        ((*ASK, "--max", "5s", "--quantile", "1"), "quantile"),
        ((*ASK, "--max", "5s", "--generations", "0"), "20 and 40 are usual"),
        ((*ASK, "--max", "5s", "--accuracies", "none.csv"), "'none.csv' is not a file"),
        (
            (*ASK, "--max", "5s", "--accuracies", "x.csv", "--maximise", "flops"),
            "both say what is best",
        ),
        ((*ASK, *ASK[1:], "--max", "5s"), "two predictors are called 'phone'"),
        (("search", "--predictor", "none.device", "--max", "5s"), "none.device"),
    ],
)
def test_what_cannot_be(hwprof: Cli, words: tuple[str, ...], says: str) -> None:
    assert says in hwprof(*words).error


@pytest.mark.usefixtures("files")
def test_limits_that_cannot_be_kept_together(hwprof: Cli, phone: AdaptedFewShot) -> None:
    done = hwprof(*ASK, "--max", f"{middle(phone, 0.05)}s", "--min", "flops=200M")
    assert "each limit can be kept, but no candidate keeps all of them: the nearest is" in (
        done.error
    )
