"""The tables of docs/adversarial.md, from the figures that bench_adversarial.py keeps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from hwprof.testing.adversarial import Case, cases

BEGIN, END = "<!-- tables: scripts/bench_adversarial.py -->", "<!-- end of tables -->"
DETAILED = "fewshot"
FIRST = ("fewshot", "help")
KS = (3, 5, 10, 20, 50)

Row = dict[str, Any]
Kept = dict[str, list[Row]]


def write_page(page: Path, kept: Kept) -> None:
    """Write the tables between their marks. Raises ValueError for a page without the marks."""
    page.write_text(updated(page, kept))


def updated(page: Path, kept: Kept) -> str:
    """The page with its tables as they should be. Raises ValueError for one without the marks."""
    text = page.read_text()
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} lacks '{BEGIN}' or '{END}'; put them where the tables stand")
    return f"{before}{BEGIN}\n\n{tables(kept)}\n\n{END}{after}"


def tables(kept: Kept) -> str:
    """All tables. Figures of rows that the suite does not have any more are left out."""
    suite = {case.name: case for case in cases()}
    found = {
        name: {row["case"]: row for row in rows if row["case"] in suite}
        for name, rows in kept.items()
    }
    names = [*(n for n in FIRST if n in found), *sorted(set(found) - set(FIRST))]
    lines = [*summary(found, names), "", *matrix(suite, found, names)]
    if DETAILED in found:
        lines += ["", *details(suite, found[DETAILED])]
    return "\n".join(lines)


def summary(found: dict[str, dict[str, Row]], names: list[str]) -> list[str]:
    """A line per predictor: how many rows are kept, and what the others lack."""
    lines = [
        "| predictor | rows kept | coverage too low | rank too low | error too high | refused |"
        " invariant broken | coverage | error |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name in names:
        rows = list(found[name].values())
        lines.append(
            f"| {name} | {sum(row['kept'] for row in rows)} of {len(rows)} | "
            + " | ".join(str(sum(mark in marks(row) for row in rows)) for mark in "crexi")
            + f" | {_middle(rows, 'coverage'):.2f} | {_middle(rows, 'median_ape'):.0%} |"
        )
    return lines


def _middle(rows: list[Row], figure: str) -> float:
    return median(row[figure] for row in rows if row[figure] is not None)


def matrix(suite: dict[str, Case], found: dict[str, dict[str, Row]], names: list[str]) -> list[str]:
    """Rows kept of each pool and target, by predictor."""
    lines = [
        f"| pool, target | rows | {' | '.join(names)} |",
        "|---|---|" + "---|" * len(names),
    ]
    groups = _grouped(suite, lambda case: f"{case.world.name}, {case.target}")
    for group, members in groups.items():
        cells = [str(sum(found[name][m]["kept"] for m in members if m in found[name]))
                 for name in names]  # fmt: skip
        lines.append(f"| {group} | {len(members)} | {' | '.join(cells)} |")
    return lines


def details(suite: dict[str, Case], rows: dict[str, Row]) -> list[str]:
    """Coverage, rank and error of one predictor in every row."""
    lines = [
        f"`{DETAILED}`, row by row: coverage / rank / median error; bold where the row is not",
        "kept, c: coverage, r: rank, e: error, x: refused, i: an invariant; w: some runs warned.",
        "",
        f"| pool, target, measured | rank required | {' | '.join(f'k={k}' for k in KS)} |",
        "|---|---|" + "---|" * len(KS),
    ]
    groups = _grouped(suite, lambda case: f"{case.world.name}, {case.target}, {case.measuring}")
    for group, members in groups.items():
        needed = [rows[member]["required_rank"] for member in members if member in rows]
        if not needed:
            continue
        low, high = f"{min(needed):.2f}", f"{max(needed):.2f}"
        by_k = {suite[member].k: rows.get(member) for member in members}
        cells = [cell(by_k.get(k)) for k in KS]
        span = low if low == high else f"{low} to {high}"
        lines.append(f"| {group} | {span} | {' | '.join(cells)} |".replace("|  |", "| |"))
    return [line.replace("|  |", "| |") for line in lines]


def cell(row: Row | None) -> str:
    """One row's figures; empty where the suite has none."""
    if row is None:
        return ""
    letters = marks(row) + ("w" if row["warned"] else "")
    note = f" {letters}" if letters else ""
    if row["coverage"] is None:
        return f"**-**{note}"
    text = f"{row['coverage']:.2f} / {row['spearman']:.2f} / {row['median_ape']:.0%}"
    return (text if row["kept"] else f"**{text}**") + note


def marks(row: Row) -> str:
    """Which requirements a row does not keep, a letter each."""
    found = ""
    if row["honest"] is not None and row["honest"] < row["required_coverage"]:
        found += "c"
    if row["spearman"] is not None and row["spearman"] < row["required_rank"]:
        found += "r"
    allowed = row["required_error"]
    if allowed is not None and row["median_ape"] is not None and row["median_ape"] > allowed:
        found += "e"
    return found + ("x" if row["refused"] else "") + ("i" if row["breaches"] else "")


def _grouped(suite: dict[str, Case], key: Callable[[Case], str]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for name, case in suite.items():
        groups.setdefault(key(case), []).append(name)
    return groups
