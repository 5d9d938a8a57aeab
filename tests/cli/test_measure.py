"""`hwprof measure` on real models in real worker processes."""

from __future__ import annotations

import platform
from collections.abc import Callable
from pathlib import Path

import pytest

from hwprof.lut import Table
from tests.cli.conftest import Result

Cli = Callable[..., Result]
# Loose enough to be over at the least number of samples on any machine.
QUICK = ("--precision", "0.3", "--budget", "2", "--restarts", "1")


def test_a_real_model_gives_every_promised_field(hwprof: Cli, squeezenet: Path) -> None:
    done = hwprof("measure", squeezenet, *QUICK, "--json")
    assert (done.code, done.err) == (0, "")
    (result,) = done.json
    assert result["model"] == "light_squeezenet"
    assert len(result["sha256"]) == 64
    assert result["provenance"]["host"] == platform.node()
    assert result["device"]["slug"].endswith("native-1t-opt-all-spin-on")
    latency = result["latency_s"]
    low, high = latency["ci95"]
    assert 0 < low <= latency["p25"] <= high
    assert 0 < latency["min"] <= latency["p25"]
    assert latency["p25"] <= latency["median"]
    assert latency["n"] >= 30
    assert 0 <= latency["clean_share"] <= 1
    assert result["peak_memory_bytes"] > result["memory"]["weights_bytes"] > 1 << 20
    assert (result["energy_gross_j"] is None) == bool(result["energy_reason"])
    assert (result["energy_net_j"] is None) == bool(result["energy_reason"])
    kernels = result["kernels"]
    assert sum(kernel["count"] for kernel in kernels) >= 38
    convolutions = [kernel for kernel in kernels if "Conv" in kernel["op"]]
    assert all(kernel["flops"] > 0 and kernel["latency_s"] > 0 for kernel in convolutions)
    assert result["kernels_total_s"] == pytest.approx(
        sum(kernel["count"] * kernel["latency_s"] for kernel in kernels)
    )
    assert result["unknown_ops"] == []
    assert result["uncovered_nodes"] == []


def test_inputs_are_part_of_what_was_measured(hwprof: Cli, mlp: Path) -> None:
    command = ("measure", mlp, *QUICK, "--no-per-op", "--resume")
    found = []
    for options in ((), ("--input", "x=0.5"), ("--input", "x=0.5"), ("--input", "x=0.25")):
        (result,) = hwprof(*command, *options, "--json").json
        found.append(result)
    assert [r["values"][0]["text"] for r in found] == ["0..1", "0.5", "0.5", "0.25"]
    assert [r["values"][0]["origin"] for r in found] == ["made up", *["given"] * 3]
    ids = [r["id"] for r in found]
    assert ids[1] == ids[2]
    assert len(set(ids)) == 3
    shown = hwprof("measure", mlp, *QUICK, "--no-per-op", "--input", "x=0.5", "--resume").out
    assert "inputs   given: x 0.5" in shown


def test_what_was_measured_is_kept_and_resumed(hwprof: Cli, mlp: Path) -> None:
    command = ("measure", mlp, *QUICK, "--no-per-op", "--json")
    (first,) = hwprof(*command).json
    (again,) = hwprof(*command, "--resume").json
    assert again["id"] == first["id"]
    (anew,) = hwprof(*command).json
    assert anew["id"] != first["id"]
    (other,) = hwprof(*command, "--resume", "--restarts", "2").json
    assert other["id"] not in (first["id"], anew["id"])
    assert len(other["setup_s"]) == 2
    with Table.open("hwprof.db") as table:
        assert table.counts()["measurements"] == 3


def test_shapes_batches_and_several_inputs(
    hwprof: Cli, two_inputs: Path, dynamic_mlp: Path, external_mlp: Path, magika_model: Path
) -> None:
    quick = (*QUICK, "--no-per-op", "--json")
    shaped = hwprof(
        "measure", two_inputs, dynamic_mlp, "--shape", "ids=2,7", "--batch", "2", *quick
    )
    assert shaped.code == 0, shaped.err
    assert [[i["shape"] for i in r["inputs"]] for r in shaped.json] == [
        [[2, 7], [2, 7, 1]],
        [[2, 8]],
    ]
    outside = hwprof("measure", external_mlp, *quick)
    assert outside.code == 0, outside.err
    trained = hwprof("measure", magika_model, "--batch", "3", *quick)
    assert trained.code == 0, trained.err
    assert trained.json[0]["batch"] == 3
    assert trained.json[0]["inputs"][0]["dtype"] == "int32"


def test_a_person_reads_milliseconds_and_reasons(hwprof: Cli, squeezenet: Path) -> None:
    done = hwprof("measure", squeezenet, *QUICK)
    assert done.code == 0, done.err
    for words in ("latency", " ms ", "set-up", "memory", "MiB", "energy", "Conv", "Saved in"):
        assert words in done.out
    assert "uninterrupted" in done.out or "CPU time" in done.out


def test_one_bad_model_does_not_stop_the_others(hwprof: Cli, mlp: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.onnx"
    cut.write_bytes(mlp.read_bytes()[:100])
    done = hwprof("measure", cut, mlp, *QUICK, "--no-per-op", "--json")
    assert "cut.onnx" in done.error
    assert done.code == 1
    assert [result["model"] for result in done.json] == [str(cut), "mlp"]
    assert done.json[0]["latency_s"] is None
    assert done.json[0]["reason"] == done.error.removeprefix("error: ")
    shown = hwprof("lut", "show", "--json").json
    assert {row["id"]: row["source"] for row in shown} == {
        done.json[0]["id"]: "failed",
        done.json[1]["id"]: "measured",
    }


def test_what_is_misspelt_is_no_row(hwprof: Cli, mlp: Path, tmp_path: Path) -> None:
    alone = hwprof("measure", tmp_path / "modle.onnx", *QUICK)
    assert "there is no file" in alone.error
    assert alone.code == 2
    assert not Path("hwprof.db").exists()
    among = hwprof("measure", tmp_path / "modle.onnx", mlp, *QUICK, "--no-per-op", "--json")
    assert "there is no file" in among.error
    assert among.code == 2
    assert [result["id"] is None for result in among.json] == [True, False]
    for wrong in (("--shape", "x=4,9"), ("--input", "z=1"), ("--device", "npu"), ("--fast",)):
        assert hwprof("measure", mlp, *QUICK, *wrong).code != 0
    assert [row["model"] for row in hwprof("lut", "show", "--json").json] == ["mlp"]


def test_models_of_one_name_and_names_of_ones_own(hwprof: Cli, mlp: Path, tmp_path: Path) -> None:
    import onnx

    from tests.small_models import mlp_proto

    paths = [tmp_path / folder / "model.onnx" for folder in ("a", "b")]
    for width, path in enumerate(paths, 9):
        path.parent.mkdir()
        onnx.save(mlp_proto(width=width), str(path))
    quick = (*QUICK, "--no-per-op", "--json")
    together = hwprof("measure", *paths, *quick, "--tag", "pair", "--tag", "trial").json
    assert [result["model"] for result in together] == ["a/model", "b/model"]
    assert [result["tags"] for result in together] == [["pair", "trial"]] * 2
    (named,) = hwprof("measure", paths[0], *quick, "--name", "mine").json
    assert named["model"] == "mine"
    assert named["sha256"] == together[0]["sha256"]
    tagged = hwprof("lut", "show", "--tag", "pair", "--json").json
    assert {row["id"] for row in tagged} == {row["id"] for row in together}
    assert hwprof("measure", *paths, *quick, "--name", "ours").code == 2


def test_threads_and_optimisation_level_are_other_devices(hwprof: Cli, mlp: Path) -> None:
    quick = (*QUICK, "--no-per-op", "--json")
    slugs = {
        hwprof("measure", mlp, *options, *quick).json[0]["device"]["slug"]
        for options in ((), ("--threads", "2"), ("--device", "cpu:opt=basic,threads=2"))
    }
    assert len(slugs) == 3


def test_the_environment_names_the_table(
    hwprof: Cli, mlp: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HWPROF_LUT", str(tmp_path / "mine.db"))
    assert hwprof("measure", mlp, *QUICK, "--no-per-op", "--json").code == 0
    assert (tmp_path / "mine.db").exists()
    assert not Path("hwprof.db").exists()


def test_a_table_travels_through_every_format(hwprof: Cli, squeezenet: Path) -> None:
    measured = hwprof("measure", squeezenet, *QUICK, "--json").json
    for suffix in ("jsonl", "csv", "parquet"):
        assert hwprof("lut", "export", "-o", f"out.{suffix}").code == 0
        done = hwprof("lut", "import", f"out.{suffix}", "--lut", f"{suffix}.db")
        assert done.code == 0, done.err
        assert hwprof("lut", "show", "--json", "--lut", f"{suffix}.db").json == measured
        again = hwprof("lut", "import", f"out.{suffix}", "--lut", f"{suffix}.db")
        assert " 0 added" in again.out


def test_one_measurement_and_its_kernels_are_shown(hwprof: Cli, squeezenet: Path) -> None:
    (result,) = hwprof("measure", squeezenet, *QUICK, "--json").json
    prefix = result["id"][:8]
    assert hwprof("lut", "show", prefix, "--json").json == result
    assert "light_squeezenet" in hwprof("lut", "show", prefix).out
    kernels = hwprof("lut", "show", prefix, "--kernels").out
    assert "com.microsoft.nchwc:Conv{" in kernels
    assert "covers" in kernels
    assert "none of the 1 row" in hwprof("lut", "show", "--model", "resnet*").error


def test_compare_two_models_now_and_from_the_table(
    hwprof: Cli, mlp: Path, squeezenet: Path
) -> None:
    quick = (*QUICK, "--restarts", "3")
    now = hwprof("compare", squeezenet, mlp, *quick, "--anyway", "--json")
    assert now.code == 0, now.err
    assert now.json["ratio"] > 10
    assert now.json["different"] is True
    assert "interleaved" in now.json["method"]
    stored = hwprof("compare", "light_squeezenet", "mlp", "--anyway")
    assert stored.code == 0, stored.err
    assert "a is slower" in stored.out
    devices = hwprof("compare", "cpu:opt=none", "cpu", "--model", squeezenet, *quick)
    # On a busy machine the two may end on unlike grounds, which is said.
    assert devices.code == (4 if "unlike in" in devices.out else 0), devices.err
    assert "differ in opt" in devices.out


def test_devices_and_doctor(hwprof: Cli) -> None:
    listed = hwprof("devices", "--quick", "--json").json
    (device,) = [d for d in listed if d["name"] == "onnxruntime-cpu"]
    options = device.pop("options")
    assert device == {"name": "onnxruntime-cpu", "available": True, "reason": "", "spec": None}
    assert [each["name"] for each in options] == [
        *("threads", "opt", "spin", "precision", "custom_ops")
    ]
    assert options[2]["values"] == ["on", "off"]
    assert "onnxruntime-cpu" in hwprof("devices").out
    findings = hwprof("doctor", "--json").json
    assert {"governor", "steal", "pinning", "energy", "versions"} <= {f["check"] for f in findings}
    assert "pinning" in hwprof("doctor").out
