"""The grid of masks of a model beside random ones of each q, on prompts of select, and the mask that is chosen from it."""

from __future__ import annotations

from shutil import rmtree

import pandas as pd
import torch

from anatomy.interventions.pruning.scores import top_of_model
from anatomy.recipes.pruning.stages.abilities import asked, of_split
from anatomy.recipes.pruning.stages.choosing import choose, what_is_left
from anatomy.recipes.pruning.stages.evaluating import under_masks
from anatomy.recipes.pruning.stages.mask_plans import grid, lacked_words, lacking, mask_of, sized_as_grid
from anatomy.recipes.pruning.stages.moved_predictions import unmoved
from anatomy.recipes.pruning.stages.scored_sets import scored_kinds
from anatomy.stages.inputs import named_files
from anatomy.stages.opening import opened
from anatomy.stages.running import Files, Running, written
from anatomy.stages.soundness import sound_model
from anatomy.store.files import write_json, write_table

PINS: tuple[str, ...] = ("scipy", "torch", "transformers")
NOT_PINNED = {"vllm": "an engine is imported with what serves either way; these answers come from transformers"}


def run(job: Running, files: Files) -> None:
    """From scores to what every mask of the grid leaves of each ability. Kinds of harm that were not scored are not asked."""
    torch.set_num_threads(job.threads)
    given = named_files(files.input)
    card = sound_model(given["model"][0])
    tops, _ = top_of_model(given["scores"][0], card["digest"])
    wanted = job.config.pruning
    prompts = asked(job.config, job.subject, given["world"][0] if given["world"] else None)
    kinds = scored_kinds(wanted, prompts)
    rows = of_split(prompts, "select", job.config.evaluation.select_prompts)
    rows = rows[rows["category"].isin(kinds) | ~rows["harmful"]]
    loaded = opened(card)
    shapes, searched = next(iter(tops.values())).shapes, [(plan, mask_of(plan, tops)) for plan in grid(wanted, tops)]
    controls = sized_as_grid(wanted, searched, shapes, job.subject.seed or 0)
    plans = [*searched, *controls]
    masks = pd.DataFrame([plan.row(mask, shapes, lacking(plan, mask, tops)) for plan, mask in plans])
    harmless = unmoved(job.config, job.subject, loaded, rows, "select")
    named = [(plan.name, mask) for plan, mask in plans]
    state = written(files, "values").with_suffix("")
    under = under_masks(job.config, job.subject, loaded, rows, named, kinds, job.say, harmless=harmless, state=state)
    values = under.values[~under.values["mask"].isin([plan.name for plan, _ in controls])]
    found = choose(wanted, job.config.statistics, masks, values)
    left = what_is_left(wanted, job.config.statistics, values)
    plan = found.plan
    job.say(f"{job.subject.id}: q {plan.q:g}, p {plan.p:g}: {found.why}")
    job.say(f"{job.subject.id}: {lacked_words(lacking(plan, mask_of(plan, tops), tops))}")
    write_table(written(files, "masks"), masks.assign(model=job.subject.id))
    write_table(written(files, "values"), under.values.assign(model=job.subject.id))
    write_table(written(files, "divergences"), under.divergences.assign(model=job.subject.id))
    write_table(written(files, "nats"), under.nats.assign(model=job.subject.id))
    write_table(written(files, "limits"), left.assign(model=job.subject.id))
    said = {"why": found.why, "within": found.within, "keeps_refusal": found.keeps_refusal}
    write_json(written(files, "chosen"), {**vars(plan), "protected": list(plan.protected), **said})
    rmtree(state, ignore_errors=True)
