"""Predictors on hard cases: coverage of 90 % intervals and rank, and which rows are not kept.

    python scripts/bench_adversarial.py                        # every predictor, then the docs
    python scripts/bench_adversarial.py --predictor fewshot    # one anew, the others as they were
    python scripts/bench_adversarial.py --predictor fewshot --only cube    # some rows, printed only

The figures are kept in docs/benchmarks/adversarial.json, from which the tables of
docs/adversarial.md are written; --docs-only writes them without running anything. What a row is and
what it requires: hwprof.testing.adversarial.
"""

from __future__ import annotations

import argparse
import json
import time
from functools import partial
from pathlib import Path
from typing import Any

from adversarial_tables import write_page

from hwprof.predictors import registry
from hwprof.predictors.help import HelpOptions, HelpPredictor
from hwprof.testing.adversarial import SEEDS, Fit, Outcome, cases, run_cases

DOCS = Path(__file__).parents[1] / "docs"
# HELP as published trains for minutes on each of the pools; so few episodes take seconds. Boosted
# trees take long to leave one measurement out at a time: one seed must do.
SMALL_HELP = HelpOptions(
    episodes=400, check_every=50, tasks=4, samples=5, queries=100, width=64, draws=5
)
ONE_SEED = ("lightgbm",)


def fitter(name: str) -> Fit:
    """How a registered predictor is fitted here."""
    return (
        partial(HelpPredictor.fit, options=SMALL_HELP)
        if name == "help"
        else (registry.get(name).fit)
    )


def figure(value: float | None) -> str:
    return "   -" if value is None else f"{value:4.2f}"


def show(outcome: Outcome) -> None:
    case = outcome.case
    print(
        f"{'kept' if outcome.kept else 'NOT '} {case.name:50s} coverage {figure(outcome.coverage)} "
        f"worst {figure(outcome.worst_coverage)} rank {figure(outcome.spearman)} "
        f"({case.required_rank:4.2f}) error {figure(outcome.median_ape)} width "
        f"{figure(outcome.width)} warned {outcome.warned:.2f}",
        flush=True,
    )
    for fault in outcome.faults:
        print(f"       {fault}")


def run(name: str, only: str, seeds: tuple[int, ...]) -> list[Outcome]:
    """Every row of one predictor, printed as they come."""
    started = time.perf_counter()
    outcomes = []
    for outcome in run_cases(fitter(name), cases(only), seeds[:1] if name in ONE_SEED else seeds):
        show(outcome)
        outcomes.append(outcome)
    kept = sum(outcome.kept for outcome in outcomes)
    took = time.perf_counter() - started
    print(f"{name}: {kept} of {len(outcomes)} rows kept, {took:.0f} s\n", flush=True)
    return outcomes


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--predictor", action="append", help="registered name; all by default")
    parser.add_argument("--only", default="", help="rows whose name holds this; printed only, or "
                        "put in the place of the same rows of --json")  # fmt: skip
    parser.add_argument("--seeds", type=int, default=len(SEEDS), help="draws of measured rows")
    parser.add_argument("--json", type=Path, help="default: docs/benchmarks/adversarial.json, "
                        "which keeps what other predictors did")  # fmt: skip
    parser.add_argument("--docs", type=Path, default=DOCS / "adversarial.md", help="the page")
    parser.add_argument("--docs-only", action="store_true", help="write the page, run nothing")
    options = parser.parse_args()
    partial_run = bool(options.only) or options.seeds != len(SEEDS)
    path = options.json or DOCS / "benchmarks" / "adversarial.json"
    kept: dict[str, Any] = {}
    if path.exists() and (options.json or not partial_run):
        kept = json.loads(path.read_text())
    if not options.docs_only:
        for name in options.predictor or registry.names(plugins=()):
            outcomes = run(name, options.only, tuple(range(options.seeds)))
            fresh = {outcome.case.name: outcome.to_dict() for outcome in outcomes}
            older = {row["case"]: row for row in kept.get(name, [])} if options.only else {}
            kept[name] = list((older | fresh).values())
            if options.json or not partial_run:
                # Saved after each predictor: the next one may be stopped.
                lines = [f"{json.dumps(each)}: {_lines(kept[each])}" for each in sorted(kept)]
                path.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    if not partial_run:
        write_page(options.docs, kept)


def _lines(rows: list[dict[str, Any]]) -> str:
    """A row per line, so that a change of the model shows as changed rows."""
    return "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]"


if __name__ == "__main__":
    main()
