"""Resizing images."""

from __future__ import annotations

from hwprof.convert.litert.conversion import Conversion, refuse
from hwprof.convert.litert.emitter import channels_last
from hwprof.convert.litert.graph import Node


def resize(conversion: Conversion, node: Node) -> None:
    """RESIZE_BILINEAR or RESIZE_NEAREST_NEIGHBOR, where the sampled places are the same."""
    emit = conversion.emit
    name, output = node.inputs[0], node.outputs[0]
    old, new = emit.shape(name), emit.shape(output)
    refuse(len(old) != 4 or old[:2] != new[:2], "resizes other than height and width")
    mode = node.text("mode", "nearest")
    places = node.text("coordinate_transformation_mode", "half_pixel")
    if node.op == "Upsample" or node.opset < 11:
        places = "asymmetric"
    whole = all(new[d] % old[d] == 0 for d in (2, 3))
    options = {"alignCorners": places == "align_corners", "halfPixelCenters": False}
    if mode == "nearest":
        rounding = node.text("nearest_mode", "round_prefer_floor")
        floors = places == "asymmetric" and (rounding == "floor" or node.opset < 11)
        # By whole factors every cell becomes a block, however its middle is found.
        blocks = whole and places in ("half_pixel", "pytorch_half_pixel")
        refuse(not floors and not (blocks and rounding.startswith("round")),
               f"finds the nearest element in mode {places} with {rounding}")  # fmt: skip
        code = "RESIZE_NEAREST_NEIGHBOR"
    else:
        refuse(mode not in ("linear", "bilinear"), f"interpolates in mode {mode}")
        refuse(bool(node.integer("antialias", 0)), "smooths")
        known = ("half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric")
        refuse(places not in known or (places.startswith("pytorch") and 1 in new[2:]),
               f"interpolates between places of mode {places}")  # fmt: skip
        options["halfPixelCenters"] = places.endswith("half_pixel")
        code = "RESIZE_BILINEAR"
    order = channels_last(4)
    size = emit.integers(new[2:], "size")
    number = emit.read(name, order)
    emit.operator(code, [number, size], [emit.place(output, order)], **options)
    if name in emit.non_negative:
        emit.non_negative.add(output)
