"""What shells are offered, asked as they ask."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from hwprof import spaces
from hwprof.cli import completion
from hwprof.devices.registry import ALIASES, names
from hwprof.lut import Table
from hwprof.testing.examples import example_measurement

MEASURED = [example_measurement(seed) for seed in range(5)]


def ask(folder: Path, shell: str, *words: str, **environment: str) -> list[str]:
    """What is offered for the last of `words`; the command must print nothing else."""
    asking = {
        "bash": {"COMP_WORDS": "\n".join(words), "COMP_CWORD": str(len(words) - 1)},
        "zsh": {"_TYPER_COMPLETE_ARGS": " ".join(words)},
        "fish": {
            "_TYPER_COMPLETE_ARGS": " ".join(words),
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        },
    }[shell]
    done = subprocess.run(
        [sys.executable, "-m", "hwprof"],
        capture_output=True,
        text=True,
        cwd=folder,
        env={
            **{k: v for k, v in os.environ.items() if not k.startswith(("HWPROF", "_HWPROF"))},
            "_HWPROF_COMPLETE": f"complete_{shell}",
            **asking,
            **environment,
        },
    )
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a table of five measurements, and nothing else."""
    with Table.open(tmp_path / "hwprof.db") as table:
        for measurement in MEASURED:
            table.add(measurement)
    return tmp_path


def test_commands_and_options(tmp_path: Path) -> None:
    assert ask(tmp_path, "bash", "hwprof", "me") == ["measure"]
    assert ask(tmp_path, "bash", "hwprof", "lut", "") == [
        *("show", "export", "import", "rm", "additive")
    ]
    assert "--check-outputs" in ask(tmp_path, "bash", "hwprof", "measure", "--ch")


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_devices_by_name_and_short_form(tmp_path: Path, shell: str) -> None:
    offered = ask(tmp_path, shell, "hwprof", "measure", "--device", "o")
    assert set(offered) == {name for name in (*names(), *ALIASES) if name.startswith("o")}
    assert ask(tmp_path, shell, "hwprof", "compare", "a", "b", "--device", "cp") == ["cpu"]


def test_zsh_is_answered_in_its_own_words(tmp_path: Path) -> None:
    assert ask(tmp_path, "zsh", "hwprof", "measure", "--device", "cp") == [
        """_arguments '*: :(("cpu"))'"""
    ]


def test_bash_splits_at_equals_signs_and_colons(tmp_path: Path) -> None:
    words = ("hwprof", "measure", "--device", "=", "cp")
    assert ask(tmp_path, "bash", *words) == ["cpu"]
    before = ("hwprof", "measure", "--device", "cpu", ":", "threads", "=", "2", "--space", "na")
    assert ask(tmp_path, "bash", *before) == ["nasbench201"]


def test_spaces(tmp_path: Path) -> None:
    assert ask(tmp_path, "bash", "hwprof", "measure", "--space", "") == list(spaces.names())
    # Where no pool ships, idealised machines stand in.
    for command in ("select", "adapt", "predict"):
        assert ask(tmp_path, "bash", "hwprof", command, "--space", "") == list(spaces.names())


def test_formats_sources_and_meters(tmp_path: Path) -> None:
    assert ask(tmp_path, "bash", "hwprof", "lut", "export", "--format", "") == [
        "parquet", "jsonl", "csv",
    ]  # fmt: skip
    assert ask(tmp_path, "bash", "hwprof", "lut", "show", "--source", "m") == ["measured"]
    assert ask(tmp_path, "bash", "hwprof", "measure", "--meter", "ra") == ["rapl"]


def test_a_table_offers_ids_models_and_devices(folder: Path) -> None:
    ids = {m.id[:8] for m in MEASURED}
    assert set(ask(folder, "bash", "hwprof", "lut", "show", "")) == ids
    whole = MEASURED[0].id
    assert ask(folder, "bash", "hwprof", "lut", "show", whole[:10]) == [whole]
    known = sorted({m.subject.name for m in MEASURED})
    for command in ("show", "export"):
        assert ask(folder, "fish", "hwprof", "lut", command, "--model", known[0][:3])[0] in known
    slugs = {m.device.slug for m in MEASURED}
    assert set(ask(folder, "bash", "hwprof", "lut", "show", "--device", "")) == slugs


def test_names_that_mean_something_to_bash_are_escaped(tmp_path: Path) -> None:
    name = "r=160 d1=2|k*"
    measurement = example_measurement(0)
    with Table.open(tmp_path / "hwprof.db") as table:
        table.add(replace(measurement, subject=replace(measurement.subject, name=name)))
    show = ("hwprof", "lut", "show", "--model")
    assert ask(tmp_path, "bash", *show, "") == [r"r=160\ d1=2\|k\*"]
    # What bash has of the word already stays out.
    assert ask(tmp_path, "bash", *show, "r", "=", "16") == [r"160\ d1=2\|k\*"]
    assert ask(tmp_path, "bash", *show, "r", "=") == [r"160\ d1=2\|k\*"]
    assert ask(tmp_path, "bash", *show, "r", "=", r"160\ d1", "=") == [r"2\|k\*"]
    assert ask(tmp_path, "bash", *show, "r=16") == [r"r=160\ d1=2\|k\*"]
    assert ask(tmp_path, "bash", *show, "'r=16") == [name]
    assert ask(tmp_path, "fish", *show, "r=1") == [name]


def test_compare_offers_files_and_what_the_table_holds(folder: Path) -> None:
    (folder / "net.onnx").touch()
    (folder / "notes.txt").touch()
    (folder / "nets").mkdir()
    (folder / "nets" / "deep.tflite").touch()
    assert ask(folder, "bash", "hwprof", "compare", "ne") == ["net.onnx"]
    assert ask(folder, "bash", "hwprof", "compare", "nets/") == ["nets/deep.tflite"]
    second = ask(folder, "bash", "hwprof", "compare", "net.onnx", "")
    assert {m.id[:8] for m in MEASURED} | {m.subject.name for m in MEASURED} < set(second)
    devices = ask(folder, "bash", "hwprof", "compare", "--model", "net.onnx", "onnxruntime-c")
    assert devices == ["onnxruntime-cpu", "onnxruntime-cuda"]


def test_the_table_is_the_one_that_the_command_would_take(folder: Path) -> None:
    other = folder / "other"
    other.mkdir()
    table, wanted = str(folder / "hwprof.db"), {m.id[:8] for m in MEASURED}
    show = ("hwprof", "lut", "show")
    assert ask(other, "bash", *show, "") == []
    assert set(ask(other, "bash", *show, "", HWPROF_LUT=table)) == wanted
    assert set(ask(other, "bash", *show, "--lut", table, "")) == wanted
    assert set(ask(other, "bash", *show, "--lut", "=", table, "")) == wanted
    assert ask(other, "bash", *show, "--lut", "absent.db", "", HWPROF_LUT=table) == []
    assert list(other.iterdir()) == []


def test_nothing_is_made_changed_or_complained_about(tmp_path: Path) -> None:
    broken = tmp_path / "hwprof.db"
    broken.write_text("not a table " * 99)
    before = broken.read_bytes()
    for words in (
        ("lut", "show", ""),
        ("lut", "show", "--limit", "many", ""),
        ("compare", "x", ""),
        ("measure", "--threads", "no", "--select", "few", "--device", "nothing such"),
        ("fly", ""),
        ("lut", "show", "--lut", "/root/\0", ""),
    ):
        typed = ("hwprof", *(word.replace("\0", "") for word in words))
        for shell in ("bash", "fish"):
            assert not any("rror" in line for line in ask(tmp_path, shell, *typed))
    assert ask(tmp_path, "bash", "hwprof", "lut", "show", "'unfinished") == []
    assert broken.read_bytes() == before
    assert list(tmp_path.iterdir()) == [broken]


def test_a_writer_is_not_waited_for(folder: Path) -> None:
    with Table.open(folder / "hwprof.db") as table, table.transaction():
        offered = ask(folder, "bash", "hwprof", "lut", "show", "")
    # A reader sees what was there before; it waits for nobody, and nobody for it.
    assert set(offered) == {m.id[:8] for m in MEASURED}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell(tmp_path: Path, shell: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hwprof", "--show-completion", shell],
        capture_output=True,
        text=True,
        env={**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
    )
    assert done.returncode == 0, done.stderr
    assert f"_HWPROF_COMPLETE=complete_{shell}" in done.stdout


def test_bash_itself_completes(folder: Path) -> None:
    """The whole way: the script is sourced, and the function asked as readline asks."""
    bash = shutil.which("bash")
    assert bash is not None
    (folder / "bin").mkdir()
    command = folder / "bin" / "hwprof"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m hwprof "$@"\n')
    command.chmod(0o755)
    program = """
    eval "$(_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION=1 hwprof --show-completion bash)"
    COMP_WORDS=(hwprof measure --device = ten) COMP_CWORD=4
    _hwprof_completion hwprof
    echo "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        [bash, "--norc", "-c", program],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "PATH": f"{folder / 'bin'}:{os.environ['PATH']}"},
    )
    assert (done.stdout, done.stderr) == ("tensorrt\n", "")


def test_installing_writes_into_the_home_folder(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hwprof", "--install-completion", "bash"],
        capture_output=True,
        text=True,
        env={
            **os.environ,
            "HOME": str(tmp_path),
            "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1",
        },
    )
    assert done.returncode == 0, done.stderr
    assert "_HWPROF_COMPLETE" in (tmp_path / ".bash_completions" / "hwprof.sh").read_text()


def test_a_bug_is_not_told_to_a_shell(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(**options: object) -> None:
        print("half a")
        raise ZeroDivisionError(options)

    monkeypatch.setenv("_HWPROF_COMPLETE", "complete_fish")
    assert completion.answer(broken) == 0
    assert capsys.readouterr() == ("half a\n", "")
