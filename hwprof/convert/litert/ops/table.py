"""Which function writes which ONNX operator."""

from __future__ import annotations

from collections.abc import Mapping

from hwprof.convert.litert.ops import (
    conv,
    elementwise,
    pool,
    products,
    reductions,
    resize,
    shapes,
)

WRITERS: Mapping[str, elementwise.Write] = {
    **elementwise.writers(),
    **dict.fromkeys(reductions.REDUCTIONS, reductions.reduction),
    "ArgMax": reductions.arg_extreme,
    "ArgMin": reductions.arg_extreme,
    "AveragePool": pool.average_pool,
    "BatchNormalization": pool.batch_normalisation,
    "Concat": shapes.concat,
    "Conv": conv.convolution,
    "ConvTranspose": conv.transposed_convolution,
    "DepthToSpace": shapes.depth_to_space,
    "Dropout": shapes.handed_on,
    "Expand": shapes.expand,
    "Flatten": shapes.reshape,
    "Gather": shapes.gather,
    "Gemm": products.gemm,
    "GlobalAveragePool": pool.global_pool,
    "GlobalMaxPool": pool.global_pool,
    "Identity": shapes.handed_on,
    "InstanceNormalization": reductions.instance_normalisation,
    "LRN": pool.response_normalisation,
    "LayerNormalization": reductions.layer_normalisation,
    "LogSoftmax": reductions.softmax,
    "MatMul": products.matmul,
    "MaxPool": pool.max_pool,
    "Pad": shapes.pad,
    "Reshape": shapes.reshape,
    "Resize": resize.resize,
    "Slice": shapes.slice_,
    "Softmax": reductions.softmax,
    "SpaceToDepth": shapes.space_to_depth,
    "Split": shapes.split,
    "Squeeze": shapes.reshape,
    "Tile": shapes.tile,
    "Transpose": shapes.transpose,
    "Unsqueeze": shapes.reshape,
    "Upsample": resize.resize,
}
