"""The device `tvm-cpu`: options, identity, and opening a model."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hwprof.device_spec import DeviceSpec
from hwprof.devices.base import Availability, Device
from hwprof.devices.options import chosen, refuse_unknown, threads_of
from hwprof.devices.program import ProgramSession
from hwprof.devices.tvm.runtime import import_runtime, processor, set_threads
from hwprof.errors import OptionError
from hwprof.machine.host import hardware
from hwprof.models.base import Model
from hwprof.models.formats import refuse_other_formats

# How TVM's own guides compile for a CPU. `zero` is what the quick start does: legalise, fold
# constants, fuse. `static_shape_tuning` takes batch normalisation and the like apart before, so
# that their parts fuse too; the guide to optimising a model uses it. `default` is `tvm.compile`
# alone, which fuses nothing.
PIPELINES = ("zero", "static_shape_tuning", "default")
MAX_TRIALS = 100_000


@dataclass(frozen=True, slots=True)
class TvmCpu(Device):
    """Apache TVM with its LLVM code generator.

    Without schedules TVM compiles plain loops, on one thread however many it has, often 50 times
    slower than a tuned library: that is TVM untuned, and it is measured as such. `database` names
    a folder with schedules that TVM's meta-schedule tuner found; `tune` asks for `tune` trials for
    every kernel that the folder does not know yet, before the model is opened. A kernel once
    searched is never searched again, so that every restart runs the same schedules.
    """

    threads: int = 1
    pipeline: str = "zero"
    mcpu: str = "auto"
    tune: int = 0
    database: Path | None = None

    @classmethod
    def availability(cls) -> Availability:
        if importlib.util.find_spec("tvm") is None:
            return Availability(
                False,
                "tvm is not installed; install it with pip install 'hwprof[tvm]'",
                "pip install 'hwprof[tvm]'",
            )
        return Availability(True)

    @classmethod
    def create(cls, options: Mapping[str, str]) -> TvmCpu:
        refuse_unknown(options, "tvm-cpu", ("threads", "pipeline", "mcpu", "tune", "database"))
        tune = options.get("tune", "0")
        if not tune.isdecimal() or int(tune) > MAX_TRIALS:
            raise OptionError(
                f"tune must be a number of trials per kernel, at most {MAX_TRIALS}, got '{tune}'; "
                "try tune=32"
            )
        folder = Path(options["database"]).expanduser() if "database" in options else None
        if int(tune) and folder is None:
            raise OptionError(
                "tune needs a folder to keep what it finds, or every process would search anew; "
                "add database=FOLDER"
            )
        if folder is not None and not int(tune) and not folder.is_dir():
            raise OptionError(
                f"there is no folder '{folder}' with schedules; check the path of database, or "
                "add tune=32 to fill it"
            )
        pipeline = chosen(options, "pipeline", PIPELINES, "zero")
        if folder is not None and pipeline == "default":
            raise OptionError(
                "pipeline=default applies no schedules; use pipeline=zero or "
                "pipeline=static_shape_tuning with database"
            )
        return cls(
            threads=threads_of(options),
            pipeline=pipeline,
            mcpu=options.get("mcpu", "auto"),
            tune=int(tune),
            database=folder.absolute() if folder else None,
        )

    @property
    def spec(self) -> DeviceSpec:
        tvm = import_runtime()
        import tvm_ffi
        from tvm.target.codegen import llvm_version_major

        machine = hardware()
        return DeviceSpec(
            name="tvm-cpu",
            hardware=machine,
            runtime="tvm",
            runtime_version=str(tvm.__version__),
            runtime_build=f"LLVM {llvm_version_major()}, tvm-ffi {tvm_ffi.__version__}",
            provider="llvm",
            precision="native",  # TVM runs the types that the model has
            threads=self.threads,
            options={
                "pipeline": self.pipeline,
                "mcpu": processor(tvm, self.mcpu, machine.isa),
                "tune": str(self.tune),
                "database": str(self.database or "none"),
            },
        )

    def open(self, model: Model) -> ProgramSession:
        # Imported here: these modules need onnx, which listing devices does not.
        from hwprof.devices.tvm.compiling import Compiler
        from hwprof.devices.tvm.program import TvmProgram

        refuse_other_formats(model, "onnx", "tvm-cpu")
        tvm = import_runtime()
        set_threads(tvm, self.threads)
        mcpu = processor(tvm, self.mcpu, hardware().isa)
        target = tvm.target.Target({"kind": "llvm", "mcpu": mcpu, "num-cores": self.threads})
        compiler = Compiler(tvm, target, self.pipeline, self.database)
        if self.database is not None:
            from hwprof.devices.tvm.tuning import check_database, tune

            check_database(self.database, mcpu, self.threads)
            if self.tune:
                # Before the session: searching is not part of setting a model up.
                tune(tvm, compiler.lowered(model).module, target, self.database, self.tune)
        return ProgramSession(
            model,
            self.threads,
            lambda: TvmProgram(tvm, model, self.threads, compiler.compile(model)),
        )
