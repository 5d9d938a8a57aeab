"""Every figure of few-shot prediction that the README and docs quote: writes docs/prediction.md.

Runs bench_fewshot.py's protocols over spaces, sample counts, samplers and predictors. HELP takes
half an hour: bench_help.py measures it and leaves its figures in docs/benchmarks/, from where they
are read. With --json every figure is written down as well, device by device.

    python scripts/bench_prediction.py --seeds 20
"""

from __future__ import annotations

import argparse
import json
import platform
from pathlib import Path
from statistics import fmean
from typing import Any

from bench_baselines import section_of, with_section
from bench_fewshot import run
from fewshot_data import load

from hwprof.predictors.shipped import FITTED_ROWS

DOCS = Path(__file__).parent.parent / "docs"
BASELINES = ("flops", "nearest", "nnls", "ridge", "lightgbm", "lut_sum")
COUNTS = (3, 5, 10, 20)
SPACES = ("nasbench201", "fbnet")

HEAD = """# Few-shot prediction: figures

Written by `make bench` (`scripts/bench_prediction.py`); raw figures, device by device, in
[benchmarks/prediction.json](benchmarks/prediction.json). Measurements: HELP (Lee et al., NeurIPS
2021), shipped with hwprof. Figures are means over {seeds} seeds. Coverage is of nominal 90 %
intervals. One core of {machine}, python {python}.

## The pool that ships

What `hwprof select`, `adapt` and `predict` use: 27 devices, {pooled:,} architectures. Each family
of makers in turn is left out of it, and its devices are the new ones: they give k measurements each
and nothing else, and are judged on all other architectures. Mean over the families, and the worst
one. A design measures what `select` proposes among a random half of the pool.
"""
NINE = """## HELP's protocol

For comparison with published figures: the pool holds HELP's nine train devices, the test devices
are HELP's. OFFICIAL is HELP's protocol, STRICT takes every architecture outside the pool and
removes none; both are the Spearman correlation per device, averaged, +- the deviation over the
seeds. Coverage is STRICT: mean over devices and worst device. Errors are STRICT.
"""
FAMILIES = (
    "| k, samples | Spearman | worst family | median APE | worst family | coverage | worst family "
    "| worst device |\n|---|---|---|---|---|---|---|---|"
)
COLUMNS = (
    "| k, samples | OFFICIAL | STRICT | Kendall | median APE | within 10 % | coverage, worst "
    "| fit s | adapt ms | M archs/s |\n|---|---|---|---|---|---|---|---|---|---|"
)


def row(title: str, found: dict[str, Any]) -> str:
    official, strict = found["official"], found["strict"]
    mean = strict["mean"]
    return (
        f"| {title} | {official['mean']['spearman']:.4f} ± {official['std']['spearman']:.4f} "
        f"| {mean['spearman']:.4f} ± {strict['std']['spearman']:.4f} | {mean['kendall']:.3f} "
        f"| {mean['median_ape']:.1%} | {mean['within_10']:.1%} "
        f"| {found['coverage']['mean']:.3f}, {found['coverage']['worst']:.3f} "
        f"| {found['seconds']['fit']:.1f} | {found['seconds']['adapt'] * 1e3:.1f} "
        f"| {found['archs_per_s'] / 1e6:.0f} |"
    )


def family_row(title: str, found: dict[str, Any]) -> str:
    """Means over the families, each with the family that is worst in it."""

    def worst(values: dict[str, float], low: bool, form: str) -> str:
        name = (min if low else max)(values, key=values.__getitem__)
        return f"{values[name]:{form}} ({name.removeprefix('no ')})"

    def each(key: str) -> dict[str, float]:
        return {name: figures["strict"]["mean"][key] for name, figures in found.items()}

    ranks, errors, covered = each("spearman"), each("median_ape"), each("coverage")
    devices = {
        device: figures["coverage"]["mean"]
        for family in found.values()
        for device, figures in family["strict"]["per_device"].items()
    }
    return (
        f"| {title} | {fmean(ranks.values()):.3f} | {worst(ranks, True, '.3f')} "
        f"| {fmean(errors.values()):.1%} | {worst(errors, False, '.1%')} "
        f"| {fmean(covered.values()):.3f} | {worst(covered, True, '.2f')} "
        f"| {worst(devices, True, '.2f')} |"
    )


def by_device(found: dict[str, Any]) -> list[str]:
    lines = ["| device | OFFICIAL | STRICT | median APE | coverage |", "|---|---|---|---|---|"]
    for device, figures in found["official"]["per_device"].items():
        strict = found["strict"]["per_device"][device]
        lines.append(
            f"| {device} | {figures['spearman']['mean']:.3f} ± {figures['spearman']['std']:.3f} "
            f"| {strict['spearman']['mean']:.3f} | {strict['median_ape']['mean']:.1%} "
            f"| {strict['coverage']['mean']:.2f} |"
        )
    return lines


def help_rows(space: str) -> list[str]:
    path = DOCS / "benchmarks" / f"help-{space}.json"
    if not path.exists():
        return ["", f"HELP was not measured here: scripts/bench_help.py --space {space}."]
    found = json.loads(path.read_text())
    lines = [
        "",
        f"HELP as in `hwprof.predictors.help`, {len(found['reports'])} meta-trainings of "
        f"{max(report['seconds'] for report in found['reports']):.0f} s at most:",
        "",
        "| accounting | OFFICIAL | STRICT | coverage |",
        "|---|---|---|---|",
    ]
    names = {
        "published": "HELP's own: 10 references, 10 samples and the target's range",
        "counted": "10 random measurements, nothing else",
    }
    for key, name in names.items():
        mean, std = found[key]["mean"], found[key]["std"]
        lines.append(
            f"| {name} | {mean['official_spearman']:.4f} ± {std['official_spearman']:.4f} "
            f"| {mean['strict_spearman']:.4f} | {mean['coverage']:.3f} |"
        )
    return lines


def rounded(value: Any) -> Any:
    """The same document with six significant digits: more are noise."""
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    return float(f"{value:.6g}") if isinstance(value, float) else value


class Runner:
    """Runs bench_fewshot with options by name, and keeps what came out."""

    def __init__(self, data: Path | None, seeds: int) -> None:
        self.seeds = seeds
        self.folder = data
        self.loaded: dict[str, Any] = {}
        self.kept: dict[str, Any] = {}

    def __call__(
        self, space: str, count: int, sampler: str, predictor: str = "fewshot", splits: str = "test"
    ) -> dict[str, Any]:
        data = self.loaded.setdefault(space, load(self.folder, space))
        options = argparse.Namespace(
            samples=count,
            sampler=sampler,
            predictor=predictor,
            splits=splits,
            seeds=self.seeds,
            with_validation=False,
        )
        title = f"{space} {splits} k={count} {sampler} {predictor}"
        found: dict[str, Any] = run(data, options)["splits"]
        self.kept[title] = found
        print(f"{title}: done", flush=True)
        return found["test"] if splits == "test" else found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the Parquet tables")
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--docs", type=Path, default=DOCS, help="where prediction.md goes")
    options = parser.parse_args()
    go = Runner(options.data, options.seeds)
    lines = [
        HEAD.format(
            seeds=options.seeds,
            pooled=FITTED_ROWS,
            machine=platform.machine(),
            python=platform.python_version(),
        )
    ]
    for space in SPACES:
        lines += [f"### {space}", "", FAMILIES]
        for count in COUNTS:
            for sampler in ("random", "designed"):
                found = go(space, count, sampler, splits="families")
                lines.append(family_row(f"{count}, {sampler}", found))
        lines.append("")
    lines.append(NINE)
    for space in SPACES:
        lines += [f"### {space}", "", COLUMNS]
        ten: dict[str, Any] = {}
        for count in COUNTS:
            for sampler in ("random", "designed"):
                found = go(space, count, sampler)
                lines.append(row(f"{count}, {sampler}", found))
                if count == 10:
                    ten[sampler] = found
        for sampler, found in ten.items():
            lines += ["", f"Ten {sampler} samples, by device:", "", *by_device(found)]
        lines += ["", "Baselines, ten samples:", "", COLUMNS.replace("k, ", "predictor, ")]
        for name in BASELINES:
            lines += [
                row(f"{name}, {sampler}", go(space, 10, sampler, name))
                for sampler in ("random", "designed")
            ]
        lines += [*help_rows(space), ""]
    lines += ["## Unlike devices", "", "nasbench201, ten samples:", "", COLUMNS]
    for sampler in ("random", "designed"):
        for name, found in go("nasbench201", 10, sampler, splits="hard").items():
            lines.append(row(f"{name}, {sampler}", found))
    lines += ["", "NASFLAT's tasks on fbnet, 20 samples, 800 architectures in the pool:", ""]
    lines.append(COLUMNS)
    for sampler in ("random", "designed"):
        for name, found in go("fbnet", 20, sampler, splits="tasks").items():
            lines.append(row(f"{name}, {sampler}", found))
    (options.docs / "benchmarks").mkdir(parents=True, exist_ok=True)
    page = options.docs / "prediction.md"
    # bench_baselines.py writes a section of its own: it stays as it was.
    section = section_of(page.read_text()) if page.exists() else None
    text = "\n".join(lines) + "\n"
    page.write_text(text if section is None else with_section(text, section))
    raw = json.dumps(rounded(go.kept))
    (options.docs / "benchmarks" / "prediction.json").write_text(raw + "\n")


if __name__ == "__main__":
    main()
