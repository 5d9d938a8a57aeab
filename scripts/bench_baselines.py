"""Every registered predictor side by side: a table in docs/prediction.md between its marks.

HELP's protocol as in bench_fewshot.py (nine train devices, HELP's test devices), random samples,
another draw per seed. HELP itself trains for minutes: only with --help-too is it fitted, once per
space. Raw figures go to docs/benchmarks/baselines.json.

    python scripts/bench_baselines.py --seeds 3
"""

from __future__ import annotations

import argparse
import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import bench_fewshot
from bench_fewshot import run
from fewshot_data import load

from hwprof.predictors import registry

DOCS = Path(__file__).parent.parent / "docs"
BEGIN, END = "<!-- baselines: scripts/bench_baselines.py -->", "<!-- end of baselines -->"
COUNTS = (10, 20, 50)
SPACES = ("nasbench201", "fbnet")
NEEDS = {
    "lightgbm": "lightgbm",
    **dict.fromkeys(("gp", "forest", "gbm", "mlp"), "sklearn"),
    **dict.fromkeys(("help", "gcn"), "torch"),
}
HEAD = """## Every predictor, side by side

Written by `scripts/bench_baselines.py`; raw figures in
[benchmarks/baselines.json](benchmarks/baselines.json). HELP's protocol, k random samples, means
over {seeds} seeds: STRICT Spearman correlation and median error, mean coverage of nominal 90 %
intervals (each model tells them in its own way), and what adapting takes on one core of whatever
machine it was run on, other work beside it. HELP stands above, with its own protocol.
"""
COLUMNS = (
    "| predictor | "
    + " | ".join(f"Spearman, {k} | error, {k} | coverage, {k}" for k in COUNTS)
    + " | fit s | adapt ms |\n|---|"
    + "---|" * (3 * len(COUNTS) + 2)
)


def cells(by_count: dict[int, dict[str, Any]]) -> str:
    parts: list[str] = []
    for found in by_count.values():
        mean = found["strict"]["mean"]
        parts += [
            f"{mean['spearman']:.3f}",
            f"{mean['median_ape']:.1%}",
            f"{found['coverage']['mean']:.2f}",
        ]
    seconds = by_count[COUNTS[0]]["seconds"]
    return " | ".join([*parts, f"{seconds['fit']:.1f}", f"{seconds['adapt'] * 1e3:.0f}"])


def with_section(text: str, section: str) -> str:
    """The page with the section between its marks, at its end where there are none yet."""
    before, begin, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    head = before if begin else text.rstrip("\n") + "\n\n"
    return f"{head}{BEGIN}\n\n{section.strip()}\n\n{END}{after if begin else chr(10)}"


def section_of(text: str) -> str | None:
    """What stands between the marks of a page; None without them."""
    _, begin, rest = text.partition(BEGIN)
    section, end, _ = rest.partition(END)
    return section if begin and end else None


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the Parquet tables")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--help-too", action="store_true", help="fit HELP as well: minutes each")
    parser.add_argument("--predictors", nargs="*", help="only these, the others as they stand")
    parser.add_argument("--docs", type=Path, default=DOCS, help="where prediction.md is")
    options = parser.parse_args()
    path = options.docs / "benchmarks" / "baselines.json"
    kept: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    if options.predictors and kept.get("seeds", options.seeds) != options.seeds:
        parser.error(
            f"the others were made with {kept['seeds']} seeds; give --seeds {kept['seeds']}"
        )
    wanted = options.predictors or registry.names(plugins=())
    for space in SPACES:
        data = load(options.data, space)
        for name in wanted:
            if find_spec(NEEDS.get(name, "numpy")) is None:
                print(f"{space} {name}: {NEEDS[name]} is not installed", flush=True)
                continue
            if name == "help" and not options.help_too:
                continue
            for count in COUNTS:
                asked = argparse.Namespace(
                    samples=count,
                    sampler="random",
                    predictor=name,
                    splits="test",
                    seeds=options.seeds,
                    with_validation=False,
                )
                found = run(data, asked)["splits"]["test"]
                kept.setdefault(space, {}).setdefault(name, {})[str(count)] = found
                strict = found["strict"]["mean"]
                print(
                    f"{space} {name} k={count}: strict {strict['spearman']:.3f}, error "
                    f"{strict['median_ape']:.1%}, coverage {found['coverage']['mean']:.2f}, "
                    f"fit {found['seconds']['fit']:.1f} s, adapt "
                    f"{found['seconds']['adapt'] * 1e3:.0f} ms",
                    flush=True,
                )
            bench_fewshot.FITTED.clear()
    kept["seeds"] = options.seeds
    from bench_prediction import rounded

    path.write_text(json.dumps(rounded(kept)) + "\n")
    lines = [HEAD.format(seeds=options.seeds)]
    for space in SPACES:
        lines += [f"### {space}, every predictor", "", COLUMNS]
        rated = kept.get(space, {})
        by_rank = sorted(
            rated, key=lambda name: -rated[name][str(COUNTS[0])]["strict"]["mean"]["spearman"]
        )
        for name in by_rank:
            found = {count: rated[name][str(count)] for count in COUNTS}
            lines.append(f"| {name} | {cells(found)} |")
        lines.append("")
    page = options.docs / "prediction.md"
    page.write_text(with_section(page.read_text(), "\n".join(lines)))


if __name__ == "__main__":
    main()
