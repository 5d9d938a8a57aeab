"""Static 8-bit quantisation, as inductor's quantiser for x86 processors does it."""

from __future__ import annotations

import torch
from torch import fx

from hwprof.convert.torch.runtime import quiet
from hwprof.errors import DeviceError, ModelError, one_line


def quantised(
    module: fx.GraphModule, inputs: tuple[torch.Tensor, ...], model: str
) -> fx.GraphModule:
    """The module with int8 weights (per channel) and activations (per tensor).

    The ranges of activations are those met on `inputs`, which are random: latency hardly hangs on
    them, accuracy does, and nobody should deploy the result.
    Raises DeviceError without torchao, ModelError for a model that it cannot quantise.
    """
    try:
        with quiet():
            from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
            from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86
    except Exception as error:  # not installed, or built for another torch
        raise DeviceError(
            f"precision=int8 needs torchao, which does not import ({one_line(error)}); "
            "install it with pip install torchao"
        ) from error
    try:
        with quiet(), torch.no_grad():
            exported = torch.export.export(module, inputs).module()
            quantiser = x86.X86InductorQuantizer()
            quantiser.set_global(x86.get_default_x86_inductor_quantization_config())
            prepared = prepare_pt2e(exported, quantiser)
            prepared(*inputs)
            found: fx.GraphModule = convert_pt2e(prepared)
    except Exception as error:  # export and quantiser raise what they like
        raise ModelError(
            f"torchao cannot quantise '{model}': {one_line(error)}; use precision=fp32"
        ) from error
    return found
