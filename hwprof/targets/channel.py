"""Calls of an agent through a stream. What comes back is checked, not believed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeVar

from hwprof.codec import CodecError, Raw, from_json, to_json
from hwprof.errors import DeadlineError, HwprofError, MeasurementError
from hwprof.targets.patience import Patience, lateness
from hwprof.targets.protocol import ERRORS, MAX_LINE_BYTES, VERSION, Nothing, Refusal, Request
from hwprof.targets.stream import Ended, Late, Stream

T = TypeVar("T")

MAX_MESSAGE = 2000


class Channel:
    """An agent at the other end of a stream. `subject` is what it does, as messages say it.

    `patience` says for how long answers are waited for.
    """

    def __init__(
        self,
        stream: Stream,
        subject: str,
        *,
        limit: int = MAX_LINE_BYTES,
        patience: Patience | None = None,
    ) -> None:
        self.stream = stream
        self.patience = patience or Patience()
        self._who = f"the worker {subject}"
        self._limit = limit

    def ask(
        self,
        call: str,
        kind: type[T],
        body: Any = None,
        data: Iterable[bytes] = (),
        *,
        wait_s: float | None = None,
    ) -> T:
        """Send one request, with `data` after it, and decode the reply as `kind`.

        The reply may take `wait_s` seconds, and so may each part of what is sent. Raises the error
        that the agent reports, MeasurementError for an agent that is gone or answers what it should
        not, and DeadlineError for one that does not answer, which is then ended.
        """
        if self.stream.closed:
            raise MeasurementError("the worker is closed; start the measurement again")
        wait_s = self.patience.answer_s if wait_s is None else wait_s
        try:
            line = self._reply(Request(VERSION, call, _body(body)), data, wait_s)
        except Late as error:
            self.stream.close()
            raise DeadlineError(lateness(self._who, call, wait_s)) from error
        if not line.endswith(b"\n"):
            if len(line) < self._limit:
                raise MeasurementError(self.stream.obituary(self._who))
            self.stream.close()  # the rest of the line would pass for the next reply
            raise MeasurementError(
                f"{self._who} answered '{call}' with more than {self._limit >> 20} MiB; "
                "measure a model with smaller outputs, or use --no-check-outputs"
            )
        try:
            reply = from_json(line, dict[str, Raw])
            if "error" not in reply:
                return from_json(bytes(reply["ok"]), kind)
            refusal = from_json(bytes(reply["error"]), Refusal)
        except (CodecError, KeyError) as error:
            raise self.unreadable(error) from error
        raise _told(refusal)

    def _reply(self, request: Request, data: Iterable[bytes], wait_s: float) -> bytes:
        """The line that comes back. Raises Late."""
        try:
            self.stream.write(to_json(request) + b"\n", wait_s)
            for part in data:
                self.stream.write(part, wait_s)
        except Ended:
            pass  # it may have said why before it went
        return self.stream.read_line(self._limit, wait_s)

    def unreadable(self, reason: object) -> MeasurementError:
        """The error for a reply that cannot be right."""
        return MeasurementError(
            f"the worker answered something unreadable ({reason}); "
            "install the same hwprof on both ends"
        )

    def close(self) -> None:
        """End the agent. Calling it again does nothing."""
        self.stream.close()


def _body(body: Any) -> Raw:
    return Raw(to_json(Nothing() if body is None else body))


def _told(refusal: Refusal) -> HwprofError:
    """The error that an agent reports, in one line without control characters."""
    words = " ".join(refusal.message.split())[:MAX_MESSAGE]
    text = "".join(letter for letter in words if letter.isprintable())
    return ERRORS.get(refusal.kind, MeasurementError)(text)
