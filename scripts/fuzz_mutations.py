"""How the fuzzer changes an input: its bytes, its JSON, its lines, the members of its zip archive.

Every function takes a random generator and a content, and returns another content. None of them
raises for a content that is not of its kind: it changes bytes then.
"""

from __future__ import annotations

import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from typing import Any

Mutator = Callable[[random.Random, bytes], bytes]

LONG_NUMBER = "9" * 5000
NUMBERS = (
    0,
    -1,
    1,
    127,
    128,
    255,
    2**16,
    2**31 - 1,
    2**31,
    2**32,
    2**63 - 1,
    2**63,
    2**64,
    -(2**63),
)
FLOATS = (0.0, -0.0, 1e308, -1e308, 5e-324, 1e-9, -1.0, float("nan"), float("inf"), float("-inf"))
TEXTS = (
    *("", "\0", "a\0b", "../../outside", "/etc/passwd", "~", "$(touch x)", "`id`", "{0}", "%n%s"),
    *("\n", "\x1b[31mred\x1b[0m", "[bold]", "<b>", "=1+1", "é", "\u202e", "\ud800", "x" * 300),
    *("'; DROP TABLE measurement; --", "x" * 100_000, LONG_NUMBER, "NaN", "1e999", "-0", "٣"),
)
TOKENS = (
    *(b"\0", b"\xff", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x80", b"\r\n", b"\xef\xbb\xbf"),
    *(
        b"null",
        b"NaN",
        b"1e999",
        b"-1",
        b'"',
        b"{",
        b"[" * 3000,
        b"," * 50,
        b"../",
        LONG_NUMBER.encode(),
    ),
)


def mutate_bytes(number: random.Random, content: bytes) -> bytes:
    """One to eight changes of single bytes, runs of bytes, numbers and lengths."""
    changed = bytearray(content)
    for _ in range(number.choice((1, 1, 1, 2, 4, 8))):
        at = number.randrange(len(changed) + 1)
        length = number.choice((1, 1, 2, 4, 8, 16, 64, 512))
        match number.randrange(8):
            case 0 if at < len(changed):
                changed[at] ^= 1 << number.randrange(8)
            case 1 if at < len(changed):
                changed[at] = number.randrange(256)
            case 2:
                del changed[at : at + length]
            case 3:
                changed[at:at] = number.randbytes(length)
            case 4:
                changed[at:at] = changed[at : at + length] * number.choice((1, 2, 100))
            case 5:
                token = number.choice(TOKENS)
                changed[at : at + number.choice((0, len(token)))] = token
            case 6:
                form = number.choice(("<i", "<q", ">i", ">q", "<H"))
                size = struct.calcsize(form)
                value = number.choice(NUMBERS) & (2 ** (8 * size) - 1)
                changed[at : at + size] = value.to_bytes(
                    size, "little" if form[0] == "<" else "big"
                )
            case _:
                if number.random() < 0.3:
                    del changed[at:]
    return bytes(changed)


def mutate_json(number: random.Random, content: bytes) -> bytes:
    """One to three changes of values, keys and lists of a JSON document."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return mutate_bytes(number, content)
    marks: dict[str, str] = {}
    for _ in range(number.choice((1, 1, 2, 3))):
        document = _changed(number, document, marks)
    text = json.dumps(document, ensure_ascii=number.random() < 0.5)
    for mark, raw in marks.items():
        text = text.replace(f'"{mark}"', raw)
    return text.encode("utf-8", "surrogatepass")


def mutate_lines(number: random.Random, content: bytes) -> bytes:
    """Change one line as JSON, or leave out, repeat or exchange lines."""
    lines = content.splitlines(keepends=True)
    if not lines:
        return mutate_bytes(number, content)
    at, other = number.randrange(len(lines)), number.randrange(len(lines))
    match number.randrange(6):
        case 0:
            del lines[at]
        case 1:
            lines.insert(other, lines[at])
        case 2:
            lines[at], lines[other] = lines[other], lines[at]
        case _:
            lines[at] = mutate_json(number, lines[at].rstrip(b"\r\n")) + b"\n"
    return b"".join(lines)


def mutate_zip(number: random.Random, content: bytes, member: Mutator | None = None) -> bytes:
    """Change what one member of a zip archive holds, its name or its size; checksums are right.

    `member` changes the content of a member; bytes and JSON are changed without one.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = [(info, archive.read(info)) for info in archive.infolist()]
    except (
        zipfile.BadZipFile,
        ValueError,
        EOFError,
        NotImplementedError,
        RuntimeError,
        zlib.error,
    ):
        return mutate_bytes(number, content)
    if not members:
        return mutate_bytes(number, content)
    made = io.BytesIO()
    at = number.randrange(len(members))
    how = number.randrange(10)
    with zipfile.ZipFile(made, "w") as archive:
        for i, (info, data) in enumerate(members):
            name, kind = info.filename, info.compress_type
            if i == at and how == 0:
                continue
            if i == at and how == 1:
                name = number.choice(
                    ("../outside", "/outside", f"{name}/../../outside", "", name * 50)
                )
            elif i == at and how == 2:
                data, kind = bytes(8 * 2**20), zipfile.ZIP_DEFLATED
            elif i == at:
                as_json = data[:1] in (b"{", b"[") and number.random() < 0.8
                data = (member or (mutate_json if as_json else mutate_bytes))(number, data)
            archive.writestr(zipfile.ZipInfo(name), data, kind)
    return made.getvalue()


def value(number: random.Random, old: Any) -> Any:
    """Another value, mostly of the old one's kind."""
    kinds: list[Any] = [number.choice(TEXTS), number.choice(NUMBERS), number.choice(FLOATS)]
    kinds += [None, True, [], {}, [old] * number.choice((2, 1000)), {"x": old}]
    match old:
        case bool():
            kinds += [not old] * 9
        case int():
            kinds += [old + 1, old * 1000, -old, float(old), *number.sample(NUMBERS, 6)]
        case float():
            kinds += [old * 1000, -old, *number.sample(FLOATS, 6)]
        case str():
            kinds += [old[:-1], old + "x", old.upper(), old * 100, *number.sample(TEXTS, 6)]
        case list() if old:
            some = number.choice(old)
            kinds += [old[:-1], [*old, some], old[::-1], old * 10, [some] * 5000] * 2
        case _:
            pass
    return number.choice(kinds)


def _changed(number: random.Random, document: Any, marks: dict[str, str]) -> Any:
    """The document with one place changed; deep and long values go in by a mark as raw text."""
    places = list(_places(document, ()))
    if not places:
        return value(number, document)
    place = number.choice(places)
    holder = document
    for step in place[:-1]:
        holder = holder[step]
    key = place[-1]
    match number.randrange(10):
        case 0:
            del holder[key]
        case 1 if isinstance(holder, dict):
            holder[number.choice(("", "x", "__class__", "\0"))] = holder.pop(key)
        case 2:
            mark = f"mark{len(marks)}-{number.randrange(10**9)}"
            depth = number.choice((50, 900, 100_000))
            raws = ("[" * depth + "]" * depth, '{"a":' * depth + "1" + "}" * depth, LONG_NUMBER)
            marks[mark] = number.choice((*raws, "1e999", "NaN", "-0.0", '"\\ud800"'))
            holder[key] = mark
        case _:
            holder[key] = value(number, holder[key])
    return document


def _places(document: Any, at: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """Every place of a document, of long lists the first ones."""
    found: list[tuple[Any, ...]] = []
    waiting = [(document, at)]
    while waiting:
        holder, here = waiting.pop()
        items: list[tuple[Any, Any]] = []
        if isinstance(holder, dict):
            items = list(holder.items())
        elif isinstance(holder, list):
            items = list(enumerate(holder[:8]))
        for key, part in items:
            found.append((*here, key))
            waiting.append((part, (*here, key)))
    return found
