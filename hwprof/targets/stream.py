"""What a target is spoken to through: lines of bytes, there and back, whatever carries them.

A pipe to a process carries them here (`process`). A socket, SSH or ADB only has to write these two
classes; where it has file descriptors, `pipes` reads and writes them. Nothing waits for ever: each
wait has its bound, and a caller that hears `Late` closes the stream.
"""

from __future__ import annotations

from abc import ABC, abstractmethod


class Ended(Exception):
    """The other side is gone, so nothing more can be sent: `Stream.obituary` says why."""


class Late(Exception):
    """The time that was given is over, and the other side neither answered nor went."""


class Stream(ABC):
    """Bytes to and from one agent. Closing it ends the agent."""

    @abstractmethod
    def read_line(self, limit: int, wait_s: float) -> bytes:
        """The next line with its newline, or its first `limit` bytes where it is longer.

        What was left, without a newline, when the other side ended. Raises Late when none of this
        came within `wait_s` seconds.
        """

    @abstractmethod
    def write(self, data: bytes, wait_s: float) -> None:
        """Send all of `data`. Raises Ended, and Late when it was not taken within `wait_s`."""

    @property
    @abstractmethod
    def closed(self) -> bool:
        """Whether this side has closed it."""

    @abstractmethod
    def obituary(self, who: str) -> str:
        """Why the agent, which messages call `who`, is gone: one sentence, ending in what to do.

        Called once the other side has ended; closes the stream.
        """

    @abstractmethod
    def close(self) -> None:
        """End the agent and free everything. Calling it again does nothing."""


class Launcher(ABC):
    """Starts agents in one place: an interpreter of this machine, later another machine."""

    @property
    @abstractmethod
    def shares_files(self) -> bool:
        """Whether a path names the same file there as here. Models are sent otherwise."""

    @property
    @abstractmethod
    def shares_packages(self) -> bool:
        """Whether the same packages are installed there as here, with the devices they bring."""

    @abstractmethod
    def start(self) -> Stream:
        """A stream to a newly started agent. Raises MeasurementError when none can be started."""
