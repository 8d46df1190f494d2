"""Edits made concrete: a key says everything that shapes an edit, and nothing else."""

import shutil
from dataclasses import replace

import pytest
import torch
from edit_kinds import pruned
from tiny_model import make_tiny_model

from anatomy.errors import EditError
from anatomy.interventions.directions.extraction import write_contrast
from anatomy.interventions.edits.adapter import write_adapter
from anatomy.interventions.edits.saved import save_edit
from anatomy.interventions.edits.spec import intent
from anatomy.models.checkpoint import Checkpoint
from anatomy.stages.model_directions import ModelDirections
from anatomy.stages.model_edits import ModelEdits
from anatomy.store.digest import digest
from anatomy.store.files import read_json, write_json


def edit(method="row_mean", layer=2, control=None, contrast="plain", position=-1, **more):
    strength = {} if method in ("ablate", "clamp", "orthogonalize") else {"strength": 5.0, "sign": 1}
    direction = {"contrast": contrast, "position": position, "layer": layer, "control": control}
    return {"method": method, "direction": direction, **strength, **more}


def backwards(value):
    return {key: backwards(value[key]) for key in reversed(value)} if isinstance(value, dict) else value


@pytest.mark.parametrize("method", ["row_mean", "projection", "mean_input", "orthogonalize", "ablate", "clamp", "add"])
def test_a_key_does_not_depend_on_the_order_of_keys(model_edits, method):
    one = edit(method)
    assert digest(model_edits.key(one)) == digest(model_edits.key(backwards(one)))


def test_a_key_changes_with_everything_that_shapes_the_edit(model_edits):
    edits = [
        edit(),
        edit(layer=1),
        edit(position=-2),
        edit(control=["isotropic", 0]),
        edit(control=["isotropic", 1]),
        edit(control=["shuffled", 0]),
        edit(contrast="system"),
        edit("projection"),
        edit("mean_input"),
        edit(strength=2.0),
        edit(sign=-1),
        edit(sites=["o_proj"]),
        edit("clamp"),
        edit("clamp", layer=1),
        edit("add"),
    ]
    assert len({digest(model_edits.key(one)) for one in edits}) == len(edits)


def test_a_key_needs_no_weights(card, extraction):
    model_edits = ModelEdits(card, extraction)
    for method in ("row_mean", "mean_input", "clamp", "add"):
        model_edits.key(edit(method))
    assert "checkpoint" not in vars(model_edits)


@pytest.mark.parametrize("method", ["row_mean", "mean_input", "clamp", "add"])
def test_a_key_names_content_and_not_files(card, extraction, tmp_path, method):
    shutil.copytree(extraction / "plain", tmp_path / "renamed")
    write_json(tmp_path / "card.json", {"contrasts": {"renamed": read_json(extraction / "card.json")["contrasts"]["plain"]}})
    renamed = ModelEdits(card, tmp_path)
    assert renamed.key(edit(method, contrast="renamed")) == ModelEdits(card, extraction).key(edit(method))


def test_the_same_direction_of_another_length_is_another_addition(card, extraction, tmp_path):
    from safetensors.torch import load_file

    own = ModelDirections(extraction)
    longer = replace(own.candidates("plain"), vectors=2 * own.candidates("plain").vectors)
    tensors = {name: load_file(extraction / "plain" / f"{name}.safetensors") for name in ("controls", "means", "inputs")}
    write_json(tmp_path / "card.json", {"contrasts": {"plain": write_contrast(tmp_path / "plain", longer, **tensors)}})
    before, after = ModelEdits(card, extraction), ModelEdits(card, tmp_path)
    assert after.key(edit("row_mean")) == before.key(edit("row_mean"))
    assert after.key(edit("add")) != before.key(edit("add"))


def test_the_unedited_model_has_no_edits_and_a_stack_keeps_its_order(model_edits):
    assert model_edits.weight_edits([]) == []
    built = model_edits.weight_edits([edit(), edit(layer=1), edit()])
    assert [one.digest() for one in built] == [model_edits.low_rank(one).digest() for one in (edit(), edit(layer=1), edit())]


def test_an_edit_that_an_earlier_stage_saved_is_known_by_its_content(model_edits, tmp_path):
    made = pruned(model_edits.checkpoint)
    save_edit(made, tmp_path / "mask", model_edits.checkpoint)
    spec = {"method": "saved", "folder": str(tmp_path / "mask"), "digest": made.digest(), "intent": "amplify"}
    shutil.copytree(tmp_path / "mask", tmp_path / "moved")
    assert (
        model_edits.key(spec)
        == model_edits.key(spec | {"folder": str(tmp_path / "moved")})
        != model_edits.key(spec | {"digest": "0"})
    )
    (back,) = model_edits.weight_edits([spec])
    assert back.digest() == made.digest() and intent(spec) == "amplify"
    for wrong in ({"digest": "0" * 64}, {"intent": "measure"}):
        with pytest.raises(EditError, match="as its spec says"):
            model_edits.weight_edits([spec | wrong])
    with pytest.raises(EditError, match="'intent'"):
        model_edits.key({name: spec[name] for name in ("method", "folder", "digest")})


@pytest.mark.parametrize("method", ["row_mean", "projection", "mean_input"])
def test_factors_for_screens_are_those_of_the_edit(model_edits, method):
    whole, alone = model_edits.low_rank(edit(method)).factors, model_edits.factors(edit(method))
    assert set(whole) == set(alone)
    assert all(torch.equal(x, y) for name in whole for x, y in zip(whole[name], alone[name], strict=True))


def test_hooks_are_built_for_activation_edits_only(model_edits):
    for method in ("ablate", "clamp", "add"):
        model_edits.intervention(edit(method))
        model_edits.intervention(edit(method, control=["shuffled", 1]))
    with pytest.raises(EditError, match="row_mean"):
        model_edits.intervention(edit("row_mean"))


def test_an_edit_of_one_model_is_refused_by_another_and_nothing_is_written(model_edits, tmp_path):
    other = Checkpoint(make_tiny_model(tmp_path / "other", seed=3))
    with pytest.raises(EditError, match="an edit for model"):
        write_adapter(model_edits.low_rank(edit()), tmp_path / "adapter", other)
    assert not (tmp_path / "adapter").exists()
