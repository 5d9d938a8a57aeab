"""Compiled code is run from a folder that nobody else can put any into."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from hwprof.devices.torch import TorchCpu, cache
from hwprof.devices.torch.cache import TRITON, VARIABLE, run_own_code, usual_folder
from hwprof.errors import DeviceError
from hwprof.models.load import load_model


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An own temporary folder, and an environment that says nothing."""
    folder = tmp_path / "tmp"
    folder.mkdir(mode=0o700)
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.setenv(TRITON, "")
    monkeypatch.setenv("HWPROF_SCRATCH", str(tmp_path))
    monkeypatch.setenv("LOGNAME", "somebody")
    return folder


def test_the_usual_folder_is_made_and_found_again(temporary: Path) -> None:
    for _ in range(2):
        os.environ[VARIABLE] = ""
        run_own_code()
        assert Path(os.environ[VARIABLE]) == temporary / "torchinductor_somebody"
    assert Path(os.environ[VARIABLE]).stat().st_mode & 0o777 == 0o700
    # An empty name would be the working directory.
    assert TRITON not in os.environ


def test_it_is_the_one_that_torch_takes(temporary: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "some/body")
    run_own_code()
    from torch._inductor.runtime.cache_dir_utils import default_cache_dir

    assert usual_folder() == Path(default_cache_dir()) == temporary / "torchinductor_some_body"


def test_a_folder_that_others_made_is_passed_by(
    temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = temporary / "torchinductor_somebody"
    planted.mkdir()
    planted.chmod(0o777)
    (planted / "planted.py").write_text("raise SystemExit")
    run_own_code()
    own = Path(os.environ[VARIABLE])
    assert own != planted
    assert not any(own.iterdir())
    assert own.stat().st_mode & 0o777 == 0o700
    # A link leads to what its owner likes.
    planted.chmod(0o700)
    planted.rename(temporary / "elsewhere")
    planted.symlink_to(temporary / "elsewhere")
    os.environ[VARIABLE] = ""
    run_own_code()
    assert Path(os.environ[VARIABLE]).resolve() != temporary / "elsewhere"


@pytest.mark.parametrize("variable", [VARIABLE, TRITON])
def test_a_named_folder_must_be_ones_own(
    variable: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = tmp_path / "named"
    named.mkdir(mode=0o700)
    monkeypatch.setenv(variable, str(named))
    run_own_code()
    assert os.environ[variable] == str(named)
    named.chmod(0o777)
    with pytest.raises(DeviceError, match=f"which {variable} names, and others may write to it;"):
        run_own_code()


def test_nothing_planted_is_run(mlp: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The compiler is not even started before the folder is looked at."""

    def refuse() -> None:
        raise DeviceError("looked at")

    monkeypatch.setattr("hwprof.devices.torch.inductor.run_own_code", refuse)
    with pytest.raises(DeviceError, match="looked at"):
        TorchCpu(mode="compiled").open(load_model(mlp))


def test_the_folder_lives_as_long_as_the_process(temporary: Path) -> None:
    (temporary / "torchinductor_somebody").touch()
    before = len(cache._kept)
    run_own_code()
    assert len(cache._kept) == before + 1
    assert Path(cache._kept[-1].name).is_dir()
