"""The chosen mask of a model beside its controls and other masks of its fractions, on the test split."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from shutil import rmtree

import pandas as pd
import torch

from anatomy.interventions.edits.low_rank import LowRankEdit
from anatomy.interventions.pruning.head_shares import head_shares
from anatomy.interventions.pruning.overlaps import overlap
from anatomy.interventions.pruning.projections import Projections, projection_edit, read_projections
from anatomy.interventions.pruning.ranking import Mask, TopScores
from anatomy.interventions.pruning.scores import top_of_model
from anatomy.models.checkpoint import Checkpoint
from anatomy.recipes.pruning.maker import chosen_plan
from anatomy.recipes.pruning.stages.abilities import asked, of_split
from anatomy.recipes.pruning.stages.evaluating import under_edits, under_masks
from anatomy.recipes.pruning.stages.mask_plans import (
    FORMAT,
    MaskPlan,
    beside_chosen,
    controls,
    lacking,
    mask_of,
    preserved,
    sized_as_kinds,
    unprotected,
)
from anatomy.recipes.pruning.stages.moved_predictions import unmoved
from anatomy.recipes.pruning.stages.output_spaces import ACTSVD_RANDOM
from anatomy.recipes.pruning.stages.scored_sets import BENIGN, POOLED, scored_kinds
from anatomy.stages.inputs import named_files
from anatomy.stages.opening import opened
from anatomy.stages.running import Files, Running, written
from anatomy.stages.soundness import sound_model
from anatomy.store.files import write_json, write_table

PINS: tuple[str, ...] = ("scipy", "torch", "transformers")
NOT_PINNED = {"vllm": "an engine is imported with what serves either way; these answers come from transformers"}

OVERLAPS = ["model", "one", "two", "weights_one", "weights_two", "jaccard", "expected", "random_low", "random_high", "p_value"]
HEADS = ["model", "mask", "layer", "module", "matrix", "head", "weights", "size", "expected", "p_value"]
PLACES = ["model", "mask", "matrix", "layer", "module", "weights", "size"]


def run(job: Running, files: Files) -> None:
    """From scores and the chosen fractions to verdicts on test answers, overlaps of masks, and where masks sit."""
    torch.set_num_threads(job.threads)
    given = named_files(files.input)
    card, wanted = sound_model(given["model"][0]), job.config.pruning
    tops, _ = top_of_model(given["scores"][0], card["digest"])
    prompts = asked(job.config, job.subject, given["world"][0] if given["world"] else None)
    kinds = scored_kinds(wanted, prompts)
    loaded = opened(card)
    chosen, shapes = chosen_plan(given["chosen"][0]), next(iter(tops.values())).shapes
    weights = {name: loaded.model.get_submodule(name).weight for name in shapes}
    masks = [(plan, mask_of(plan, tops)) for plan in [chosen, *beside_chosen(wanted, tops, chosen)]]
    masks += controls(wanted, tops, chosen, weights, job.subject.seed or 0)
    rows = asked_on_test(prompts, kinds, job.config.evaluation.test_prompts)
    harmless, several = unmoved(job.config, job.subject, loaded, rows, "test"), [(plan.name, mask) for plan, mask in masks]
    state = written(files, "values").with_suffix("")
    found = under_masks(job.config, job.subject, loaded, rows, several, kinds, job.say, harmless=harmless, state=state)
    # What transfer is compared with is asked for harm alone: it is a fifth of the prompts.
    sized, harm = sized_as_kinds(wanted, masks, shapes, job.subject.seed or 0), rows[rows["ability"] == POOLED]
    several = [(plan.name, mask) for plan, mask in sized]
    beside = under_masks(job.config, job.subject, loaded, harm, several, kinds, job.say, unedited=False, state=state)
    masks += sized
    removals = projected(read_projections(given["projections"][0]), Checkpoint(loaded.folder))
    edits = [(name, lambda edit=edit: edit) for name, edit in removals.items()]
    projections = under_edits(
        job.config, job.subject, loaded, rows, edits, kinds, job.say, unedited=False, harmless=harmless, state=state
    )
    values = pd.concat([found.values, beside.values, projections.values], ignore_index=True)
    moved = pd.concat([found.divergences, projections.divergences], ignore_index=True)
    read = pd.concat([found.nats, projections.nats], ignore_index=True)
    named = {"model": job.subject.id}
    write_table(written(files, "values"), values.assign(**named))
    write_table(written(files, "divergences"), moved.assign(**named))
    write_table(written(files, "nats"), read.assign(**named))
    table = pd.DataFrame(
        [*(plan.row(mask, shapes, lacking(plan, mask, tops)) for plan, mask in masks), *map(_row, removals)]
    ).assign(**named)
    write_table(written(files, "masks"), table)
    write_json(written(files, "cards"), {name: edit.card.as_json() for name, edit in removals.items()})
    bare = [(plan, mask_of(plan, tops)) for plan in unprotected(tops, chosen)]
    shared = pd.concat([overlaps(several, shapes, tops) for several in (masks, bare)], ignore_index=True)
    write_table(written(files, "overlaps"), shared.assign(**named)[OVERLAPS])
    write_table(written(files, "places"), places(masks[0], shapes).assign(**named)[PLACES])
    write_table(written(files, "heads"), by_head(masks[0], shapes, Checkpoint(loaded.folder)).assign(**named)[HEADS])
    rmtree(state, ignore_errors=True)


def projected(several: Projections, checkpoint: Checkpoint) -> dict[str, LowRankEdit]:
    """Removals of output directions as edits with their cards, all of them to measure."""
    return {name: projection_edit({"method": name}, checkpoint, factors) for name, factors in several.items()}


def _row(name: str) -> dict[str, str | float]:
    """What the table of masks says of a removal: it changes every weight a little, so that none is counted."""
    said = {
        "mask": name,
        "source": "ActSVD",
        "protected": BENIGN,
        "ranking": "",
        "control": name if name == ACTSVD_RANDOM else "",
    }
    return {**said, "q": float("nan"), "p": float("nan"), "weights": float("nan"), "share": float("nan"), "lacking": float("nan")}


def asked_on_test(prompts: pd.DataFrame, kinds: list[str], limit: int) -> pd.DataFrame:
    """Prompts of test; of kinds of harm that were not scored those of every split, none of which was asked before."""
    unseen = prompts["harmful"] & ~prompts["category"].isin(kinds)
    rows = of_split(prompts.assign(split=prompts["split"].where(~unseen, "test")), "test", limit)
    return rows.assign(split=rows["id"].map(prompts.set_index("id")["split"]))


def overlaps(
    masks: list[tuple[MaskPlan, Mask]], shapes: dict[str, tuple[int, int]], tops: Mapping[str, TopScores]
) -> pd.DataFrame:
    """Jaccard index of every two masks of kinds of harm, of abilities, of benign answers, and of other rankings."""
    rows = []
    wanted = [(plan, mask) for plan, mask in masks if not plan.control or plan.control == FORMAT]
    kept = {plan.name: preserved(plan, tops) for plan, _ in wanted}
    for (one, first), (two, second) in combinations(wanted, 2):
        found = overlap(first, second, shapes, [*kept[one.name], *kept[two.name]])
        counts = {"weights_one": sum(map(len, first.values())), "weights_two": sum(map(len, second.values()))}
        rows.append({"one": one.name, "two": two.name, **counts, **vars(found)})
    return pd.DataFrame(rows)


def places(chosen: tuple[MaskPlan, Mask], shapes: dict[str, tuple[int, int]]) -> pd.DataFrame:
    """How many weights of each matrix the chosen mask has."""
    plan, mask = chosen
    sizes = {name: rows * columns for name, (rows, columns) in shapes.items()}
    rows = [{**_place(name), "weights": len(own), "size": sizes[name]} for name, own in mask.items()]
    return pd.DataFrame(rows).assign(mask=plan.name)


def by_head(chosen: tuple[MaskPlan, Mask], shapes: dict[str, tuple[int, int]], checkpoint: Checkpoint) -> pd.DataFrame:
    """How many weights of each attention head's slices the chosen mask has, beside what chance gives."""
    plan, mask = chosen
    rows = [{**vars(one), **_place(one.matrix)} for one in head_shares(mask, shapes, checkpoint)]
    return pd.DataFrame(rows, columns=[name for name in HEADS if name not in ("model", "mask")]).assign(mask=plan.name)


def _place(matrix: str) -> dict[str, str | int]:
    parts = matrix.split(".")
    return {"matrix": matrix, "layer": next(int(part) for part in parts if part.isdigit()), "module": parts[-1]}
