"""`python launch.py SOCKET CALLS COMMAND...`: runs a command whose system calls CALLS are watched.

The listener's descriptor is sent through SOCKET. After the filter is set, a watched call waits for
an answer, so all that this program needs is imported and opened before.
"""

from __future__ import annotations

import array  # noqa: F401 - socket.send_fds imports it, and would then be waiting
import ctypes
import os
import platform
import socket
import sys

# linux/prctl.h, linux/seccomp.h, linux/bpf_common.h
PR_SET_NO_NEW_PRIVS = 38
SECCOMP = {"x86_64": 317, "aarch64": 277}
SET_MODE_FILTER = 1
NEW_LISTENER = 1 << 3
ALLOW = 0x7FFF0000
ASK = 0x7FC00000
LOAD, JUMP_IF_EQUAL, RETURN = 0x20, 0x15, 0x06


class Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_ushort),
        ("if_true", ctypes.c_ubyte),
        ("if_false", ctypes.c_ubyte),
        ("k", ctypes.c_uint),
    )


class Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("instructions", ctypes.POINTER(Instruction)))


def program(calls: list[int]) -> Program:
    """Asks about the calls of these numbers, and lets all others pass."""
    count = len(calls)
    found = [Instruction(LOAD, 0, 0, 0)]
    found += [
        Instruction(JUMP_IF_EQUAL, count - place, 0, call) for place, call in enumerate(calls)
    ]
    found += [Instruction(RETURN, 0, 0, ALLOW), Instruction(RETURN, 0, 0, ASK)]
    return Program(len(found), (Instruction * len(found))(*found))


def main(descriptor: int, calls: list[int], command: list[str]) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    parent = socket.socket(fileno=descriptor)
    asked = program(calls)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs was refused")
    number = ctypes.c_long(SECCOMP[platform.machine()])
    listener = libc.syscall(
        number,
        ctypes.c_long(SET_MODE_FILTER),
        ctypes.c_long(NEW_LISTENER),
        ctypes.byref(asked),
    )
    if listener < 0:
        raise OSError(ctypes.get_errno(), "the filter was refused")
    socket.send_fds(parent, [b"."], [listener])
    os.close(listener)
    parent.close()
    os.execv(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), [int(call) for call in sys.argv[2].split(",")], sys.argv[3:])
