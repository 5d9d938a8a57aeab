"""The commit is read from git's files, whatever form they have, and from nothing else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hwprof.profiler.commit import current_commit

ONE, TWO = "1" * 40, "2" * 64


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_branch_in_a_file_of_its_own(tmp_path: Path) -> None:
    write(tmp_path / ".git/HEAD", "ref: refs/heads/topic/new\n")
    write(tmp_path / ".git/refs/heads/topic/new", f"{ONE}\n")
    deep = tmp_path / "a/b"
    deep.mkdir(parents=True)
    assert current_commit(tmp_path) == current_commit(deep) == ONE


def test_a_packed_branch(tmp_path: Path) -> None:
    write(tmp_path / ".git/HEAD", "ref: refs/heads/main\n")
    lines = ("# pack-refs with: peeled", f"{'3' * 40} refs/heads/main2", f"{TWO} refs/heads/main")
    write(tmp_path / ".git/packed-refs", "\n".join([*lines, f"^{ONE}", ""]))
    assert current_commit(tmp_path) == TWO
    # A file is newer than what was packed.
    write(tmp_path / ".git/refs/heads/main", ONE)
    assert current_commit(tmp_path) == ONE


def test_no_branch(tmp_path: Path) -> None:
    write(tmp_path / ".git/HEAD", f"{ONE}\n")
    assert current_commit(tmp_path) == ONE


def test_a_linked_tree_has_its_own_head_and_the_branches_of_the_main_one(tmp_path: Path) -> None:
    main, linked = tmp_path / "main", tmp_path / "linked"
    write(main / ".git/HEAD", "ref: refs/heads/main\n")
    write(main / ".git/refs/heads/main", ONE)
    write(main / ".git/packed-refs", f"{TWO} refs/heads/side\n")
    own = main / ".git/worktrees/linked"
    write(own / "HEAD", "ref: refs/heads/side\n")
    write(own / "commondir", "../..\n")
    write(linked / ".git", f"gitdir: {own}\n")
    assert current_commit(linked) == TWO
    assert current_commit(main) == ONE


def test_a_submodule(tmp_path: Path) -> None:
    write(tmp_path / ".git/HEAD", ONE)
    write(tmp_path / ".git/modules/sub/HEAD", TWO)
    write(tmp_path / "sub/.git", "gitdir: ../.git/modules/sub\n")
    assert current_commit(tmp_path / "sub") == TWO


def test_a_folder_that_is_no_repository_is_passed_over(tmp_path: Path) -> None:
    write(tmp_path / ".git/HEAD", ONE)
    (tmp_path / "sub/.git").mkdir(parents=True)
    assert current_commit(tmp_path / "sub") == ONE


@pytest.mark.parametrize(
    "head",
    [
        "",
        "ref: refs/heads/unborn",
        "ref: refs/heads/../../../secret",
        "ref: /etc/passwd",
        "ref: refs/heads/HEAD loop",
        "ref: refs/heads/loop",
        "ref: refs/heads/folder",
        "ref: refs/\0",
        ONE[:39],
        ONE + "\nsecret",
        "secret",
        "\udc80",
    ],
)
def test_whatever_else_stands_there_is_no_commit(tmp_path: Path, head: str) -> None:
    git = tmp_path / ".git"
    write(git / "HEAD", "")
    (git / "HEAD").write_bytes(head.encode(errors="surrogateescape"))
    write(git / "refs/heads/loop", "ref: refs/heads/loop")
    (git / "refs/heads/folder").mkdir()
    write(tmp_path.parent / "secret", ONE)
    assert current_commit(tmp_path) is None


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    write(tmp_path / ".git/HEAD", "ref: refs/heads/main")
    (tmp_path / ".git/refs/heads").mkdir(parents=True)
    os.mkfifo(tmp_path / ".git/refs/heads/main")
    assert current_commit(tmp_path) is None
    other = tmp_path / "other"
    other.mkdir()
    os.mkfifo(other / ".git")
    assert current_commit(other) is None


def test_outside_of_any_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert current_commit(Path("/")) is None
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert current_commit() is None
    monkeypatch.chdir(tmp_path)
    write(tmp_path / ".git/HEAD", ONE)
    assert current_commit() == ONE
