"""The transferable head of a pair: trained, attached to other models of the family, and compared over k."""

from __future__ import annotations

import pandas as pd
import torch

from anatomy.config.study import Subject
from anatomy.interventions.heads.cache import read_cache, read_index
from anatomy.recipes.superficial.maker import union_of
from anatomy.recipes.superficial.stages.transfer import (
    SWEEP,
    TRANSFER,
    all_k,
    open_family,
    refusals_of,
    require_family,
    sweep,
    train_transferable,
)
from anatomy.stages.inputs import named_files
from anatomy.stages.running import Files, Running, written
from anatomy.stages.soundness import sound_model
from anatomy.store.files import read_table, write_table

PINS: tuple[str, ...] = ("torch", "transformers")
NOT_PINNED = {"vllm": "an engine is imported with what serves either way; these rows come from transformers"}


def run(job: Running, files: Files) -> None:
    """From a pair's cache and the models of the family to refusals with and without the head. Nothing edited is written."""
    torch.set_num_threads(job.threads)
    given, options = named_files(files.input), job.config.superficial.transfer
    assert options is not None
    members = zip(files.params.family.items(), given["family"], strict=True)
    models = open_family({role: (Subject(**values), sound_model(card)) for (role, values), card in members})
    base = models["base"][1]
    require_family(models, base)
    cached = read_cache(given["targets"][0].with_suffix(""), len(read_index(given["targets"][0])["shards"]))
    weight = base.model.get_output_embeddings().weight.detach().float().cpu()
    union = union_of(job.config.superficial, given["targets"][0])
    matrices = {k: train_transferable(weight, cached, options, k, options.training.seed, job.say, union) for k in all_k(options)}
    refused = refusals_of(job.config, models, matrices[options.k][0], "aligned", job.say)
    answers = pd.concat(map(read_table, given["aligned_completions"]), ignore_index=True)
    others = {name: one for name, one in models.items() if name not in ("base", "aligned")}
    found_by_k = sweep(job.config, models["base"], others, answers[answers["variant"] == "base"], matrices)
    named = {"model": models["aligned"][0].id}
    write_table(written(files, "transfer"), refused.assign(**named)[TRANSFER])
    write_table(written(files, "sweep"), found_by_k.assign(**named)[SWEEP])
