"""What the models of one campaign are called, so that no two of them share a name."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from hwprof.models.base import printable

Place = tuple[str, ...]
"""The folders that a file lies in, from the top, and its name."""


def names_of(models: Sequence[Path]) -> list[str | None]:
    """A name for each file: None where its own does, which is its name without the suffix.

    Files that share theirs are told apart by as much of their folders as it takes, `a/model` and
    `b/model`, and within a folder by their suffixes. A file that is given twice has one name.
    """
    if len({model.stem for model in models}) == len(models):
        return [None] * len(models)
    places = [_place(model) for model in models]
    shared: dict[str, list[Place]] = {}
    for place in dict.fromkeys(places):
        shared.setdefault(Path(place[-1]).stem, []).append(place)
    names: dict[Place, str | None] = {}
    for among in shared.values():
        names |= {among[0]: None} if len(among) == 1 else _told_apart(among)
    return [names[place] for place in places]


def _place(model: Path) -> Place:
    # Links are not followed, and `..` in a name would tell nobody anything.
    whole = Path(os.path.normpath(model.absolute()))
    return whole.relative_to(whole.anchor).parts or (str(model),)


def _told_apart(among: Sequence[Place]) -> dict[Place, str]:
    """The shortest end of each place that no other has."""
    beside = Counter(place[:-1] for place in among)

    def end(place: Place, folders: int) -> Place:
        above, file = place[:-1], place[-1]
        last = file if beside[above] > 1 else Path(file).stem
        return (*above[len(above) - min(folders, len(above)) :], last)

    found: dict[Place, str] = {}
    folders = 0 if len(beside) == 1 else 1
    while len(found) < len(among):
        alike = Counter(end(place, folders) for place in among)
        for place in among:
            if place not in found and alike[end(place, folders)] == 1:
                found[place] = printable("/".join(end(place, folders)))
        folders += 1
    return found
