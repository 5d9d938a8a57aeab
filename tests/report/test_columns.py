"""Columns fit whatever width there is: one line a row, nothing wrapped."""

from __future__ import annotations

import io

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from hwprof.report.columns import Column, Fitted, fit, printable, shorten

LONG = ["", "密度网络_v2", "vit_small_patch16_224.augreg_in1k"]
texts = st.text("ab_ 密é\t\n\x1b\u0301\u202e🚀", max_size=40) | st.sampled_from(LONG)


@st.composite
def tables(draw: st.DrawFn) -> Fitted:
    rows = draw(st.integers(0, 4))
    columns = st.builds(
        Column,
        head=st.text("abc ±", min_size=1, max_size=8),
        cells=st.lists(texts, min_size=rows, max_size=rows),
        right=st.booleans(),
        cut=st.sampled_from(["", "middle", "end"]),
        least=st.integers(0, 12),
        rank=st.integers(0, 3),
    )
    return Fitted(draw(st.lists(columns, min_size=1, max_size=6)))


def printed(table: Fitted, width: int, encoding: str = "utf-8") -> list[str]:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    console = Console(file=stream, width=width, highlight=False, color_system=None)
    console.print(table)
    stream.flush()
    return stream.buffer.getvalue().decode(encoding).split("\n")[:-1]  # type: ignore[attr-defined]


@given(tables(), st.integers(1, 120))
def test_any_table_is_one_line_a_row_in_any_width(table: Fitted, width: int) -> None:
    lines = printed(table, width)
    shown = fit([printable(c, ascii_only=False) for c in table.columns], width)
    assert len(lines) == (1 + len(table.columns[0].cells) if shown else 0)
    assert all(cell_len(line) <= width for line in lines)


@given(tables(), st.integers(1, 120))
def test_ascii_alone_will_do(table: Fitted, width: int) -> None:
    for line in printed(table, width, "ascii"):
        assert line.isascii()
        assert len(line) <= width


@given(texts, st.integers(1, 60), st.sampled_from(["middle", "end"]))
def test_what_is_cut_keeps_its_ends_and_says_so(text: str, width: int, cut: str) -> None:
    assume("…" not in text)
    short = shorten(text, width, cut)  # type: ignore[arg-type]
    assert cell_len(short) <= width
    if short == text:
        return
    before, ellipsis, after = short.partition("…")
    assert ellipsis
    assert text.startswith(before)
    assert text.endswith(after)
    assert cut == "middle" or not after


@pytest.mark.parametrize(
    ("width", "short"),
    [
        (40, "vit_small_patch16_224.augreg_in1k"),
        (16, "vit_smal…eg_in1k"),
        (15, "vit_sma…eg_in1k"),
        (2, "v…"),
        (1, "…"),
    ],
)
def test_long_names_are_cut_in_the_middle(width: int, short: str) -> None:
    assert shorten("vit_small_patch16_224.augreg_in1k", width, "middle") == short


def test_less_important_columns_go_first_and_room_goes_to_the_first() -> None:
    columns = [
        Column("id", ["12345678"]),
        Column("name", ["a" * 30], cut="middle", least=10),
        Column("notes", ["b" * 30], cut="end", least=8, rank=1),
        Column("more", ["c" * 10], rank=2),
    ]
    assert [(c.head, width) for c, width in fit(columns, 20)] == [("id", 8), ("name", 10)]
    assert [(c.head, width) for c, width in fit(columns, 30)] == [
        ("id", 8), ("name", 10), ("notes", 8),
    ]  # fmt: skip
    # What a column of higher rank leaves, one of lower rank may take.
    assert [(c.head, width) for c, width in fit(columns, 29)] == [("id", 8), ("name", 19)]
    assert [(c.head, width) for c, width in fit(columns, 120)] == [
        ("id", 8), ("name", 30), ("notes", 30), ("more", 10),
    ]  # fmt: skip
