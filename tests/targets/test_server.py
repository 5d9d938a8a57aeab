"""The agent's side of the conversation, spoken to in bytes."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from hwprof.codec import Raw, from_json, to_json
from hwprof.models.base import Model
from hwprof.models.load import load_model
from hwprof.targets.agent.server import Server
from hwprof.targets.files import by_hash, by_size
from hwprof.targets.protocol import VERSION, Asked, ModelFile, Nothing, Open, Request, Runs


@pytest.fixture
def model(external_mlp: Path) -> Model:
    return load_model(external_mlp)


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "scratch"
    folder.mkdir()
    monkeypatch.setenv("HWPROF_SCRATCH", str(folder))
    return folder


def line(call: str, body: Any = None, version: int = VERSION) -> bytes:
    content = Raw(to_json(Nothing() if body is None else body))
    return to_json(Request(version, call, content)) + b"\n"


def replies(*requests: bytes) -> list[dict[str, Any]]:
    """What an agent in this process answers to a conversation."""
    answered = io.BytesIO()
    Server(io.BytesIO(b"".join(requests)), answered).serve()
    return [from_json(reply, dict) for reply in answered.getvalue().splitlines()]


def opening(model: Model, files: Sequence[ModelFile], path: Path | None = None) -> Open:
    return Open(
        "onnxruntime-cpu",
        {},
        model.subject,
        tuple(files),
        "" if path is None else str(path),
        model.format,
        model.needed_bytes,
    )


def put(file: ModelFile, data: bytes) -> bytes:
    return line("put", file) + data


def contents(model: Model) -> list[bytes]:
    return [
        model.path.read_bytes(),
        *((model.path.parent / e).read_bytes() for e in model.external),
    ]


def kinds(answers: list[dict[str, Any]]) -> list[str]:
    return [next(iter(answer)) for answer in answers]


def told(answer: dict[str, Any]) -> str:
    return str(answer["error"]["message"])


def test_a_bare_worker_survives_bad_calls(model: Model) -> None:
    asked = opening(model, by_size(model), model.path)
    conversation = (
        line("time", Runs(1)),
        line("open", asked),
        line("explode"),
        line("time"),
        line("time", {"samples": 0}),
        line("time", Runs(2)),
        line("open", asked),
        b"{\n",
        line("memory"),
    )
    done = subprocess.run(
        [sys.executable, "-m", "hwprof.targets.agent"],
        input=b"".join(conversation),
        capture_output=True,
        check=True,
    )
    answers = [from_json(reply, dict[str, Any]) for reply in done.stdout.splitlines()]
    # After a line that is none nothing can be told apart, so it is the last one answered.
    wanted = ["error", "ok", "error", "error", "error", "ok", "error", "error"]
    assert kinds(answers) == wanted


def test_another_protocol_is_refused(model: Model) -> None:
    for request in (
        line("open", opening(model, by_size(model)), VERSION + 1),
        line("spec", Asked("onnxruntime-cpu", {}), VERSION - 1),
    ):
        (answer,) = replies(request, line("facts"))
        assert "same hwprof on both ends" in told(answer)
        assert answer["error"]["kind"] == "DeviceError"
    (answer,) = replies(b"hello\n")
    assert "cannot read" in told(answer)


def test_a_path_serves_only_where_the_files_are_the_ones_meant(model: Model) -> None:
    files = by_size(model)
    (answer,) = replies(line("open", opening(model, files, model.path)))
    assert answer["ok"]["opened"]["cpus"] == []
    other = [files[0], replace(files[1], size=files[1].size + 1)]
    for asked in (opening(model, other, model.path), opening(model, files, model.path / "away")):
        (answer,) = replies(line("open", asked))
        assert answer["ok"] == {"opened": None, "need": []}


def test_files_are_asked_for_by_hash_sent_and_opened(model: Model, scratch: Path) -> None:
    files = by_hash(model)
    asked = line("open", opening(model, files))
    sent = [put(file, data) for file, data in zip(files, contents(model), strict=True)]
    first, one, two, last, timed = replies(asked, *sent, asked, line("time", Runs(3)))
    assert first["ok"] == {"opened": None, "need": [file.sha256 for file in files]}
    assert [one["ok"]["sha256"], two["ok"]["sha256"]] == first["ok"]["need"]
    assert last["ok"]["opened"]["setup_s"] > 0
    assert len(timed["ok"]["wall_s"]) == 3
    assert list(scratch.iterdir()) == [], "what was sent goes with the worker"


def test_a_damaged_file_is_refused_and_the_conversation_goes_on(model: Model) -> None:
    files = by_hash(model)
    asked = line("open", opening(model, files))
    good = contents(model)
    bad = bytes([good[1][0] ^ 1]) + good[1][1:]
    answers = replies(
        asked, put(files[0], good[0]), put(files[1], bad), asked, put(files[1], good[1]), asked
    )
    assert kinds(answers) == ["ok", "ok", "error", "ok", "ok", "ok"]
    assert "'external.bin' was damaged on its way" in told(answers[2])
    assert answers[3]["ok"]["need"] == [files[1].sha256]
    assert answers[5]["ok"]["opened"] is not None


def test_a_file_that_breaks_off_is_refused(model: Model, scratch: Path) -> None:
    files = by_hash(model)
    data = contents(model)[0]
    asked = line("open", opening(model, files))
    _, answer = replies(asked, put(files[0], data[:-7]))
    assert f"'{model.path.name}' was cut off 7 bytes before its end" in told(answer)
    assert answer["error"]["kind"] == "ModelError"
    assert list(scratch.iterdir()) == []


def test_nothing_is_stored_that_was_not_asked_for(model: Model, scratch: Path) -> None:
    data = b"a stranger\n"
    stranger = ModelFile("m.onnx", len(data), hashlib.sha256(data).hexdigest())
    first, second = replies(put(stranger, data), line("facts"))
    assert "was sent without being asked for" in told(first)
    assert second["ok"]["kernel"]
    # Nor under the hash of one that was: its size must be the one that was told.
    files = by_hash(model)
    longer = replace(files[0], size=files[0].size + len(data))
    _, answer = replies(line("open", opening(model, files)), put(longer, contents(model)[0] + data))
    assert "was sent without being asked for" in told(answer)


@pytest.mark.parametrize("name", ["../m.onnx", "/etc/m.onnx", "a/b", "a\\b", "..", ".", "", "a\nb"])
def test_no_name_leads_out_of_the_folder(model: Model, name: str, scratch: Path) -> None:
    with pytest.raises(ValueError, match="no plain file name"):
        ModelFile(name, 1)
    body = from_json(to_json(opening(model, by_hash(model))), dict[str, Any])
    body["files"][1]["name"] = name
    (answer,) = replies(line("open", body))
    assert "no plain file name" in told(answer)
    # What follows such a file cannot be told from it.
    (answer,) = replies(line("put", body["files"][1]), line("facts"))
    assert "no plain file name" in told(answer)
    assert list(scratch.iterdir()) == []


def test_impossible_files_are_refused(model: Model) -> None:
    with pytest.raises(ValueError, match="size or SHA-256"):
        ModelFile("m", -1)
    with pytest.raises(ValueError, match="size or SHA-256"):
        ModelFile("m", 1, "../../m")
    files = by_hash(model)
    with pytest.raises(ValueError, match="one name"):
        opening(model, [files[0], files[0]])
    with pytest.raises(ValueError, match="from 1 to"):
        opening(model, [])
    vast = [replace(files[0], size=1 << 60), files[1]]
    (answer,) = replies(line("open", opening(model, vast)))
    assert "is free on the disk of the target; make room there" in told(answer)
    (answer,) = replies(line("open", opening(model, by_size(model))))
    assert "have no SHA-256" in told(answer)
