"""Where the kernel's files are read from: the running system, or any folder shaped like it.

`$HWPROF_ROOTS` says where, in the form `proc=/host/proc,sys=/host/sys`: a container sees its host's
files there. It holds for a process from its beginning.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from hwprof.errors import OptionError

VARIABLE = "HWPROF_ROOTS"


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8", errors="replace")


@dataclass(frozen=True, slots=True)
class Roots:
    """The `/proc` and `/sys` that every reader of this package starts from.

    `read` opens one file and may raise OSError; it is a field so that a refusal (a file that
    only root may read) can be reproduced where file modes do not bind.
    """

    proc: Path = Path("/proc")
    sys: Path = Path("/sys")
    read: Callable[[Path], str] = _read

    def text(self, path: Path) -> str | None:
        """Contents without surrounding blanks and NULs; None when the file cannot be read."""
        try:
            # Device-tree strings end in a NUL.
            return self.read(path).strip("\0 \t\r\n")
        except OSError:
            return None

    def number(self, path: Path) -> int | None:
        """The whole number in a file; None when unreadable or not a number."""
        text = self.text(path) or ""
        size = whole(text.removeprefix("-"))
        return size if size is None or not text.startswith("-") else -size

    def fields(self, path: Path) -> dict[str, str]:
        """A `Name: value` file such as `/proc/self/status`; empty when unreadable."""
        lines = (self.text(path) or "").splitlines()
        return {k.strip(): v.strip() for k, colon, v in (s.partition(":") for s in lines) if colon}

    def entries(self, folder: Path, pattern: str = "*") -> list[Path]:
        """Paths in a folder that match, by name; empty when the folder cannot be listed."""
        try:
            return sorted(folder.glob(pattern))
        except OSError:
            return []

    def cpu(self, index: int) -> Path:
        return self.sys / "devices/system/cpu" / f"cpu{index}"


def parse_roots(text: str) -> Roots:
    """The roots that `proc=FOLDER,sys=FOLDER` names; either may be left out.

    Raises OptionError for another form, and for a folder that is not there.
    """
    folders: dict[str, Path] = {}
    for part in filter(None, text.split(",")):
        name, _, folder = part.partition("=")
        if name not in ("proc", "sys") or name in folders or not Path(folder).is_absolute():
            raise OptionError(
                f"{VARIABLE} has '{part}', which names no root; write proc=/host/proc,sys=/host/sys"
            )
        if not Path(folder).is_dir():
            raise OptionError(f"{VARIABLE} names '{folder}', which is no folder; mount it there")
        folders[name] = Path(folder)
    return Roots(folders.get("proc", Path("/proc")), folders.get("sys", Path("/sys")))


# Counters have 64 bits.
_MOST_DIGITS = 20
# Kernels are built for some thousands.
_MOST_CPUS = 1 << 20
SYSTEM = parse_roots(os.environ.get(VARIABLE, ""))


def whole(text: str) -> int | None:
    """The number that digits of the kernel's say; None for other text, and for no counter's."""
    plain = text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS
    return int(text) if plain else None


def parse_cpu_list(text: str) -> tuple[int, ...]:
    """CPU numbers of a kernel list such as `0-3,8`, ascending. Raises ValueError on other text."""
    numbers: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        first, dash, last = part.partition("-")
        low, high = whole(first), whole(last if dash else first)
        if low is None or high is None or high > _MOST_CPUS:
            raise ValueError(f"'{part[:20]}' names no CPUs")
        numbers.update(range(low, high + 1))
    return tuple(sorted(numbers))


def cpu_list(roots: Roots, path: Path) -> tuple[int, ...] | None:
    """CPU numbers in a kernel list file; None when unreadable."""
    text = roots.text(path)
    try:
        return None if text is None else parse_cpu_list(text)
    except ValueError:
        return None
