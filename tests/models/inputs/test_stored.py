from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from hwprof.errors import ModelError
from hwprof.models.inputs.stored import Value, read_values, value_hash, write_values

tensors = hnp.arrays(
    st.sampled_from([np.float32, np.int64, np.bool_, np.float16, np.uint8]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)
texts = hnp.arrays(st.just(np.dtype("<U5")), hnp.array_shapes(max_dims=2, max_side=3))
values = st.one_of(tensors, texts, st.lists(tensors, max_size=3), st.none())


@given(st.dictionaries(st.text(max_size=20), values, max_size=4))
def test_values_come_back_as_they_went(
    tmp_path_factory: pytest.TempPathFactory, given_values: dict[str, Value]
) -> None:
    path = tmp_path_factory.mktemp("values") / "values"
    write_values(given_values, path)
    found = read_values(path)
    assert list(found) == list(given_values)
    for name, value in given_values.items():
        assert value_hash(found[name]) == value_hash(value)


def test_the_hash_tells_types_shapes_and_kinds_apart() -> None:
    one = np.zeros((2, 3), np.float32)
    others: list[Value] = [one, one.T, one.astype(np.int32), [one], [one, one], [], None, one + 1]
    assert len({value_hash(value) for value in others}) == len(others)


def test_what_is_no_such_file(tmp_path: Path) -> None:
    path = tmp_path / "values"
    with pytest.raises(ModelError, match="cannot be read"):
        read_values(path)
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(ModelError, match="cannot be read"):
        read_values(path)


def test_a_header_that_promises_more_than_there_is(tmp_path: Path) -> None:
    path = tmp_path / "values"
    np.save(tmp_path / "x.npy", np.zeros(10))
    content = (tmp_path / "x.npy").read_bytes().replace(b"(10,), }    ", b"(99999999,)}")
    assert b"99999999" in content
    with zipfile.ZipFile(path, "w") as archive:
        info = zipfile.ZipInfo("0.npy")
        info.comment = b"tensor:x"
        archive.writestr(info, content)
    with pytest.raises(ModelError, match="cannot be read"):
        read_values(path)
