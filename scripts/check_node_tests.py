"""The onnx package's own node tests through hwprof: every model that plain ONNX Runtime runs.

    python scripts/check_node_tests.py [--all | --count 280] [--only WORD] [--json FILE]

Each model is measured in this process, once with its own data (written as a folder of the form
`test_data_set_0`, as model zoos have) and once with made-up values. With its own data the outputs
must be those of plain ONNX Runtime. Counted are `run`, `asked` (refused in a sentence that names
what to give) and `failed`; failures that made-up values led to are told from others. What plain
ONNX Runtime does not run on its own data is left out, and counted. Any failure makes the exit
status 1.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import warnings
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Literal

import numpy as np
import onnx
from onnx import numpy_helper

# What watches a measurement is the tests' own.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from common import write

import hwprof
from hwprof.errors import HwprofError
from tests.models_of_reports.watching import QUICK, Watched

COUNT = 280
GIVEN, MADE_UP = "given", "made up"


@dataclass(frozen=True, slots=True)
class Ending:
    """How one model ended in one way of measuring it."""

    test: str
    way: str
    state: Literal["run", "asked", "failed"]
    text: str = ""
    through_values: bool = False
    """Whether it failed because of what was made up: with its own data the same model runs."""


def written(test: Any, folder: Path) -> tuple[Path, Path]:
    """The model's file and the folder of its first data set, in the form of model zoos."""
    path, data = folder / "model.onnx", folder / "test_data_set_0"
    onnx.save(test.model, str(path))
    data.mkdir()
    inputs, _ = test.data_sets[0]
    for i, (value, declared) in enumerate(zip(inputs, test.model.graph.input, strict=False)):
        kind, name = declared.type.WhichOneof("value"), declared.name
        if isinstance(value, onnx.TensorProto):
            proto: Any = value
        elif kind == "sequence_type":
            proto = numpy_helper.from_list(value, name)
        elif kind == "optional_type":
            proto = numpy_helper.from_optional(value, name)
        else:
            proto = numpy_helper.from_array(np.asarray(value), name)
        (data / f"input_{i}.pb").write_bytes(proto.SerializeToString())
    return path, data


def given_values(folder: Path, declared: Sequence[onnx.ValueInfoProto]) -> dict[str, Any]:
    """What a folder of the form `test_data_set_0` holds, by the name of the input.

    Not hwprof's own reader: what plain ONNX Runtime is fed must not depend on it.
    """
    found: dict[str, Any] = {}
    for i, each in enumerate(declared):
        file = folder / f"input_{i}.pb"
        if not file.exists():
            break
        kind = each.type.WhichOneof("value")
        if kind == "sequence_type":
            found[each.name] = numpy_helper.to_list(
                onnx.SequenceProto.FromString(file.read_bytes())
            )
        elif kind == "optional_type":
            proto = onnx.OptionalProto.FromString(file.read_bytes())
            found[each.name] = numpy_helper.to_optional(proto)
        else:
            proto = onnx.TensorProto.FromString(file.read_bytes())
            found[each.name] = numpy_helper.to_array(proto)
    return found


def plain(path: Path, feed: Mapping[str, Any]) -> list[Any] | str:
    """Outputs of plain ONNX Runtime, or why it does not run the model on this data."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(path), options, ["CPUExecutionProvider"])
        wanted = {i.name for i in session.get_inputs()}
        fed = {name: value for name, value in feed.items() if name in wanted}
        first, second = session.run(None, fed), session.run(None, fed)
    except Exception as error:  # the binding raises a dozen types with no common base
        return type(error).__name__
    # Random numbers are nobody's right answer.
    return first if all(same(a, b) for a, b in zip(first, second, strict=True)) else []


def same(found: Any, wanted: Any) -> bool:
    """Equal in shape and elements; NaN equals NaN. What is no tensor is not compared."""
    if not isinstance(found, np.ndarray) or not isinstance(wanted, np.ndarray):
        return True
    if found.dtype.kind in "fc" and wanted.dtype.kind in "fc":
        return np.array_equal(found, wanted, equal_nan=True)
    return found.shape == wanted.shape and bool(np.all(found == wanted))


def measured(name: str, path: Path, way: str, **options: Any) -> tuple[Ending, Watched]:
    """One measurement in this process."""
    target = Watched()
    try:
        hwprof.measure(path, target, QUICK, **options)
    except HwprofError as error:
        text = f"{type(error).__name__}: {error}"
        asked = "--input" in text
        return Ending(name, way, "asked" if asked else "failed", text), target
    except Exception as error:
        return Ending(name, way, "failed", f"raw {type(error).__name__}: {error}"), target
    return Ending(name, way, "run"), target


def endings(test: Any, folder: Path) -> list[Ending] | str:
    """Both ways of measuring a test's model, or why plain ONNX Runtime does not run it."""
    path, data = written(test, folder)
    constants = {t.name for t in test.model.graph.initializer}
    declared = test.model.graph.input
    feed = {n: v for n, v in given_values(data, declared).items() if n not in constants}
    wanted = plain(path, feed)
    if isinstance(wanted, str):
        return wanted
    given, target = measured(test.name, path, GIVEN, inputs=data)
    if given.state == "run" and target.outputs is not None and wanted:
        pairs = zip(target.outputs, wanted, strict=True)
        if not all(same(one, other) for one, other in pairs):
            given = Ending(test.name, GIVEN, "failed", "its outputs are not ONNX Runtime's")
    shapes = {n: v.shape for n, v in feed.items() if isinstance(v, np.ndarray)}
    made_up, _ = measured(test.name, path, MADE_UP, shapes=shapes)
    if made_up.state == "failed":
        through = "does not run" in made_up.text
        made_up = Ending(test.name, MADE_UP, "failed", made_up.text, through)
    return [given, made_up]


def spread(tests: Sequence[Any]) -> list[Any]:
    """The tests in turns over their operators: each has one before any has two."""
    by_op: dict[str, list[Any]] = defaultdict(list)
    for test in sorted(tests, key=lambda t: t.name):
        nodes = test.model.graph.node
        by_op[nodes[0].op_type if nodes else ""].append(test)
    rounds = zip_longest(*(by_op[op] for op in sorted(by_op)))
    return [test for each in rounds for test in each if test is not None]


def node_tests() -> list[Any]:
    """All of them, with their models and data; they are made when they are asked for."""
    from onnx.backend.test.loader import load_node_model_tests

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return [t for t in load_node_model_tests() if t.model is not None and t.data_sets]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--all", action="store_true", help="every test, not a selection")
    parser.add_argument("--count", type=int, default=COUNT, help="how many of them")
    parser.add_argument("--only", metavar="WORD", help="those with this in their name")
    parser.add_argument("--json", type=Path, help="write every ending to this file")
    options = parser.parse_args()
    tests = [t for t in node_tests() if (options.only or "") in t.name]
    wanted = len(tests) if options.all else options.count
    found: list[Ending] = []
    left_out: Counter[str] = Counter()
    for test in spread(tests):
        if len(found) >= 2 * wanted:
            break
        with tempfile.TemporaryDirectory(prefix="node-") as folder:
            ended = endings(test, Path(folder))
        if isinstance(ended, str):
            left_out[ended] += 1
        else:
            found += ended
    for ending in found:
        if ending.state == "failed":
            why = "made-up values" if ending.through_values else "other reasons"
            print(f"failed ({why})  {ending.test}, {ending.way}: {ending.text!r:.240s}")
    for way in (GIVEN, MADE_UP):
        states = Counter(e.state for e in found if e.way == way)
        through = sum(e.through_values for e in found if e.way == way)
        print(
            f"{way}: {states['run']} run / {states['asked']} asked / {states['failed']} failed"
            + (f" ({through} of them through the values)" if through else "")
        )
    reasons = ", ".join(f"{count} {why}" for why, count in left_out.most_common())
    print(f"{len(found) // 2} models; plain ONNX Runtime does not run {reasons or 'none'}")
    write(options.json, {"left_out": left_out, "endings": [asdict(e) for e in found]})
    raise SystemExit(1 if any(e.state == "failed" for e in found) else 0)


if __name__ == "__main__":
    main()
