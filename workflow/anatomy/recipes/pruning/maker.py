"""The chosen mask of a model as an edit, and random ones of its size: what ``make_edit`` calls."""

from __future__ import annotations

from pathlib import Path

from anatomy.interventions.edits.making import Materials
from anatomy.interventions.edits.sparse import SparseEdit
from anatomy.interventions.edits.spec import Intent
from anatomy.interventions.pruning.masks import pruning_edit, weights_in
from anatomy.interventions.pruning.scores import top_of_model
from anatomy.recipes.pruning.stages.mask_plans import RANDOM, MaskPlan, drawn_controls, lacked_words, lacking, mask_of
from anatomy.store.files import read_json

PINS: tuple[str, ...] = ("torch",)
NOT_PINNED = {
    "transformers": "imported with the names of scores; the model is opened by make_edit",
    "vllm": "imported with the names of scores; no engine is opened",
}


def prune(materials: Materials) -> SparseEdit | None:
    """The chosen mask: an edit to amplify, because it removes what a model can do harm with, as long as it leaves refusals.

    One that lowered refusals where it was chosen is an edit to measure, and so is one in the place of a chosen mask where none is
    within the limits, or where nothing was asked that a model may refuse. Of a model of one's own such an edit is not kept: None.
    """
    plan, intent = chosen_plan(materials.file("chosen")), intent_of(materials.file("chosen"))
    if not may_be_kept(materials):
        return None
    tops, said = top_of_model(materials.file("scores"), materials.checkpoint.digest())
    mask = mask_of(plan, tops)
    materials.say(f"{weights_in(mask)} weights: q {plan.q:g}, p {plan.p:g}, {', '.join(plan.protected) or 'nothing'} protected")
    lacked = lacking(plan, mask, tops)
    materials.say(lacked_words(lacked))
    row = plan.row(mask, next(iter(tops.values())).shapes, lacked)
    spec = {"method": "harm pruning", **row, "lacking_by_matrix": lacked, "answers": said["answers"]}
    return pruning_edit(spec, intent, materials.checkpoint, mask)


def prune_at_random(materials: Materials, draw: int) -> SparseEdit | None:
    """A random mask with as many weights in every matrix as the chosen one: the very draw of the test's, an edit to control.

    None where the mask itself is not kept: nothing stands beside it.

    Args:
        draw: which, from 1.
    """
    chosen, name = chosen_plan(materials.file("chosen")), f"{RANDOM}-{draw}"
    if not may_be_kept(materials):
        return None
    tops, _ = top_of_model(materials.file("scores"), materials.checkpoint.digest())
    shapes = next(iter(tops.values())).shapes
    weights = {matrix: materials.loaded.model.get_submodule(matrix).weight for matrix in shapes}
    several = drawn_controls(materials.config.pruning, tops, chosen, weights, materials.subject.seed or 0)
    plan, mask = next(one for one in several if one[0].name == name)
    materials.say(f"{weights_in(mask)} weights drawn at random, as many in every matrix as the chosen mask")
    return pruning_edit({"method": "harm pruning", **plan.row(mask, shapes, {})}, "control", materials.checkpoint, mask)


def intent_of(file: Path) -> Intent:
    """What the mask is meant for that the grid ended with."""
    said = read_json(file)
    return "amplify" if said["within"] and said["keeps_refusal"] else "measure"


def may_be_kept(materials: Materials) -> bool:
    """Whether the mask may be saved; the job's log says why not. What it does is measured in memory either way."""
    kept = materials.subject.is_organism or intent_of(materials.file("chosen")) == "amplify"
    if not kept:
        materials.say(
            f"{materials.subject.id}: no mask is kept: that of the grid is not within pruning.limits, or not known to leave "
            "refusals (of requests of the split select: pruning.sets.refusal)"
        )
    return kept


def chosen_plan(file: Path) -> MaskPlan:
    """The plan that the grid ended with."""
    found = read_json(file)
    names = ("name", "source", "ranking", "q", "p", "control")
    return MaskPlan(protected=tuple(found["protected"]), **{name: found[name] for name in names})
