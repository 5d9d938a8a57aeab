"""Models that were sent: each file under its SHA-256, in a folder that goes with the worker."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from hwprof.devices.scratch import ScratchFolder, scratch_folder
from hwprof.errors import ModelError
from hwprof.models.base import CHUNK
from hwprof.targets.protocol import ModelFile


class Depot:
    """Files of one model, received and checked. Nothing is stored that was not asked for first."""

    def __init__(self) -> None:
        self._folder: ScratchFolder | None = None
        self._wanted: dict[str, ModelFile] = {}
        self._stored: set[str] = set()

    def _path(self) -> Path:
        if self._folder is None:
            self._folder = scratch_folder()
        return Path(self._folder.name)

    def need(self, files: Sequence[ModelFile]) -> tuple[str, ...]:
        """SHA-256 of each file that is not here yet; only these may then be sent.

        Raises ModelError when they do not fit on the disk.
        """
        if not all(file.sha256 for file in files):
            raise ModelError("the model's files are not here and have no SHA-256; send it again")
        self._wanted = {f.sha256: f for f in files if f.sha256 not in self._stored}
        room = shutil.disk_usage(self._path()).free
        size = sum(file.size for file in self._wanted.values())
        if size > room:
            raise ModelError(
                f"'{files[0].name}' takes {size / 2**30:.1f} GiB, but only {room / 2**30:.1f} GiB "
                "is free on the disk of the target; make room there"
            )
        return tuple(self._wanted)

    def receive(self, stream: BinaryIO, file: ModelFile) -> None:
        """Read the next `file.size` bytes of the stream into the depot.

        All of them are read in any case, since the next request follows. Raises ModelError for a
        file that was not asked for, is cut off, is another than it should be, or cannot be stored.
        """
        wanted = self._wanted.get(file.sha256) == file
        # Only what was asked for is kept, under a hash that was checked to be one.
        place = self._path() / file.sha256 if wanted else None
        failed = _append(place, b"")
        digest, left = hashlib.sha256(), file.size
        while left and (part := stream.read(min(CHUNK, left))):
            left -= len(part)
            digest.update(part)
            failed = failed or _append(place, part)
        problem = ""
        if left:
            problem = f"was cut off {left} bytes before its end"
        elif not wanted:
            problem = "was sent without being asked for"
        elif failed:
            problem = f"cannot be stored on the target ({failed})"
        elif digest.hexdigest() != file.sha256:
            problem = "was damaged on its way"
        if problem:
            if place is not None:
                place.unlink(missing_ok=True)
            raise ModelError(f"'{file.name}' {problem}; measure the model again")
        del self._wanted[file.sha256]
        self._stored.add(file.sha256)

    def stored(self, file: ModelFile) -> Path:
        """Where a file lies that was received."""
        return self._path() / file.sha256

    def lay_out(self, files: Sequence[ModelFile]) -> Path:
        """The model file, with the others beside it under the names that it knows them by."""
        folder = Path(tempfile.mkdtemp(prefix="model-", dir=self._path()))
        for file in files:
            stored, place = self._path() / file.sha256, folder / file.name
            try:
                # No symbolic link: runtimes refuse weights that lead out of the model's folder.
                place.hardlink_to(stored)
            except OSError:
                shutil.copyfile(stored, place)
        return folder / files[0].name

    def close(self) -> None:
        """Remove everything. Calling it again does nothing."""
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


def _append(place: Path | None, part: bytes) -> str:
    """Why `part` cannot be added to a file, if there is one; empty when it was."""
    try:
        if place is not None:
            with place.open("ab") as stream:
                stream.write(part)
    except OSError as error:
        return str(error.strerror)
    return ""
