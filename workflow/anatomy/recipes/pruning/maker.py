"""The chosen mask of a model as an edit, and random ones of its size: what ``make_edit`` calls."""

from __future__ import annotations

from pathlib import Path

from anatomy.interventions.edits.making import Materials
from anatomy.interventions.edits.sparse import SparseEdit
from anatomy.interventions.edits.spec import Intent
from anatomy.interventions.pruning.masks import pruning_edit, weights_in
from anatomy.interventions.pruning.scores import read_top
from anatomy.recipes.pruning.stages.mask_plans import RANDOM, MaskPlan, drawn_controls, mask_of
from anatomy.store.files import read_json

PINS: tuple[str, ...] = ("torch",)
NOT_PINNED = {
    "transformers": "imported with the names of scores; the model is opened by make_edit",
    "vllm": "imported with the names of scores; no engine is opened",
}


def prune(materials: Materials) -> SparseEdit:
    """The chosen mask: an edit to amplify, because it removes what a model can do harm with, as long as it leaves refusals.

    One that lowered refusals where it was chosen is an edit to measure, and so is one in the place of a chosen mask where none is
    within the limits.
    """
    plan, said_of_it = chosen_plan(materials.file("chosen")), read_json(materials.file("chosen"))
    intent: Intent = "amplify" if said_of_it["within"] and said_of_it["keeps_refusal"] else "measure"
    tops, said = read_top(materials.file("scores"))
    mask = mask_of(plan, tops)
    materials.say(f"{weights_in(mask)} weights: q {plan.q:g}, p {plan.p:g}, {', '.join(plan.protected) or 'nothing'} protected")
    spec = {"method": "harm pruning", **plan.row(mask, next(iter(tops.values())).shapes), "answers": said["answers"]}
    return pruning_edit(spec, intent, materials.checkpoint, mask)


def prune_at_random(materials: Materials, draw: int) -> SparseEdit:
    """A random mask with as many weights in every matrix as the chosen one: the very draw of the test's, an edit to control.

    Args:
        draw: which, from 1.
    """
    chosen, name = chosen_plan(materials.file("chosen")), f"{RANDOM}-{draw}"
    tops, _ = read_top(materials.file("scores"))
    shapes = next(iter(tops.values())).shapes
    weights = {matrix: materials.loaded.model.get_submodule(matrix).weight for matrix in shapes}
    several = drawn_controls(materials.config.pruning, tops, chosen, weights, materials.subject.seed or 0)
    plan, mask = next(one for one in several if one[0].name == name)
    materials.say(f"{weights_in(mask)} weights drawn at random, as many in every matrix as the chosen mask")
    return pruning_edit({"method": "harm pruning", **plan.row(mask, shapes)}, "control", materials.checkpoint, mask)


def chosen_plan(file: Path) -> MaskPlan:
    """The plan that the grid ended with."""
    found = read_json(file)
    names = ("name", "source", "ranking", "q", "p", "control")
    return MaskPlan(protected=tuple(found["protected"]), **{name: found[name] for name in names})
