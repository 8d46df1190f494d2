import pytest
import torch

from anatomy.errors import EditError, NumericsError
from anatomy.interventions.directions.candidates import difference_in_means
from anatomy.interventions.edits.hook import build_intervention
from anatomy.models.activations.hooks import SITES, reading
from anatomy.models.activations.interventions import intervening
from anatomy.models.activations.means import mean_activations

PLACE = {"direction": {"position": -1, "layer": 2}}


@pytest.fixture(scope="module")
def moments(tiny, token_ids):
    return [mean_activations(tiny, half, [-2, -1], token_budget=100) for half in (token_ids[:2], token_ids[2:])]


@pytest.fixture(scope="module")
def directions(moments):
    return difference_in_means(*moments)


def test_ablation_covers_every_block_and_site(directions):
    edit = build_intervention({"method": "ablate", **PLACE}, directions, 4)
    assert (edit.kind, edit.layers, edit.sites) == ("ablate", (0, 1, 2, 3), SITES)
    assert (edit.scale, edit.positions) == (1.0, "all")
    assert torch.equal(edit.vectors[3, 0], directions.unit(-1, 2))


def test_addition_is_unnormalised_at_its_own_layer(directions):
    spec = {"method": "add", "strength": 0.5, "sign": -1, "positions": "last_prompt", **PLACE}
    edit = build_intervention(spec, directions, 4)
    assert (edit.layers, edit.sites, edit.scale, edit.positions) == ((2,), ("block_input",), -0.5, "last_prompt")
    assert torch.equal(edit.vectors[0, 0], directions.vector(-1, 2))


def test_clamp_moves_the_last_token_to_the_harmless_mean(tiny, directions, moments, token_ids):
    edit = build_intervention({"method": "clamp", **PLACE}, directions, 4, harmless=moments[1])
    assert edit.layers == (2, 3)
    unit = directions.unit(-1, 2)
    expected = (moments[1].mean[1] @ unit.double()).float()
    torch.testing.assert_close(edit.targets[:, 0], expected[2:])
    seen = {}

    def read(_module, args, _kwargs):
        seen[2] = args[0]

    with intervening(tiny.model, [edit]), torch.no_grad():
        handle = tiny.model.model.layers[2].register_forward_pre_hook(read, with_kwargs=True)
        tiny.model(torch.tensor([token_ids[0]]))
        handle.remove()
    torch.testing.assert_close(seen[2][0] @ unit, expected[2].expand(len(token_ids[0])), rtol=1e-4, atol=1e-4)


def test_clamp_leaves_the_stream_below_alone(tiny, directions, moments, token_ids):
    edit = build_intervention({"method": "clamp", **PLACE}, directions, 4, harmless=moments[1])
    streams = []
    for interventions in ([], [edit]):
        seen = {}
        with intervening(tiny.model, interventions), torch.no_grad(), reading(tiny.model, [1], seen.__setitem__):
            tiny.model(torch.tensor([token_ids[0]]))
        streams.append(seen[1])
    assert torch.equal(*streams)


def test_clamp_needs_harmless_means(directions, moments):
    with pytest.raises(EditError, match="no harmless means"):
        build_intervention({"method": "clamp", **PLACE}, directions, 4)
    with pytest.raises(EditError, match="harmless means at position -1"):
        build_intervention({"method": "clamp", **PLACE}, directions, 6, harmless=moments[1])


def test_weight_methods_and_zero_directions_are_refused(directions):
    with pytest.raises(EditError, match="weight edits"):
        build_intervention({"method": "row_mean", "strength": 1.0, **PLACE}, directions, 4)
    with pytest.raises(NumericsError, match="layer 0"):
        build_intervention({"method": "ablate", "direction": {"position": -1, "layer": 0}}, directions, 4)


def test_own_ablation_takes_out_each_layers_own_direction_behind_its_block(tiny, token_ids):
    found = [mean_activations(tiny, half, [-1], token_budget=100, layers=range(5)) for half in (token_ids[:2], token_ids[2:])]
    directions = difference_in_means(*found)
    edit = build_intervention({"method": "ablate_own", "direction": {"position": -1, "layer": 2}}, directions, 4)
    assert (edit.layers, edit.sites) == ((0, 1, 2, 3), ("block_output",))
    seen = {}
    read = reading(tiny.model, range(1, 4), lambda layer, x: seen.update({layer: x}))
    with intervening(tiny.model, [edit]), torch.no_grad(), read:
        tiny.model(torch.tensor([token_ids[0]]))
    for layer, x in seen.items():
        assert (x @ directions.unit(-1, layer)).abs().max() < 1e-5 * x.norm(dim=-1).max()


def test_clamp_behind_blocks_reaches_the_last_layer(tiny, token_ids):
    found = [mean_activations(tiny, half, [-1], token_budget=100, layers=range(5)) for half in (token_ids[:2], token_ids[2:])]
    directions = difference_in_means(*found)
    spec = {"method": "clamp", "direction": {"position": -1, "layer": 3}, "sites": ["block_output"]}
    edit = build_intervention(spec, directions, 4, harmless=found[1])
    assert (edit.layers, edit.sites) == ((2, 3), ("block_output",))
    unit, seen = directions.unit(-1, 3), []
    handle = tiny.model.model.norm.register_forward_pre_hook(lambda _, args: seen.append(args[0][0] @ unit))
    with intervening(tiny.model, [edit]), torch.no_grad():
        tiny.model(torch.tensor([token_ids[0]]))
    handle.remove()
    expected = (found[1].mean[0, 4] @ unit.double()).float()
    torch.testing.assert_close(seen[0], expected.expand(len(token_ids[0])), rtol=1e-4, atol=1e-4)
    with pytest.raises(EditError, match="block_output"):
        build_intervention(
            {**spec, "direction": {"position": -1, "layer": 4}, "sites": ["block_input"]}, directions, 4, harmless=found[1]
        )


def test_sites_narrow_an_ablation(directions):
    edit = build_intervention({"method": "ablate", "sites": ["mlp_output"], **PLACE}, directions, 4)
    assert edit.sites == ("mlp_output",)
