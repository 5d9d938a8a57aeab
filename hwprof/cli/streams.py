"""The standard streams of a command, made so that no print can fail half-way.

What a stream's encoding lacks is written in ASCII. A full disk or a closed stream is remembered and
told at the end: what is measured meanwhile is still saved.
"""

from __future__ import annotations

import codecs
import errno
import io
import os
import sys
from typing import TYPE_CHECKING, TextIO, final

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

ERRORS = "hwprof.ascii"
"""Name of the error handler that writes in ASCII what an encoding lacks."""

# What our own texts and tables are made of; one character for another where there is one, so that
# columns stay in line.
_SUBSTITUTES = {
    **dict.fromkeys("\u00b5\u03bc", "u"),
    "\u00d7": "x",
    **dict.fromkeys("\u2010\u2011\u2013\u2014\u2212\u2500\u2501\u2550\u2574\u2578\u257a", "-"),
    **dict.fromkeys("\u2502\u2503\u2551", "|"),
    **dict.fromkeys("\u2018\u2019", "'"),
    **dict.fromkeys("\u201c\u201d\u00ab\u00bb", '"'),
    **dict.fromkeys("\u00b7\u2022", "*"),
    # Corners and crossings of boxes.
    **{chr(code): "+" for code in (*range(0x250C, 0x254C), *range(0x2552, 0x2571))},
    "\u00a0": " ",
    "\u00b1": "+-",
    "\u2026": "...",
    "\u2192": "->",
    "\u2264": "<=",
    "\u2265": ">=",
}
# Bytes of a file's name that are no text (PEP 383) are these, as characters.
_FIRST_BYTE, _BYTES = 0xDC00, range(0xDC80, 0xDD00)


def in_ascii(text: str) -> str:
    """`text` with every character that is not ASCII replaced: by its like, else by an escape."""
    return "".join(c if c.isascii() else _substitute(c) for c in text)


def _substitute(character: str) -> str:
    code = ord(character)
    if code in _BYTES:
        return f"\\x{code - _FIRST_BYTE:02x}"
    return _SUBSTITUTES.get(character) or character.encode("ascii", "backslashreplace").decode()


def _encode_error(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return in_ascii(error.object[error.start : error.end]), error.end


@final
class Guard(io.RawIOBase):
    """Hands bytes on until that fails; what comes later is dropped, and `failure` says why.

    A reader that went away still raises BrokenPipeError where `pipes` is set. Without `raw` the
    stream is closed.
    """

    def __init__(self, raw: io.RawIOBase | None, *, pipes: bool = False) -> None:
        self._raw = raw
        self._pipes = pipes
        self.failure: OSError | None = None

    def write(self, data: ReadableBuffer, /) -> int | None:
        if self.failure is None:
            try:
                if self._raw is None:
                    raise OSError(errno.EBADF, os.strerror(errno.EBADF))
                return self._raw.write(data)
            except OSError as error:
                if self._pipes and isinstance(error, BrokenPipeError):
                    raise
                self.failure = error
        return memoryview(data).nbytes

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return super().fileno() if self._raw is None else self._raw.fileno()

    def isatty(self) -> bool:
        return self._raw is not None and self._raw.isatty()

    def seekable(self) -> bool:
        return self._raw is not None and self._raw.seekable()

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        return super().seek(offset, whence) if self._raw is None else self._raw.seek(offset, whence)

    def tell(self) -> int:
        return super().tell() if self._raw is None else self._raw.tell()

    def truncate(self, size: int | None = None, /) -> int:
        return super().truncate(size) if self._raw is None else self._raw.truncate(size)


def register() -> None:
    """Make the error handler known under its name."""
    codecs.register_error(ERRORS, _encode_error)


def prepare() -> Guard | None:
    """Make standard output and error safe to print to; gives back what guards the former.

    None where standard output is no file of the system, as under a test.
    """
    register()
    _fill_descriptors()
    sys.stderr, _ = _guarded(sys.stderr, pipes=False)
    sys.stdout, guard = _guarded(sys.stdout, pipes=True)
    return guard


def sentence(failure: OSError) -> str:
    """What to say of a standard output that failed."""
    if failure.errno == errno.EBADF:
        return "standard output is closed; send it to a file, a pipe or a terminal"
    reason = failure.strerror or type(failure).__name__
    return f"standard output cannot be written ({reason}); send it where there is room"


def _guarded(stream: TextIO | None, *, pipes: bool) -> tuple[TextIO, Guard | None]:
    raw: io.RawIOBase | None = None
    if stream is not None:
        raw = _raw(stream)
        if raw is None:
            return stream, None
        stream.flush()
    guard = Guard(raw, pipes=pipes)
    wrapper = io.TextIOWrapper(
        io.BufferedWriter(guard),
        encoding="utf-8" if stream is None else stream.encoding,
        errors=ERRORS,
        line_buffering=stream is None or bool(stream.line_buffering),
    )
    return wrapper, guard


def _raw(stream: TextIO) -> io.RawIOBase | None:
    """What a stream of the system writes to; None for any other."""
    if not isinstance(stream, io.TextIOWrapper):
        return None
    # Without buffers (python -u) nothing lies between.
    inner = stream.buffer.raw if isinstance(stream.buffer, io.BufferedWriter) else stream.buffer
    return inner if isinstance(inner, io.RawIOBase) else None


def _fill_descriptors() -> None:
    """Open the null device for those of 0, 1 and 2 that are closed.

    Else the next file that is opened, a table for one, takes the place of a standard stream.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free number is the one that is missing.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def failed() -> bool:
    """Whether something that was printed on standard output was lost."""
    inner = _raw(sys.stdout)
    return isinstance(inner, Guard) and inner.failure is not None
