"""What a pool of one's own is worth: each device left out and predicted from a few measurements.

Makes pools of latency and of peak memory of a table, and takes 20 architectures of the shipped pool
of fbnet for a small one. Writes a table of figures into docs/pools.md, between its marks. --again
names a table of the same architectures measured once more: how far measurements differ from
themselves, which no prediction can be better than.

    OMP_NUM_THREADS=1 python scripts/bench_pool.py own.db --space mobilenetv3 --again again.db
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

import numpy as np

from hwprof import spaces
from hwprof.errors import OptionError
from hwprof.predictors import pools
from hwprof.predictors.pool import DevicePool
from hwprof.predictors.pools.playing import Score, known_flops, play

DOCS = Path(__file__).parents[1] / "docs/pools.md"
BEGIN, END = "<!-- figures: scripts/bench_pool.py -->", "<!-- end of figures -->"
METRICS = ("latency", "peak_memory")
HEAD = (
    "| pool, device left out | rank | FLOPs' rank | mean error | median error | in 90 % "
    "| measured again |\n|---|---|---|---|---|---|---|"
)
# HELP's training devices: its test devices choose nothing here.
FBNET = (
    *("1080ti_1", "1080ti_32", "1080ti_64", "silver_4114", "silver_4210r"),
    *("samsung_a50", "pixel3", "essential_ph_1", "samsung_s7"),
)
SMALL, ASKED = 20, 500
# Of the measured architectures, what may be selected from in one seed.
OFFERED = 2 / 3


def own(made: pools.StoredPool, k: int, seeds: int) -> Iterator[tuple[str, list[Score]]]:
    """Each device of a pool, left out, with a score for each seed."""
    flops, _ = known_flops(made)
    for column, device in enumerate(made.pool.devices):
        rows = np.flatnonzero(made.pool.measured[:, column])
        scores = []
        for seed in range(seeds):
            drawn = np.random.default_rng(seed).permutation(rows)[: round(OFFERED * len(rows))]
            found = play(
                made, device, k, flops=flops, seed=seed, candidates=drawn.tolist(), new=False
            )
            scores.append(found.known)
        yield device, scores


def small_fbnet(k: int, seeds: int) -> Iterator[tuple[str, list[Score]]]:
    """Devices of fbnet's pool, 20 architectures of each known, asked about 500 others."""
    whole = pools.load("fbnet").subset(FBNET)
    names = whole.names or ()
    scores: dict[str, list[Score]] = {device: [] for device in FBNET}
    for seed in range(seeds):
        drawn = np.random.default_rng(seed).permutation(whole.rows)[: SMALL + ASKED]
        for column, device in enumerate(FBNET):
            values = whole.values[drawn].copy()
            others = [other for other in range(len(FBNET)) if other != column]
            values[np.ix_(range(SMALL, len(drawn)), others)] = np.nan
            texts = [names[row] for row in drawn]
            part = DevicePool(whole.features[drawn], values, FBNET, texts)
            stored = pools.StoredPool("fbnet", part)
            flops = spaces.get("fbnet").flops(texts).astype(np.float64)
            found = play(
                stored, device, k, flops=flops, seed=seed, candidates=range(SMALL), new=False
            )
            scores[device].append(found.known)
    yield from scores.items()


def repeated(made: DevicePool, again: DevicePool | None, device: str) -> float | None:
    """Mean relative difference of what was measured twice on a device; None where nothing was."""
    if again is None or device not in again.devices:
        return None
    first = dict(zip(made.names or (), made.values[:, made.devices.index(device)], strict=True))
    values = again.values[:, again.devices.index(device)]
    second = dict(zip(again.names or (), values, strict=True))
    ratios = np.array([second[name] / first[name] for name in first.keys() & second.keys()])
    ratios = ratios[~np.isnan(ratios)]
    return float(np.mean(np.abs(ratios - 1))) if ratios.size else None


def line(title: str, scores: list[Score], noise: float | None) -> str:
    """A row of the table: means over seeds."""
    ranks = [score.flops_rank for score in scores if score.flops_rank is not None]
    cells = [
        f"{fmean(score.rank for score in scores):.3f}",
        f"{fmean(ranks):.3f}" if ranks else "",
        *(
            f"{fmean(getattr(score, name) for score in scores):.1%}"
            for name in ("error", "median_error", "coverage")
        ),
        "" if noise is None else f"{noise:.1%}",
    ]
    return f"| {title} | {' | '.join(cells)} |".replace("|  |", "| |")


def section(
    title: str, found: Iterator[tuple[str, list[Score]]], noises: dict[str, float | None]
) -> Iterator[str]:
    """The rows of one pool, and their mean."""
    everything: list[Score] = []
    for device, scores in found:
        everything += scores
        print(told := line(f"{title}, {device}", scores, noises.get(device)), flush=True)
        yield told
    known = [noise for noise in noises.values() if noise is not None]
    print(told := line(f"**{title}, mean**", everything, fmean(known) if known else None))
    yield told


def updated(text: str, table: str) -> str:
    """The page with its table. Raises ValueError without the marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{DOCS} lacks '{BEGIN}' or '{END}'; put them back where the table stands")
    return f"{before}{BEGIN}\n\n{table}\n\n{END}{after}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("table", type=Path)
    parser.add_argument("--space", default="mobilenetv3")
    parser.add_argument("--again", type=Path, help="the same, measured once more")
    parser.add_argument("-k", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--docs", type=Path, default=DOCS)
    arguments = parser.parse_args()
    lines = [HEAD]
    for metric in METRICS:
        made = pools.from_tables([arguments.table], arguments.space, metric=metric).stored
        again = None
        if arguments.again is not None:
            try:
                again = pools.from_tables([arguments.again], arguments.space, metric=metric).pool
            except OptionError as error:
                print(error)
        noises = {name: repeated(made.pool, again, name) for name in made.pool.devices}
        title = f"{arguments.space}, {metric}, {made.pool.rows} architectures"
        lines += section(title, own(made, arguments.k, arguments.seeds), noises)
    title = f"fbnet, latency, {SMALL} architectures, {ASKED} others asked"
    lines += section(title, small_fbnet(arguments.k, arguments.seeds), {})
    arguments.docs.write_text(updated(arguments.docs.read_text(), "\n".join(lines)))


if __name__ == "__main__":
    main()
