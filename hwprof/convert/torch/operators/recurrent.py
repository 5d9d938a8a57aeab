"""Recurrent layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from hwprof.convert.torch.builder import Value
from hwprof.convert.torch.call import Call, converts

# ONNX orders the gates iofc and zrh, torch ifgo and rzn.
_LSTM = (0, 2, 3, 1)
_GRU = (1, 0, 2)


@converts("LSTM", "GRU")
def recurrent(call: Call) -> Sequence[Value]:
    """One layer, in one or both directions, with torch's own activations."""
    lstm = call.op == "LSTM"
    x, size = call.input(), call.attribute("hidden_size")
    for name in ("activations", "clip", "layout", "input_forget"):
        if call.attribute(name) and (name != "activations" or not _usual(call, lstm)):
            call.refuse(f"sets '{name}' to what torch's layer does not have")
    if call.has(4):
        call.refuse("takes the lengths of its sequences, which the conversion does not know")
    direction = call.attribute("direction", "forward")
    if direction == "reverse" or (lstm and call.has(7)):
        call.refuse("runs in reverse or has peepholes, which torch's layer does not have")
    if not lstm and not call.attribute("linear_before_reset", 0):
        call.refuse("resets before its product, which torch's layer does not")
    order = _LSTM if lstm else _GRU
    weights: list[Value] = []
    ways = 2 if direction == "bidirectional" else 1
    w, r = (call.known(position, "weights") for position in (1, 2))
    biases = call.known(3, "biases") if call.has(3) else w.new_zeros(ways, 2 * len(order) * size)
    for way in range(ways):
        halves = biases[way].chunk(2)
        for part in (w[way], r[way], *halves):
            gates = part.chunk(len(order))
            weights.append(call.build.constant(torch.cat([gates[gate] for gate in order])))
    zeros = call.build.constant(torch.zeros(ways, x.shape[1], size))
    first: Any = call.optional(5) or zeros
    if lstm:
        first = [first, call.optional(6) or zeros]
    found = call.build.calls(run_lstm if lstm else run_gru, x, first, weights, ways == 2)
    return [found] if isinstance(found, Value) else found


def run_lstm(
    x: torch.Tensor, first: list[torch.Tensor], weights: list[torch.Tensor], both: bool
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Outputs [length, directions, batch, size], last hidden and last cell state."""
    y, hidden, cell = torch.lstm(x, list(first), list(weights), True, 1, 0.0, False, both, False)
    return _by_direction(y, both), hidden, cell


def run_gru(
    x: torch.Tensor, first: torch.Tensor, weights: list[torch.Tensor], both: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Outputs [length, directions, batch, size] and the last hidden state."""
    y, hidden = torch.gru(x, first, list(weights), True, 1, 0.0, False, both, False)
    return _by_direction(y, both), hidden


def _by_direction(y: torch.Tensor, both: bool) -> torch.Tensor:
    length, batch, _ = y.shape
    return y.reshape(length, batch, 2 if both else 1, -1).transpose(1, 2)


def _usual(call: Call, lstm: bool) -> bool:
    each = ["sigmoid", "tanh", "tanh"] if lstm else ["sigmoid", "tanh"]
    named = [str(name.decode()).lower() for name in call.attribute("activations")]
    return named in (each, each * 2)
