"""Scores from files, and the names that limits have on the command line."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from hwprof import OptionError
from hwprof.metrics import METRICS
from hwprof.search.scores import read_scores
from hwprof.search.stored import default_proxy, named_limits

CELL = "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|"
OTHER = "|none~0|+|none~0|none~1|+|none~0|none~1|skip_connect~2|"


def test_scores_by_architecture(tmp_path):
    path = tmp_path / "mine.csv"
    path.write_text(f"\ufeffarch,other,accuracy\n{CELL},1, 9e1\n {OTHER} ,2,-3\n", encoding="utf-8")
    assert read_scores(path, "nasbench201") == {CELL: 90.0, OTHER: -3.0}
    assert read_scores(path, "nasbench201", "other") == {CELL: 1.0, OTHER: 2.0}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (f"arch\n{CELL}", "needs the columns arch and accuracy"),
        ("", "needs the columns arch and accuracy"),
        ("arch,accuracy\n", "holds no architecture"),
        (f"arch,accuracy\n{CELL},nan", "line 2 of .* which is no number"),
        (f"arch,accuracy\n{CELL}", "line 2 of .* which is no number"),
        (f"arch,accuracy\n{CELL},1\n{CELL},2", "line 3 of .* again"),
        ("arch,accuracy\nx,1", "line 2 of .* is no architecture"),
        ("arch,accuracy\n,1", "line 2 of .* is no architecture"),
        (b"\xff\xfe\x00", "cannot be read as CSV"),
    ],
)
def test_scores_that_cannot_be(tmp_path, text, says):
    path = tmp_path / "mine.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(OptionError, match=says) as error:
        read_scores(path, "nasbench201")
    assert "\n" not in str(error.value)


def test_a_folder_holds_no_scores(tmp_path):
    with pytest.raises(OptionError, match="is not a file"):
        read_scores(tmp_path, "nasbench201")


def test_limits_by_name():
    phone, board = (SimpleNamespace(metric=METRICS[name]) for name in ("latency", "energy"))
    both = {"phone": phone, "board": board, "other": phone}
    assert named_limits(["latency=5ms", "energy = 2mJ"], both) == {
        "phone": "5ms", "other": "5ms", "board": "2mJ"
    }  # fmt: skip
    assert named_limits(["phone=5ms", "flops=2M"], both) == {"phone": "5ms", "flops": "2M"}
    assert named_limits(["5ms"], {"a=b": phone}) == {"a=b": "5ms"}
    assert named_limits(["a=b=5ms"], {"a=b": phone}) == {"a=b": "5ms"}
    with pytest.raises(OptionError, match="two such limits of phone"):
        named_limits(["latency=5ms", "phone=5ms"], both)
    for text in ("5ms", "memory=3MB", "=5ms"):
        with pytest.raises(OptionError, match="does not say of what it is"):
            named_limits([text], both)


def test_dead_operations_are_worth_nothing_where_the_space_knows_them():
    assert default_proxy("nasbench201") == "live_flops"
    assert default_proxy("fbnet") == "flops"
