"""Folders that code is run from belong to this user alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from hwprof.devices import private
from hwprof.devices.gpu.options import _read_folder
from hwprof.devices.private import intruder, made_private
from hwprof.errors import OptionError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "own"
    made.mkdir(mode=0o700)
    return made


def test_ones_own_folder_is_fine(folder: Path) -> None:
    assert intruder(folder) == ""
    folder.chmod(0o755)
    assert intruder(folder) == ""
    # As /tmp is: everybody writes there, and nobody renames what is another's.
    folder.parent.chmod(0o1777)
    assert intruder(folder) == ""


def test_what_others_may_write_to_is_not(folder: Path) -> None:
    folder.chmod(0o770)
    assert intruder(folder) == "others may write to it"
    folder.chmod(0o707)
    assert intruder(folder) == "others may write to it"
    folder.chmod(0o700)
    folder.parent.chmod(0o777)
    assert intruder(folder) == f"others may write to '{folder.parent}' above it"


def test_links_files_and_nothing(folder: Path) -> None:
    link = folder.parent / "link"
    link.symlink_to(folder)
    assert intruder(link) == "it is a link"
    file = folder / "file"
    file.touch()
    assert intruder(file) == "it is no folder"
    assert "cannot be looked at" in intruder(folder / "gone")


def test_another_users_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = folder.stat().st_uid
    monkeypatch.setattr(private.os, "geteuid", lambda: owner + 1)
    assert intruder(folder) == "it belongs to another user"


def test_a_folder_is_made_for_this_user_alone(folder: Path) -> None:
    made, reason = made_private(folder / "a" / "b")
    assert (made, reason) == (folder / "a" / "b", "")
    assert made.stat().st_mode & 0o777 == 0o700
    assert made_private(made) == (made, "")
    (folder / "file").touch()
    assert "cannot be made" in made_private(folder / "file" / "b")[1]
    # A link above is resolved once and for all.
    link = folder.parent / "link"
    link.symlink_to(folder)
    assert made_private(link / "c") == (folder / "c", "")


def test_engines_are_run_from_ones_own_folder(folder: Path) -> None:
    assert _read_folder("engines", str(folder)) == str(folder)
    folder.chmod(0o777)
    with pytest.raises(OptionError, match="must be a folder of your own") as error:
        _read_folder("engines", str(folder))
    assert "others may write to it" in str(error.value)
