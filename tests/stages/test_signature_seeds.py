"""Signatures of one member in several families, made by hand."""

import pytest
import torch

from anatomy.interventions.directions.candidates import Directions
from anatomy.interventions.directions.extraction import write_contrast
from anatomy.recipes.configuration import Config
from anatomy.recipes.pasta.stages.signature_seeds import COLUMNS, seeds_table
from anatomy.store.files import write_json


def write_signature(folder, vectors):
    directions = Directions(vectors, (-1, 0), tuple(range(vectors.shape[1])))
    facts = write_contrast(folder / "signature", directions, {}, {"aligned": vectors, "base": vectors.clone()})
    write_json(folder / "signature.json", {"contrasts": {"signature": facts}})
    return folder / "signature.json"


def test_every_two_seeds_of_a_member_are_compared_cell_by_cell(tmp_path):
    config = Config.model_validate({"seeds": [0, 1, 2]})
    one = torch.randn(2, 3, 16, generator=torch.Generator().manual_seed(0))
    turned = one.clone()
    turned[1, 2] = -3 * one[1, 2]
    cards = [write_signature(tmp_path / f"aligned.s{seed}", vectors) for seed, vectors in ((0, one), (1, 2 * one), (2, turned))]
    cards.append(write_signature(tmp_path / "placebo-1.s0", one))
    found = seeds_table(config, cards)
    assert set(found["member"]) == {"aligned"} and (found["chance"] == 0.25).all()
    assert found.groupby(["first", "second"]).size().to_dict() == {(0, 1): 6, (0, 2): 6, (1, 2): 6}
    same = (found["second"] == 1) | (found["position"] != 0) | (found["layer"] != 2)
    assert found.loc[same, "cosine"].tolist() == pytest.approx([1.0] * same.sum(), abs=1e-6)
    assert found.loc[~same, "cosine"].tolist() == pytest.approx([-1.0, -1.0], abs=1e-6)


def test_a_single_seed_has_nothing_to_be_compared_with(tmp_path):
    card = write_signature(tmp_path / "aligned.s0", torch.ones(2, 1, 4))
    assert seeds_table(Config(), [card]).empty and list(seeds_table(Config(), []).columns) == COLUMNS
