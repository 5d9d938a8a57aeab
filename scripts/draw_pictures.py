"""The pictures of README and docs/how-it-works.md, drawn as SVG from the words below.

    python scripts/draw_pictures.py [--check]

With --check nothing is written: exits with 1 when a stored picture is not what this draws.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from pathlib import Path
from xml.sax.saxutils import escape

FOLDER = Path(__file__).resolve().parents[1] / "docs/pictures"
FONT = "system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"
INK, SOFT, PAPER = "#1b1f24", "#57606a", "#ffffff"
COLOURS = {
    "plain": ("#f6f8fa", "#8c959f"),
    "blue": ("#ddf4ff", "#0969da"),
    "green": ("#dafbe1", "#1a7f37"),
    "orange": ("#fff1e5", "#bc4c00"),
}
LINE = 16


@dataclass
class Picture:
    """Boxes, arrows and words on white, so that it reads on a dark page too."""

    width: int
    height: int
    title: str
    parts: list[str] = field(default_factory=list)

    def frame(self, x: int, y: int, w: int, h: int, words: str) -> None:
        """A dashed frame around what belongs together."""
        self.parts.append(
            f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="10" fill="none" '
            f'stroke="{SOFT}" stroke-dasharray="5 4"/>'
        )
        self.words(x + 12, y + 20, words, SOFT, anchor="start")

    def box(self, x: int, y: int, w: int, h: int, text: str, colour: str = "plain") -> None:
        """A box; the first line of its text is its name."""
        fill, edge = COLOURS[colour]
        self.parts.append(
            f'<rect x="{x}" y="{y}" width="{w}" height="{h}" rx="8" fill="{fill}" stroke="{edge}"/>'
        )
        lines = text.split("\n")
        top = y + h / 2 - (len(lines) - 1) * LINE / 2 + 5
        for number, line in enumerate(lines):
            colour_of, bold = (INK, True) if number == 0 else (SOFT, False)
            self.words(x + w / 2, top + number * LINE, line, colour_of, bold=bold)

    def words(
        self, x: float, y: float, text: str, colour: str = SOFT, *, bold: bool = False,
        anchor: str = "middle",
    ) -> None:  # fmt: skip
        weight = ' font-weight="600"' if bold else ""
        self.parts.append(
            f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}" fill="{colour}"{weight}>'
            f"{escape(text)}</text>"
        )

    def arrow(
        self, *points: tuple[int, int], words: str = "", at: tuple[int, int] = (0, 0)
    ) -> None:
        """A line through `points` with a head at its end, and words beside it."""
        path = " L ".join(f"{x} {y}" for x, y in points)
        self.parts.append(
            f'<path d="M {path}" fill="none" stroke="{INK}" stroke-width="1.3" '
            'marker-end="url(#head)"/>'
        )
        if words:
            self.words(*at, words)

    def svg(self) -> str:
        """The whole file."""
        body = "\n".join(self.parts)
        return (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
            f'width="{self.width}" height="{self.height}" font-family="{FONT}" font-size="13" '
            f'role="img" aria-label="{escape(self.title)}">\n<title>{escape(self.title)}</title>\n'
            '<defs><marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" '
            f'markerHeight="7" orient="auto"><path d="M 0 1 L 10 5 L 0 9 z" fill="{INK}"/>'
            f'</marker></defs>\n<rect width="100%" height="100%" fill="{PAPER}"/>\n{body}\n</svg>\n'
        )


def overview() -> Picture:
    """What hwprof is for, in one row."""
    p = Picture(
        900, 250, "Measure a model into a table, predict other devices, search with the costs"
    )
    p.box(20, 40, 190, 76, "Measure\nlatency, kernels, memory,\nenergy on any device", "blue")
    p.box(245, 40, 190, 76, "Keep\na table in one file, with\nraw samples and conditions", "green")
    p.box(470, 40, 190, 76, "Predict\nevery architecture on a\ndevice from ten of them", "orange")
    p.box(695, 40, 190, 76, "Search\ncosts as objectives\nand limits", "blue")
    for x in (210, 435, 660):
        p.arrow((x, 78), (x + 33, 78))
    p.box(20, 170, 190, 56, "Your models\nONNX, PyTorch, LiteRT")
    p.box(245, 170, 190, 56, "Other teams' tables\nParquet, JSON lines, CSV")
    p.box(470, 170, 190, 56, "Pools of devices\n27 ship with hwprof")
    p.box(695, 170, 190, 56, "Search spaces\nsix, and your own")
    for x in (115, 340, 565, 790):
        p.arrow((x, 170), (x, 118))
    return p


def measuring() -> Picture:
    """One measurement, from argument to row."""
    p = Picture(900, 560, "One measurement from argument to row")
    p.frame(15, 15, 300, 530, "the machine that asks")
    p.frame(470, 15, 415, 530, "the machine that is measured")
    p.box(35, 50, 260, 60, "hwprof measure model.onnx\nor hwprof.measure(model, device)", "blue")
    p.box(
        35,
        140,
        260,
        60,
        "The subject\nfile opened, every dimension decided,\nfiles named by their hash",
    )
    p.box(35, 230, 260, 60, "The bench\nplan: precision, budget, restarts")
    p.box(35, 400, 260, 60, "The record\nraw samples, profile, conditions")
    p.box(35, 480, 260, 50, "The table\none row, saved before the next run", "green")
    p.arrow((165, 110), (165, 140))
    p.arrow((165, 200), (165, 230))
    p.arrow((165, 290), (165, 400))
    p.arrow((165, 460), (165, 480))
    p.words(175, 335, "stops at the", anchor="start")
    p.words(175, 351, "precision or budget,", anchor="start")
    p.words(175, 367, "or is hopeless", anchor="start")
    p.box(
        490,
        50,
        375,
        56,
        "The agent, a fresh process per restart\nprocessors, memory, versions: it tells its own",
    )
    p.box(
        490, 130, 375, 56, "The device: a runtime with its settings\nopens the model: set-up time"
    )
    p.box(
        490,
        210,
        375,
        56,
        "First run, then the outputs compared\na fast wrong answer is an error",
    )
    p.box(
        490,
        290,
        375,
        56,
        "Samples: wall time, CPU time, context switches\nan uninterrupted run is a clean one",
        "blue",
    )
    p.box(
        490,
        370,
        375,
        56,
        "Memory and energy\npeak above the runtime's own; a sensor, or the reason",
    )
    p.box(
        490,
        450,
        375,
        66,
        "Kernels, in a profiled session at the end\n"
        "led back to the model's nodes,\nwithout the profiler's own cost",
        "orange",
    )
    for y in (106, 186, 266, 346, 426):
        p.arrow((677, y), (677, y + 24))
    p.arrow((295, 250), (490, 78), words="JSON lines through", at=(392, 50))
    p.words(392, 66, "any byte stream")
    p.arrow((490, 318), (295, 270), words="seconds", at=(392, 318))
    p.arrow((490, 398), (295, 420), words="readings, states", at=(392, 392))
    p.arrow((490, 483), (295, 440), words="profile", at=(392, 482))
    return p


def predicting() -> Picture:
    """One prediction, from pool to interval."""
    p = Picture(900, 470, "One prediction from pool to interval")
    p.frame(15, 15, 420, 440, "once per pool: seconds")
    p.frame(465, 15, 420, 440, "once per device: milliseconds")
    p.box(35, 50, 380, 60, "The pool\nlatencies of n architectures on m known devices", "green")
    p.box(35, 140, 380, 60, "Each device smoothed over the space\nby how alike architectures are")
    p.box(
        35,
        230,
        380,
        60,
        "The prior of a new device\nmean of the pool, what its devices differ in, deviations",
    )
    p.box(35, 320, 380, 60, "Rehearsal\nevery device plays the new one, its siblings left out")
    p.words(225, 420, "how likely the settings are,")
    p.words(225, 436, "and how wide an interval must be")
    for y in (110, 200, 290):
        p.arrow((225, y), (225, y + 30))
    p.arrow((225, 380), (225, 405))
    p.box(
        485, 50, 380, 60, "Which to measure\nthose that lower the variance of all others the most"
    )
    p.box(
        485,
        140,
        380,
        60,
        "About ten measurements\non your device: a file, or hwprof's own table",
        "blue",
    )
    p.box(
        485,
        230,
        380,
        60,
        "The posterior\nexact inference, averaged over a grid of settings",
        "orange",
    )
    p.box(
        485,
        320,
        380,
        60,
        "Prediction\nmean and interval of every architecture, in seconds",
        "green",
    )
    p.words(675, 420, "and the embedding: which pool devices it is like")
    p.arrow((675, 110), (675, 140))
    p.arrow((675, 200), (675, 230))
    p.arrow((675, 290), (675, 320))
    p.arrow((675, 380), (675, 405))
    p.arrow((415, 260), (485, 260))
    p.arrow((415, 250), (485, 85))
    p.arrow((415, 350), (485, 350))
    return p


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    stale = []
    for draw in (overview, measuring, predicting):
        path, svg = FOLDER / f"{draw.__name__}.svg", draw().svg()
        if not options.check:
            path.write_text(svg)
        elif not path.exists() or path.read_text() != svg:
            stale.append(path.name)
    if stale:
        raise SystemExit(f"not what is drawn: {', '.join(stale)}; run 'make pictures'")


if __name__ == "__main__":
    main()
