"""Values that a caller gives, for models that really run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from hwprof.errors import OptionError
from hwprof.models.base import Model
from hwprof.models.inputs import feed_of, tensors_of
from hwprof.models.inputs.given import ALL
from hwprof.models.load import load_model


@pytest.fixture
def adding(tmp_path: Path) -> Path:
    """y = x + n, with an open first dimension, and z = n of another type."""
    graph = helper.make_graph(
        [helper.make_node("Cast", ["n"], ["f"], to=1), helper.make_node("Add", ["x", "f"], ["y"])],
        "adding",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3]),
            helper.make_tensor_value_info("n", TensorProto.INT32, ["batch", 3]),
        ],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 3])],
    )
    path = tmp_path / "adding.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)]), str(path))
    return path


def test_an_array_decides_the_shape_and_the_identity(adding: Path) -> None:
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    model = load_model(adding, inputs={"x": x})
    assert [t.shape for t in model.subject.inputs] == [(2, 3), (2, 3)]
    values = {v.name: v for v in model.subject.values}
    assert (values["x"].text, values["x"].origin) == ("an array", "given")
    assert values["n"].origin == "made up"
    assert np.array_equal(tensors_of(model)["x"], x)
    other = load_model(adding, inputs={"x": x + 1})
    made_up = load_model(adding, batch=2)
    assert len({model.subject.key, other.subject.key, made_up.subject.key}) == 3
    again = load_model(adding, inputs={"x": x.astype(np.float64)})
    assert again.subject.key == model.subject.key


def test_what_is_made_up_as_ever_keeps_the_identity_of_ever(adding: Path) -> None:
    subject = load_model(adding, batch=2).subject
    assert subject.key == f"{subject.sha256[:16]}(x:float32[2,3],n:int32[2,3])"
    same = load_model(adding, batch=2, inputs={"x": "0..1"}).subject
    assert same.key == subject.key
    assert same.values[0].origin == "given"


def test_rules_numbers_and_order(adding: Path) -> None:
    model = load_model(adding, batch=1, inputs={"x": 0.5, "n": "7"})
    assert tensors_of(model)["x"].tolist() == [[0.5, 0.5, 0.5]]
    assert tensors_of(model)["n"].tolist() == [[7, 7, 7]]
    assert [v.text for v in model.subject.values] == ["0.5", "7"]
    ordered = load_model(adding, inputs=[np.ones((1, 3)), [[1, 2, 3]]])
    assert tensors_of(ordered)["n"].tolist() == [[1, 2, 3]]
    assert tensors_of(ordered)["n"].dtype == np.int32
    alone = load_model(adding, inputs=np.zeros((4, 3)))
    assert alone.subject.batch == 4


def test_files(adding: Path, tmp_path: Path) -> None:
    x = np.full((2, 3), 2.5, np.float32)
    np.save(tmp_path / "x.npy", x)
    np.savez(tmp_path / "all.npz", x=x, n=np.ones((2, 3), np.int32))
    one = load_model(adding, inputs={"x": str(tmp_path / "x.npy")})
    assert one.subject.values[0].text == "x.npy"
    both = load_model(adding, inputs=tmp_path / "all.npz")
    assert [v.text for v in both.subject.values] == ["all.npz", "all.npz"]
    assert [v.origin for v in both.subject.values] == ["given", "given"]
    # What is said of one input goes before what a file says of all.
    mixed = load_model(adding, inputs={ALL: tmp_path / "all.npz", "n": "3"})
    assert tensors_of(mixed)["n"].tolist() == [[3, 3, 3], [3, 3, 3]]
    assert np.array_equal(tensors_of(mixed)["x"], x)


def test_a_folder_of_test_data(adding: Path, tmp_path: Path) -> None:
    folder = tmp_path / "test_data_set_0"
    folder.mkdir()
    x, n = np.ones((1, 3), np.float32), np.array([[4, 5, 6]], np.int32)
    for number, array in enumerate((x, n)):
        proto = numpy_helper.from_array(array, ("x", "n")[number])
        (folder / f"input_{number}.pb").write_bytes(proto.SerializeToString())
    (folder / "output_0.pb").write_bytes(b"not read")
    assert np.array_equal(tensors_of(load_model(adding, inputs=folder))["n"], n)


@pytest.mark.parametrize(
    ("inputs", "match"),
    [
        ({"y": 1}, r"no input 'y'; its inputs are x, n"),
        ({"x": np.ones((2, 4))}, r"have the shape \[1, 4\]|have the shape \[2, 4\], and it takes"),
        ({"n": np.array([[0.5, 1, 2]])}, "holds int32, and values of type float64"),
        ({"n": np.array([[2**40, 1, 2]])}, "holds int32"),
        ({"x": np.array([["a", "b", "c"]])}, "holds float32"),
        ({"x": "here.npy"}, "no file 'here.npy'"),
        ([1, 2, 3], "3 inputs are given, and 'adding.onnx' has 2"),
        ({"x": [np.ones(2), np.ones(3)]}, "no array"),
        ({"x": object()}, "of the type object, which is no array"),
        ("nowhere.npz", "no file 'nowhere.npz'"),
    ],
)
def test_values_that_do_not_fit(adding: Path, inputs: Any, match: str) -> None:
    with pytest.raises(OptionError, match=match):
        load_model(adding, batch=1, inputs=inputs)


def test_a_shape_beside_an_array_of_another(adding: Path) -> None:
    with pytest.raises(OptionError, match=r"unlike its --shape; leave out --shape x"):
        load_model(adding, shapes={"x": (4, 3)}, inputs={"x": np.ones((2, 3))})


def test_python_objects_in_files_are_never_loaded(adding: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.npy"
    np.save(bad, np.array([{"a": 1}], object), allow_pickle=True)
    with pytest.raises(OptionError, match=r"is no \.npy file"):
        load_model(adding, batch=1, inputs={"x": bad})
    archive = tmp_path / "bad.npz"
    np.savez(archive, x=np.array([{"a": 1}], object))
    with pytest.raises(OptionError, match=r"is no \.npz file"):
        load_model(adding, batch=1, inputs=archive)


def joining(path: Path, kind: str) -> Path:
    """A model whose input is a sequence, an optional, or texts."""
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    if kind == "sequence":
        node = helper.make_node("ConcatFromSequence", ["q"], ["y"], axis=0)
        value = helper.make_tensor_sequence_value_info("q", TensorProto.FLOAT, None)
    elif kind == "optional":
        node = helper.make_node("OptionalHasElement", ["q"], ["y"])
        inner = helper.make_tensor_type_proto(TensorProto.FLOAT, [2])
        value = helper.make_value_info("q", helper.make_optional_type_proto(inner))
        y = helper.make_tensor_value_info("y", TensorProto.BOOL, [])
    else:
        node = helper.make_node("StringSplit", ["q"], ["y", "n"])
        value = helper.make_tensor_value_info("q", TensorProto.STRING, ["batch"])
        y = helper.make_tensor_value_info("y", TensorProto.STRING, None)
    graph = helper.make_graph([node], kind, [value], [y])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.save(model, str(path))
    return path


def outputs(model: Model) -> Any:
    import onnxruntime

    session = onnxruntime.InferenceSession(str(model.path), providers=["CPUExecutionProvider"])
    return session.run(None, feed_of(model))[0]


def test_sequences_optionals_and_texts(tmp_path: Path) -> None:
    parts = [np.ones((1, 2), np.float32), np.zeros((3, 2), np.float32)]
    path = joining(tmp_path / "q.onnx", "sequence")
    model = load_model(path, inputs={"q": parts})
    assert model.subject.inputs[0].describe() == "sequence(float32)[2]"
    assert outputs(model).shape == (4, 2)
    np.savez(tmp_path / "q.npz", **{"q.0": parts[0], "q.1": parts[1]})
    assert load_model(path, inputs=tmp_path / "q.npz").subject.key == model.subject.key
    path = joining(tmp_path / "o.onnx", "optional")
    full = load_model(path, inputs={"q": np.ones(2, np.float32)})
    empty = load_model(path, inputs={"q": None})
    assert full.subject.key != empty.subject.key
    path = joining(tmp_path / "s.onnx", "texts")
    filled = load_model(path, batch=2, inputs={"q": "a b"})
    assert outputs(filled).tolist() == [["a", "b"], ["a", "b"]]
    assert filled.subject.values[0].text == "'a b'"
    model = load_model(path, batch=2, inputs={"q": ["a b", "c d"]})
    assert outputs(model).tolist() == [["a", "b"], ["c", "d"]]


@pytest.mark.parametrize("kind", ["sequence", "optional"])
def test_sequences_are_never_made_up(tmp_path: Path, kind: str) -> None:
    path = joining(tmp_path / "q.onnx", kind)
    with pytest.raises(OptionError, match=r"no values can be made up"):
        load_model(path)


def test_a_list_where_a_tensor_belongs(tmp_path: Path) -> None:
    path = joining(tmp_path / "q.onnx", "sequence")
    with pytest.raises(OptionError, match="is of the type sequence"):
        load_model(path, inputs={"q": np.ones((1, 2), np.float32)})
