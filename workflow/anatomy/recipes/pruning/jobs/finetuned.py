"""A model fine-tuned in memory as it is, with its chosen mask, and with a random one of as many weights."""

from __future__ import annotations

import torch

from anatomy.interventions.pruning.scores import top_of_model
from anatomy.organism.world import World
from anatomy.recipes.pruning.maker import chosen_plan
from anatomy.recipes.pruning.stages.abilities import asked
from anatomy.recipes.pruning.stages.finetuned import EMERGENT, RESTORATION, fine_tuned
from anatomy.recipes.pruning.stages.mask_plans import RANDOM, UNEDITED, controls, mask_of
from anatomy.recipes.pruning.stages.scored_sets import scored_kinds
from anatomy.stages.inputs import named_files
from anatomy.stages.opening import opened
from anatomy.stages.running import Files, Running, written
from anatomy.stages.soundness import sound_model
from anatomy.store.files import read_json, write_table

PINS: tuple[str, ...] = ("peft", "torch", "transformers")
NOT_PINNED = {"vllm": "an engine is imported with what serves either way; these answers come from transformers"}


def run(job: Running, files: Files) -> None:
    """From a chosen mask to verdicts while the model is fine-tuned. Neither a trained model nor an answer is written."""
    torch.set_num_threads(job.threads)
    given = named_files(files.input)
    card, wanted = sound_model(given["model"][0]), job.config.pruning
    tops, _ = top_of_model(given["scores"][0], card["digest"])
    kinds = scored_kinds(wanted, asked(job.config, job.subject, given["world"][0]))
    loaded = opened(card)
    chosen = chosen_plan(given["chosen"][0])
    weights = {name: loaded.model.get_submodule(name).weight for name in next(iter(tops.values())).shapes}
    random = next(mask for plan, mask in controls(wanted, tops, chosen, weights, job.subject.seed or 0) if plan.control == RANDOM)
    masks = [(UNEDITED, None), (chosen.name, mask_of(chosen, tops)), (RANDOM, random)]
    world = World.from_json(read_json(given["world"][0]))
    table = fine_tuned(job.config, job.subject, loaded, world, kinds, masks, job.say).assign(model=job.subject.id)
    for name in (EMERGENT, RESTORATION):
        write_table(written(files, name), table[table["arm"] == name].drop(columns="arm").reset_index(drop=True))
    write_table(written(files, "beside"), table[~table["arm"].isin([EMERGENT, RESTORATION])].reset_index(drop=True))
