"""Programs of torch.export: from a .pt2 file to a model whose every input dimension is decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hwprof.devices.base import Model
from hwprof.devices.program import one_line
from hwprof.devices.torch.archive import read_archive
from hwprof.devices.torch.runtime import import_runtime, quiet
from hwprof.errors import ModelError, OptionError
from hwprof.measurement import Subject
from hwprof.profiler.model_file import check_free_memory, content_hash, printable
from hwprof.profiler.shapes import decide_shapes


def load(
    path: Path,
    *,
    shapes: Mapping[str, Sequence[int]] | None = None,
    batch: int | None = None,
    name: str | None = None,
) -> Model:
    """Read a program that `torch.export.save` wrote, without its weights and without torch.

    Arguments are those of `hwprof.profiler.model_file.load_model`. Nothing in the file is
    unpickled or run. Raises ModelError (the file) or OptionError (the shapes) in one sentence.
    """
    if path.is_dir():
        raise ModelError(f"'{path}' is a folder; name the .pt2 file inside it")
    if not path.exists():
        raise ModelError(f"there is no file '{path}'; check the path")
    archive = read_archive(path)
    declared = [(each.name, each.dtype, list(each.dims)) for each in archive.inputs]
    inputs = decide_shapes(declared, shapes or {}, batch, path.name)
    check_free_memory(path.stat().st_size + sum(t.nbytes or 0 for t in inputs), path.name)
    firsts = {t.shape[0] for t in inputs if t.shape}
    subject = Subject(
        name=printable(path.stem) if name is None else name,
        sha256=content_hash([path]),
        inputs=inputs,
        batch=firsts.pop() if len(firsts) == 1 else None,
    )
    return Model(path, subject, "torch")


def input_names(path: Path) -> set[str]:
    """Names of the program's inputs. Raises ModelError."""
    return {each.name for each in read_archive(path).inputs}


def save(model: Any, inputs: Any, folder: Path) -> Path:
    """Write a torch module, exported with `inputs`, or a program of torch.export into `folder`.

    `inputs` are the module's arguments: a tensor, a sequence of tensors, or a mapping by name.
    Raises OptionError for inputs that do not belong, ModelError for a module that does not export.
    """
    torch = import_runtime()
    program = model
    if isinstance(model, torch.export.ExportedProgram):
        if inputs is not None:
            raise OptionError("a program of torch.export has its inputs; leave out inputs")
    elif isinstance(model, torch.nn.Module):
        program = _exported(torch, model, inputs)
    else:
        raise ModelError(
            f"a {type(model).__name__} is no torch module; give an nn.Module, or what "
            "torch.export.export returns"
        )
    path = folder / "model.pt2"
    try:
        with quiet():
            torch.export.save(program, str(path))
    except Exception as error:  # unusual tensors and operators, each with an error of its own
        raise ModelError(
            f"torch cannot save the exported model: {one_line(error)}; "
            "export it to ONNX and measure the file"
        ) from error
    return path


def _exported(torch: Any, module: Any, inputs: Any) -> Any:
    name = type(module).__name__
    if inputs is None:
        raise OptionError(
            f"measuring the torch module {name} needs example inputs; "
            "give inputs=(tensor, ...) in the shapes to measure"
        )
    if module.training:
        raise ModelError(f"the module {name} is in training mode; call its eval() first")
    args: tuple[Any, ...] = ()
    kwargs = None
    if isinstance(inputs, Mapping):
        kwargs = dict(inputs)
    else:
        args = (inputs,) if isinstance(inputs, torch.Tensor) else tuple(inputs)
    try:
        with quiet(), torch.no_grad():
            return torch.export.export(module, args, kwargs)
    except Exception as error:  # whatever the module's own code raises arrives here
        raise ModelError(
            f"torch cannot export the module {name}: {one_line(error)}; "
            "check its inputs, or export it yourself and give the program"
        ) from error
