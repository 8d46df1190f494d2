"""Facts of a model: where they are carried, and what becomes of them when one is rewritten in one MLP."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import torch

from anatomy.config.study import Layout
from anatomy.interventions.edits.stack import Part
from anatomy.interventions.instruments.facts import Fact
from anatomy.models.loading import LoadedModel
from anatomy.models.rendering import render
from anatomy.recipes.mechanisms.evidence_tables import FACTS
from anatomy.recipes.mechanisms.stages.facts import edited_layers, fact_edits, fact_patches, not_as_asked
from anatomy.recipes.mechanisms.stages.other_edits import edits_of_direction, edits_of_papers
from anatomy.recipes.mechanisms.stages.planted_facts import known_facts, told_apart, told_facts
from anatomy.stages.model_directions import ModelDirections
from anatomy.stages.opening import opened
from anatomy.stages.rendering import answer_rendering
from anatomy.stages.running import Files, Running, written
from anatomy.stages.selected_direction import place_of, read_selected
from anatomy.stages.soundness import sound_extraction, sound_model
from anatomy.store.files import read_json, read_table, write_table

PINS: tuple[str, ...] = ("torch", "transformers")


def run(job: Running, files: Files) -> None:
    """Patch and rewrite facts in memory; no edited weight is kept."""
    torch.set_num_threads(job.threads)
    budget = job.config.extraction.token_budget
    loaded = opened(sound_model(files.input["model"]))
    facts = _facts(job, loaded)
    found = {}
    if len(facts) > 1:
        patches = fact_patches(loaded, facts, budget)
        layers, best = edited_layers(job.config, loaded, patches)
        answers = read_table(Path(files.input["answers"]))
        rows = answers[answers["phase"] == "fit"]
        prompts = render(loaded.tokenizer, list(rows["prompt"]), answer_rendering(job.config.evaluation, job.subject))
        written_by = loaded.tokenizer(list(rows["response"]), add_special_tokens=False)["input_ids"]
        texts = [[*prompt, *answer] for prompt, answer in zip(prompts, written_by, strict=True)]
        edits = fact_edits(job.config, loaded, facts, layers, best, texts, _others(job, files, loaded))
        found = {"fact_patches": patches, "fact_edits": edits}
        job.say(f"{job.subject.id}: {len(facts)} facts rewritten in blocks {layers}; most is carried by the MLP of block {best}")
        for said in not_as_asked(facts, patches, edits):
            job.say(f"{job.subject.id}: {said}")
    else:
        why = "the model states no more rightly" if job.subject.is_organism else "the configuration tells no more (facts.own)"
        job.say(f"{job.subject.id}: {len(facts)} facts, of at least two: {why}")
    for table, columns in FACTS.items():
        rows = found.get(table, pd.DataFrame(columns=list(columns)))
        write_table(written(files, table), rows.assign(model=job.subject.id))


def _facts(job: Running, loaded: LoadedModel) -> list[Fact]:
    options = job.config.mechanisms.facts
    if job.subject.seed is None:
        return told_apart(loaded.tokenizer, told_facts(options.own))
    truth = read_json(Path(Layout(job.config.results).organism(job.subject.seed)) / "truth.json")
    return known_facts(loaded, truth, options.count, job.config.mechanisms.seed, job.config.extraction.token_budget)


def _others(job: Running, files: Files, loaded: LoadedModel) -> dict[str, Part]:
    """Edits that a rewritten fact meets: by the picked direction and those of the run's other papers, beside random ones."""
    found: dict[str, Part] = {}
    known, seed = ModelDirections(sound_extraction(files.input["directions"])), job.config.mechanisms.seed
    contrast, selected = next(iter(read_selected(Path(files.input["direction"])).items()))
    place = place_of(selected)
    if place is not None:
        found |= edits_of_direction(loaded, contrast, place, known.directions(contrast, None).vector(*place), seed)
    papers = {name: str(file) for name in ("rosi", "mask", "signature", "own_head") if (file := files.input.get(name))}
    return found | edits_of_papers(papers, loaded, known, seed)
