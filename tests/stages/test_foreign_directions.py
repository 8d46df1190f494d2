"""A direction of another tool goes where the model's own goes, and finds what that finds if it is the same."""

from dataclasses import replace

import pandas as pd
import pytest
import torch
from small_study import make_config, make_subject, run_extraction, write_prompts

from anatomy.errors import DataError
from anatomy.interventions.directions.vector_files import write_vectors
from anatomy.recipes.rosi.families import families
from anatomy.recipes.rosi.stages.screen import screen
from anatomy.stages.foreign_directions import POSITION, fitting_vectors, oriented, place_foreign
from anatomy.stages.model_directions import ModelDirections
from anatomy.stages.model_edits import ModelEdits
from anatomy.store.files import write_json

TOKENS = {"tokens": [20, 30, 40], "common_prefix": []}
NUMBERS = ["layer", "strength", "sign", "harmful_metric", "benign_refused", "benign_kl", "n_harmful", "place"]
SCALE, SEED, TRIED = 0.01, 3, (1, 2)


@pytest.fixture(scope="module")
def extracted(tmp_path_factory, card):
    """The extraction of one's own, with files of others beside it."""
    results = tmp_path_factory.mktemp("foreign")
    write_prompts(results)
    return make_config(results), run_extraction(make_config(results), card, make_subject())


@pytest.fixture
def own(extracted):
    return ModelDirections(extracted[1]).candidates("plain")


@pytest.fixture
def theirs(own, tmp_path):
    """The model's own direction in another scale, and at one layer of the other sign."""
    vectors = {layer: own.vector(POSITION, layer) * (-SCALE if layer == 2 else SCALE) for layer in own.layers}
    path = tmp_path / "theirs.safetensors"
    write_vectors({layer: one for layer, one in vectors.items() if one.any()}, path, "llama", {})
    return path


def test_along_ones_own_direction_from_a_file_the_search_finds_what_it_finds_along_ones_own(extracted, own, theirs, card, tiny):
    config, folder = extracted
    made = place_foreign({"theirs": (theirs, "a test")}, card, own, folder, lambda text: None)
    write_json(folder / "foreign.json", made)
    subject = replace(make_subject(), contrasts=("plain", "theirs"))
    assert subject.foreign == ("theirs",) and subject.without_foreign.contrasts == ("plain",)
    table, shortlist = screen(config, subject, tiny, ModelEdits(card, folder), TOKENS, lambda text: None)
    for search in ("row_mean", "row_mean_signed", "projection"):
        mine, other = (table[table["family"] == name][NUMBERS].reset_index(drop=True) for name in (search, f"{search}@theirs"))
        pd.testing.assert_frame_equal(mine, other, rtol=1e-4, atol=1e-5)
        assert [one["direction"]["contrast"] for one in shortlist[f"{search}@theirs"]] == ["theirs"]
    assert {family.control for family in families(config, subject) if family.contrast == "theirs"} == {""}
    contrast = made["contrasts"]["theirs"]
    assert contrast["turned"] == [2] and contrast["made_by"] == "a test"
    assert [abs(one) for one in contrast["cosines"]] == pytest.approx([1.0] * len(contrast["layers"]))


def test_only_layers_of_the_file_are_tried(extracted, own, card, tiny, tmp_path):
    config, folder = extracted
    write_vectors(
        {1: torch.randn(card["d_model"], generator=torch.Generator().manual_seed(SEED))}, tmp_path / "one.safetensors", "", {}
    )
    made = place_foreign({"theirs": (tmp_path / "one.safetensors", "a test")}, card, own, folder, lambda text: None)
    write_json(folder / "foreign.json", made)
    subject = replace(make_subject(headline=False), contrasts=("plain", "theirs"))
    table, _ = screen(config, subject, tiny, ModelEdits(card, folder), TOKENS, lambda text: None)
    assert set(table.loc[table["family"] == "row_mean", "layer"]) == {1, 2}
    assert set(table.loc[table["family"] == "row_mean@theirs", "layer"]) == {1}


def test_a_direction_is_as_long_as_ones_own_and_on_its_side(own):
    drawn = torch.Generator().manual_seed(SEED)
    vectors = {layer: torch.randn(own.vectors.shape[-1], generator=drawn) for layer in (1, 3)}
    found, cosines = oriented(vectors, own)
    assert set(cosines) == {1, 3} and found.positions == (POSITION,) and found.layers == own.layers
    for layer in own.layers:
        placed, mine = found.vector(POSITION, layer), own.vector(POSITION, layer)
        if layer not in vectors:
            assert not placed.any()
            continue
        assert placed.norm().item() == pytest.approx(mine.norm().item(), rel=1e-5)
        assert torch.dot(placed, mine) > 0
        assert abs(torch.nn.functional.cosine_similarity(placed, vectors[layer], dim=0)) == pytest.approx(1.0, abs=1e-5)


@pytest.mark.parametrize(
    ("layers", "width", "message"),
    [
        ((1, 2), 7, r"(?s)width 7.*width {d_model} of mine"),
        ((1, 9), None, r"(?s)layer 9.*layers 0 to {num_layers}"),
        ((3,), None, r"(?s)layers \[3\].*one at layers \[1, 2\]"),
    ],
)
def test_what_cannot_be_the_models_is_refused_and_both_are_named(card, tmp_path, layers, width, message):
    path = tmp_path / "theirs.safetensors"
    write_vectors({layer: torch.ones(width or card["d_model"]) for layer in layers}, path, "", {})
    with pytest.raises(DataError, match=message.format(**card)):
        fitting_vectors("theirs", path, card, TRIED)
