from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hwprof.graph import TensorSpec
from hwprof.models.pt2.archive import read_archive
from hwprof.models.pt2.values import choose_for_exported

# Of torch.export, about torch's own code.
pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec.*:FutureWarning")


class Words(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = torch.nn.Embedding(1000, 4)
        self.places = torch.nn.Embedding(34, 4)
        self.types = torch.nn.Embedding(1, 4)

    def forward(self, ids: torch.Tensor, kinds: torch.Tensor, at: torch.Tensor) -> torch.Tensor:
        places = self.places(at.unsqueeze(0) + 2)
        return self.words(ids.to(torch.int64)) + self.types(kinds) + places


def test_indices_of_a_program_stay_within_their_tables(tmp_path: Path) -> None:
    kinds = torch.zeros(1, 4, dtype=torch.int64)
    arguments = (kinds.to(torch.int32), kinds, kinds[0])
    path = tmp_path / "words.pt2"
    torch.export.save(torch.export.export(Words().eval(), arguments), str(path))
    archive = read_archive(path)
    specs = [TensorSpec(each.name, each.dtype, (1, 4)) for each in archive.inputs]
    found = {each.name: each.text for each in choose_for_exported(archive, specs)}
    assert found == {"ids": "0..999", "kinds": "0", "at": "0..31"}
    found = {each.name: each.text for each in choose_for_exported(archive, specs, given=["ids"])}
    assert found["ids"] == "0..1"
