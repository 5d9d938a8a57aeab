"""The device `tvm-cpu`: options, identity, and opening a model."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from hwprof.devices.base import Availability
from hwprof.devices.declared import DeclaredDevice, Runtime, installed
from hwprof.devices.options import choice, option, thread_count
from hwprof.devices.program import ProgramSession
from hwprof.devices.tvm.runtime import INSTALL, import_runtime, processor, set_threads
from hwprof.errors import OptionError
from hwprof.machine.host import hardware
from hwprof.models.base import Model

# How TVM's own guides compile for a CPU. `zero` is what the quick start does: legalise, fold
# constants, fuse. `static_shape_tuning` takes batch normalisation and the like apart before, so
# that their parts fuse too; the guide to optimising a model uses it. `default` is `tvm.compile`
# alone, which fuses nothing.
PIPELINES = ("zero", "static_shape_tuning", "default")
MAX_TRIALS = 100_000


def _read_folder(name: str, text: str) -> Path:
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:  # ~name of nobody here
        raise OptionError(f"{name}: '{text}' names no home here; write the path out") from error


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except (OSError, ValueError):  # too long a name, or a NUL in it
        return False


def _read_trials(name: str, text: str) -> int:
    if not text.isdecimal() or len(text) > len(str(MAX_TRIALS)) or int(text) > MAX_TRIALS:
        raise OptionError(
            f"{name} must be a number of trials per kernel, at most {MAX_TRIALS}, got "
            f"'{text[:80]}'; try {name}=32"
        )
    return int(text)


@dataclass(frozen=True, slots=True)
class TvmCpu(DeclaredDevice):
    """Apache TVM with its LLVM code generator.

    Without schedules TVM compiles plain loops, on one thread however many it has, often 50 times
    slower than a tuned library: that is TVM untuned, and it is measured as such. `database` names
    a folder with schedules that TVM's meta-schedule tuner found; `tune` asks for `tune` trials for
    every kernel that the folder does not know yet, before the model is opened. A kernel once
    searched is never searched again, so that every restart runs the same schedules.
    """

    NAME: ClassVar[str] = "tvm-cpu"

    threads: int = thread_count()
    pipeline: str = choice("zero", PIPELINES, "how TVM's own guides compile for a CPU")
    mcpu: str = option("auto", "LLVM's name of the processor", lambda _, text: text, form="NAME")
    tune: int = option(0, "trials for each kernel without a schedule", _read_trials, form="N")
    database: Path | None = option(  # noqa: RUF009 - it makes a field
        None,
        "folder of schedules",
        _read_folder,
        written="",
        form="FOLDER",
        show=lambda folder: str(folder or "none"),
    )

    @classmethod
    def availability(cls) -> Availability:
        return installed(INSTALL, "tvm")

    def check(self) -> None:
        if self.tune and self.database is None:
            raise OptionError(
                "tune needs a folder to keep what it finds, or every process would search anew; "
                "add database=FOLDER"
            )
        if self.database is None:
            return
        if not self.tune and not _is_folder(self.database):
            raise OptionError(
                f"there is no folder '{self.database}' with schedules; check the path of "
                "database, or add tune=32 to fill it"
            )
        if self.pipeline == "default":
            raise OptionError(
                "pipeline=default applies no schedules; use pipeline=zero or "
                "pipeline=static_shape_tuning with database"
            )

    def runtime(self) -> Runtime:
        tvm = import_runtime()
        import tvm_ffi
        from tvm.target.codegen import llvm_version_major

        return Runtime(
            "tvm",
            str(tvm.__version__),
            f"LLVM {llvm_version_major()}, tvm-ffi {tvm_ffi.__version__}",
            "llvm",
            options={"mcpu": processor(tvm, self.mcpu, hardware().isa)},
        )

    def open_model(self, model: Model) -> ProgramSession:
        # Imported here: these modules need onnx, which listing devices does not.
        from hwprof.devices.tvm.compiling import Compiler
        from hwprof.devices.tvm.program import TvmProgram

        tvm = import_runtime()
        set_threads(tvm, self.threads)
        mcpu = processor(tvm, self.mcpu, hardware().isa)
        target = tvm.target.Target({"kind": "llvm", "mcpu": mcpu, "num-cores": self.threads})
        compiler = Compiler(tvm, target, self.pipeline, self.database, (mcpu, self.threads))
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
