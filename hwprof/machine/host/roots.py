"""Where the kernel's files are read from: the running system, or any folder shaped like it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


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
        text = self.text(path)
        try:
            return None if text is None else int(text)
        except ValueError:
            return None

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


SYSTEM = Roots()


def parse_cpu_list(text: str) -> tuple[int, ...]:
    """CPU numbers of a kernel list such as `0-3,8`, ascending. Raises ValueError on other text."""
    numbers: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return tuple(sorted(numbers))


def cpu_list(roots: Roots, path: Path) -> tuple[int, ...] | None:
    """CPU numbers in a kernel list file; None when unreadable."""
    text = roots.text(path)
    try:
        return None if text is None else parse_cpu_list(text)
    except ValueError:
        return None
