"""Static 8-bit quantisation with the quantiser that ExecuTorch's XNNPACK backend carries."""

from __future__ import annotations

from typing import Any


def quantise(exported: Any, inputs: tuple[Any, ...]) -> Any:
    """Quantise a program, weights per channel and activations per tensor, both signed.

    Calibrated on `inputs` alone: the ranges decide accuracy, not which kernels run. Raises
    whatever torchao raises.
    """
    import torch
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
        XNNPACKQuantizer,
        get_symmetric_quantization_config,
    )
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    quantiser = XNNPACKQuantizer()
    quantiser.set_global(get_symmetric_quantization_config(is_per_channel=True))
    prepared = prepare_pt2e(exported.module(), quantiser)
    with torch.no_grad():
        prepared(*inputs)
    return torch.export.export(convert_pt2e(prepared), inputs)
