"""Tables in docs/ that follow from the code: written anew, or checked.

    python scripts/docs_tables.py            # write them
    python scripts/docs_tables.py --check    # exit 1 where one is out of date

docs/backends.md: the options of every built-in device, from the fields that declare them.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hwprof.devices.declared import DeclaredDevice
from hwprof.devices.registry import REGISTRY
from hwprof.models.base import ModelFormat

BEGIN, END = "<!-- options: scripts/docs_tables.py -->", "<!-- end of options -->"
DOCS = Path(__file__).parents[1] / "docs/backends.md"
ENDINGS: dict[ModelFormat, str] = {"onnx": ".onnx", "torch": ".pt2", "tflite": ".tflite"}


def options_table() -> str:
    """A row for each option of each built-in device."""
    lines = ["| device | opens | option, default first | |", "| --- | --- | --- | --- |"]
    for entry in sorted(REGISTRY.entries(()).values(), key=lambda entry: entry.name):
        backend = REGISTRY.load(entry)
        assert issubclass(backend, DeclaredDevice)
        first = [f"`{entry.name}`", " ".join(ENDINGS[each] for each in backend.OPENS)]
        for option in backend.options():
            cells = [*first, f"`{option}`", option.help]
            lines.append(f"| {' | '.join(cells)} |".replace("|  |", "| |").replace("|  |", "| |"))
            first = ["", ""]
    return "\n".join(lines)


def updated(text: str) -> str:
    """The page with its table as it should be. Raises ValueError without the marks."""
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{DOCS} lacks '{BEGIN}' or '{END}'; put them back where the table stands")
    return f"{before}{BEGIN}\n\n{options_table()}\n\n{END}{after}"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="write nothing; exit 1 on a change")
    parser.add_argument("--docs", type=Path, default=DOCS, help="the page")
    arguments = parser.parse_args()
    text = arguments.docs.read_text()
    wanted = updated(text)
    if arguments.check:
        if text != wanted:
            print(f"{arguments.docs} is out of date; run python scripts/docs_tables.py")
        return int(text != wanted)
    arguments.docs.write_text(wanted)
    return 0


if __name__ == "__main__":
    sys.exit(main())
