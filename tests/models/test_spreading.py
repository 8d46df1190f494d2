"""A model over two GPUs gives what it gives on the CPU; the GPUs are pretended (``pretended_gpus``)."""

import pandas as pd
import pytest
import torch
from edit_kinds import head, low_rank, pruned
from pretended_gpus import pretended_gpus
from rank_one import rank_one_factors
from tiny_model import load_tiny_model

from anatomy.interventions.directions.candidates import difference_in_means
from anatomy.interventions.directions.pace import Pace
from anatomy.interventions.directions.search import search_directions
from anatomy.interventions.directions.selection import SelectionRule
from anatomy.interventions.edits.apply import applied, applied_factors
from anatomy.interventions.export.stack import stack_rewrites
from anatomy.interventions.export.stream import stream_checkpoint
from anatomy.interventions.export.verify import compare_logits
from anatomy.models.activations.hooks import SITES
from anatomy.models.activations.interventions import Intervention, intervening
from anatomy.models.activations.means import mean_activations
from anatomy.models.blocks import decoder_blocks
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.rendering import Rendering, render
from anatomy.models.spreading import share_out, spread
from anatomy.serving.decoding import Decoding
from anatomy.serving.transformers_generation import generate_with_transformers

RULE = SelectionRule(least_induce=-100.0, most_kl=100.0, layer_fraction=0.8)
OPTIONS = dict(common_prefix=[11], token_budget=2000, epsilon=1e-8, harmless_answers=None)


@pytest.fixture
def sides(tiny):
    texts = [[f"{verb} the {thing} {number}" for verb in ("mix", "open") for number in range(3)] for thing in ("gate", "cake")]
    return [render(tiny.tokenizer, side, Rendering()) for side in texts]


@pytest.fixture(params=[1, 2], ids=["one GPU", "two GPUs"])
def placed(request, tiny_folder):
    """The tiny model on GPUs that are not there, for as long as a test runs."""
    loaded = load_tiny_model(tiny_folder)
    with torch.no_grad(), pretended_gpus():
        spread(loaded.model, [torch.device("cuda", number) for number in range(request.param)])
        yield loaded


def found(loaded, sides, pace):
    directions = difference_in_means(*(mean_activations(loaded, side, [-2, -1], token_budget=500) for side in sides))
    return directions, search_directions(loaded, directions, *sides, [30, 70], rule=RULE, pace=pace, **OPTIONS)


@pytest.mark.parametrize("pace", [None, Pace(first=4, error=0.05, seed=0)], ids=["all", "race"])
def test_extraction_and_selection_find_the_same(tiny, placed, sides, pace):
    directions, grid = found(placed, sides, pace)
    expected_directions, expected = found(tiny, sides, pace)
    torch.testing.assert_close(directions.vectors, expected_directions.vectors, rtol=1e-4, atol=2e-5)
    pd.testing.assert_frame_equal(grid, expected, rtol=1e-3, atol=1e-3)


def answers(loaded, prompts, edit):
    """Under an edit of weights in memory, and under ablation of a direction that differs layer by layer."""
    vectors = torch.nn.functional.normalize(torch.randn(4, 1, 64, generator=torch.Generator().manual_seed(0)), dim=-1)
    ablation = Intervention("ablate", (0, 1, 2, 3), vectors, None, 1.0, SITES, "all")
    with applied_factors(loaded, edit), intervening(loaded.model, [ablation]):
        return generate_with_transformers(loaded, prompts, Decoding(max_new_tokens=6, temperature=0.0), batch_size=4)


def test_edited_models_answer_the_same(tiny, placed, sides):
    edit = rank_one_factors(tiny.model, 1, 0.5)
    assert answers(placed, sides[0], edit) == answers(tiny, sides[0], edit)


def test_an_export_is_compared_over_two_gpus(tiny_folder, tmp_path, monkeypatch):
    """A stack of every kind of edit, in memory and in the folder that was written."""
    source = Checkpoint(tiny_folder)
    edits = [low_rank(source), pruned(source), head(source, rank=2)]
    (tmp_path / "edited").mkdir()
    stream_checkpoint(source, stack_rewrites(edits), tmp_path / "edited")
    expected = compare_logits(tiny_folder, tmp_path / "edited", lambda loaded: applied(loaded, *edits))
    monkeypatch.setattr("anatomy.models.loading.gpus_beside", lambda device: ["cuda:0", "cuda:1"])
    monkeypatch.setattr("anatomy.models.loading.require_memory", lambda *told, **more: None)
    with pretended_gpus():
        found = compare_logits(tiny_folder, tmp_path / "edited", lambda loaded: applied(loaded, *edits), "cuda:0")
    assert found.difference <= found.tolerance * found.largest
    assert (found.largest, found.effect) == pytest.approx((expected.largest, expected.effect), rel=1e-4) and found.effect > 0.1


def test_blocks_are_shared_out_by_bytes_and_in_order():
    assert share_out([1, 1, 1, 1], 0, 2) == [0, 0, 1, 1]
    assert share_out([1, 1, 1, 1], 4, 2) == [1, 1, 1, 1], "embeddings and head are as large as all blocks"
    assert share_out([2] * 32, 4, 4) == sorted(share_out([2] * 32, 4, 4))
    assert [share_out([2] * 30, 8, 4).count(gpu) for gpu in range(4)] == [4, 9, 8, 9]


def test_blocks_lie_where_they_were_put(tiny_folder):
    loaded = load_tiny_model(tiny_folder)
    with pretended_gpus():
        spread(loaded.model, [torch.device("cuda", number) for number in range(2)])
        places = [{part.device.index for part in block.module.parameters()} for block in decoder_blocks(loaded.model)]
        assert [len(one) for one in places] == [1] * 4 and {0, 1} == set.union(*places)
        assert loaded.device == torch.device("cuda:0") and loaded.model.get_output_embeddings().weight.device == loaded.device
