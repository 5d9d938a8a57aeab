"""Answers the calls of a command that `launch` started, and notes what they are."""

from __future__ import annotations

import fcntl
import os
import platform
import select
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

LAUNCH = Path(__file__).with_name("launch.py")

# linux/seccomp.h: struct seccomp_notif (id, pid, flags, call, architecture, pointer, arguments),
# struct seccomp_notif_resp (id, value, error, flags), and their ioctl(2) numbers.
ASKED = struct.Struct("=QIIiIQ6Q")
ANSWER = struct.Struct("=QqiI")
RECEIVE = 0xC0502100
SEND = 0xC0182101
CONTINUE = 1

# Numbers of system calls, and which of their arguments is the path; the flags follow it.
CALLS = {
    "x86_64": {"socket": 41, "open": 2, "creat": 85, "mkdir": 83, "openat": 257, "mkdirat": 258},
    "aarch64": {"socket": 198, "openat": 56, "mkdirat": 34},
}[platform.machine()]
PATH = {"open": 0, "creat": 0, "mkdir": 0, "openat": 1, "mkdirat": 1}
AT_FDCWD = -100

# What does not leave the machine: between its processes, and questions to its own kernel.
INSIDE = (socket.AF_UNIX, socket.AF_NETLINK)
# Read by whoever is about to look a name up, the C library and others.
RESOLVER = ("/etc/resolv.conf", "/etc/hosts", "/etc/host.conf")


@dataclass(slots=True)
class Watched:
    """What a command and its children did."""

    code: int = 0
    out: str = ""
    err: str = ""
    sockets: list[str] = field(default_factory=list)
    """Families of the sockets that reach beyond this machine."""
    lookups: list[str] = field(default_factory=list)
    """Files of the resolver that were opened."""
    made: list[Path] = field(default_factory=list)
    """Files and folders that were made, or opened so that they would be."""


def watched(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], limit_s: float = 300
) -> Watched:
    """Run a command in `folder`, with nothing but `environment`. Its first word is a path."""
    ours, theirs = socket.socketpair()
    numbers = ",".join(map(str, CALLS.values()))
    with ours, theirs:
        process = subprocess.Popen(
            [sys.executable, str(LAUNCH), str(theirs.fileno()), numbers, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=folder,
            env=environment,
            pass_fds=(theirs.fileno(),),
            start_new_session=True,
        )
        theirs.close()
        _, descriptors, _, _ = socket.recv_fds(ours, 1, 1)
    assert descriptors, process.communicate()[1]
    found = Watched()
    answers = threading.Thread(target=_answer, args=(descriptors[0], found), daemon=True)
    answers.start()
    try:
        found.out, found.err = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        raise
    finally:
        # Its last process is gone, or is about to be.
        answers.join(20)
        os.close(descriptors[0])
    found.code = process.returncode
    return found


def _answer(listener: int, found: Watched) -> None:
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    while True:
        for _, event in poll.poll(1000):
            if not event & select.POLLIN:
                return
            # A process that ended meanwhile waits for no answer, and has no memory to look into.
            with suppress(OSError):
                asked = bytearray(ASKED.size)
                fcntl.ioctl(listener, RECEIVE, asked)
                identity, pid, _, call, _, _, *arguments = ASKED.unpack(asked)
                with suppress(OSError):
                    _note(found, pid, call, arguments)
                fcntl.ioctl(listener, SEND, ANSWER.pack(identity, 0, 0, CONTINUE))


def _note(found: Watched, pid: int, number: int, arguments: Sequence[int]) -> None:
    call = next(name for name, each in CALLS.items() if each == number)
    if call == "socket":
        family = arguments[0] & 0xFFFFFFFF
        if family not in INSIDE:
            found.sockets.append(_family(family))
        return
    place = PATH[call]
    path = _path(pid, arguments[place], arguments[0] if place else AT_FDCWD)
    if str(path) in RESOLVER:
        found.lookups.append(str(path))
    if call in ("creat", "mkdir", "mkdirat") or arguments[place + 1] & os.O_CREAT:
        found.made.append(path)


def _family(number: int) -> str:
    try:
        return socket.AddressFamily(number).name
    except ValueError:
        return f"family {number}"


def _path(pid: int, address: int, above: int) -> Path:
    """The path that a process keeps at `address`, relative to an open folder of its own."""
    memory = os.open(f"/proc/{pid}/mem", os.O_RDONLY)
    try:
        name = os.fsdecode(os.pread(memory, 4096, address).partition(b"\0")[0])
    finally:
        os.close(memory)
    # A descriptor is 32 bits of a register of 64.
    number = struct.unpack("=i", struct.pack("=I", above & 0xFFFFFFFF))[0]
    base = f"/proc/{pid}/cwd" if number == AT_FDCWD else f"/proc/{pid}/fd/{number}"
    return Path(os.path.normpath(Path(base).readlink() / name))
