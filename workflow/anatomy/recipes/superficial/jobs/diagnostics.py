"""Divergences, shift tokens and planted facts of a pair, and its control head on an early layer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import torch
from jaxtyping import Float32
from torch import Tensor

from anatomy.config.study import Subject
from anatomy.interventions.edits.head import HeadEdit, SomeRows
from anatomy.interventions.edits.low_rank import LowRankEdit
from anatomy.interventions.edits.saved import saved_edit
from anatomy.interventions.heads.cache import Shard, read_cache, read_index
from anatomy.interventions.heads.head_model import FullHead
from anatomy.interventions.heads.training import held_out, train_head
from anatomy.interventions.heads.training_memory import require_training_memory
from anatomy.interventions.heads.union import Union, UnionHead, UnionInputs, union_logits, within
from anatomy.models.checkpoint import Checkpoint
from anatomy.recipes.superficial.maker import schedule_of, union_of
from anatomy.recipes.superficial.options import Superficial
from anatomy.recipes.superficial.pairs import FINE_TUNED, POOLED, aligned_pair, heads_of_base, ordered_heads, shows_examples
from anatomy.recipes.superficial.speaking import shown_to
from anatomy.recipes.superficial.stages.diagnostics import Baselined, Pairing, diagnose, fact_answers, open_pair
from anatomy.recipes.superficial.stages.orders import by_order
from anatomy.stages.inputs import named_files
from anatomy.stages.running import Files, Running, written
from anatomy.stages.soundness import sound_model
from anatomy.store.files import read_json, read_table, write_table

PINS: tuple[str, ...] = ("torch", "transformers")
NOT_PINNED = {"vllm": "an engine is imported with what serves either way; these rows come from transformers"}


def run(job: Running, files: Files) -> None:
    """From a pair's heads and test answers to tables."""
    torch.set_num_threads(job.threads)
    given = named_files(files.input)
    subjects = {role: Subject(**values) for role, values in files.params.subjects.items()}
    cards = {role: sound_model(given[role][0]) for role in subjects}
    found = aligned_pair(job.config, subjects["aligned"])
    made = [head for head in heads_of_base(job.config, subjects["base"]) if head.pair == found]
    ordered = [head for head in ordered_heads(job.config, subjects["base"]) if head.pair == found]
    names = [head.name for head in made]
    checkpoint = Checkpoint(Path(cards["base"]["folder"]))
    residuals = {}
    for name, file in zip([head.name for head in [*made, *ordered]], given["edits"], strict=True):
        edit = saved_edit(read_json(file)[f"superficial.{name}"], checkpoint)
        assert isinstance(edit, HeadEdit)
        residuals[name] = edit
    index = read_index(given["targets"][0])
    cached = read_cache(given["targets"][0].with_suffix(""), len(index["shards"]))
    models = open_pair(cards)
    weight = models["base"].model.get_output_embeddings().weight.detach().float().cpu()
    union = union_of(job.config.superficial, given["targets"][0])
    early = early_head(weight, cached, job.config.superficial, union, job.say)
    own = {name: residuals[name] for name in names}
    pair = Pairing(subjects, models, own, early, index["key"]["layer"])
    variants = pd.concat(map(read_table, given["base_variants"]), ignore_index=True)
    texts = {role: pd.concat(map(read_table, given[f"{role}_completions"]), ignore_index=True) for role in subjects}
    pooled = f"{found.label}-{POOLED}"
    wearing = variants[(variants["family"] == pooled)]["variant"]
    aligned = texts["aligned"][texts["aligned"]["variant"] == "base"]
    tables = diagnose(
        job.config,
        pair,
        aligned,
        {pooled: texts["base"][texts["base"]["variant"].isin(wearing)]},
        job.say,
    )
    facts = pd.DataFrame(columns=["model"])
    if given["world"]:
        facts = fact_answers(pair, given["world"][0], names, _baselined(job, subjects["base"], given["fine_tuned"], checkpoint))
    in_orders = by_order(job.config, Pairing(subjects, models, residuals, early, 0), aligned, {h.order: h.name for h in ordered})
    for name, table in {**tables, "facts": facts, "orders": in_orders}.items():
        write_table(written(files, name), table)


def _baselined(job: Running, base: Subject, fine_tuned: list[Path], checkpoint: Checkpoint) -> Baselined:
    adapter = saved_edit(read_json(fine_tuned[0])[f"superficial.{FINE_TUNED}"], checkpoint) if fine_tuned else None
    assert adapter is None or isinstance(adapter, LowRankEdit)
    return Baselined(shown_to(job.config, base) if shows_examples(job.config, base) else None, adapter)


def early_head(
    weight: Float32[Tensor, "vocabulary d_model"],
    cached: Shard,
    wanted: Superficial,
    union: Union | None,
    say: Callable[[str], None],
) -> Callable[[Float32[Tensor, "token d_model"]], Float32[Tensor, "token vocabulary"]]:
    """What a head of the pooled one's size adds that reads an early layer, trained beside the base's own logits as that is."""
    options = wanted.training
    validation = held_out(cached.lengths, options.held_out, torch.Generator().manual_seed(options.seed))
    own = weight if union is None else weight[union.tokens]
    require_training_memory(tuple(own.shape), None, options.batch_tokens, "the control head on an early layer")
    head = FullHead.of(torch.zeros_like(own))
    trained = train_head(
        head if union is None else UnionHead(head),
        cached.early if union is None else UnionInputs(cached.early, union),
        cached.targets if union is None else within(cached.targets, union),
        validation,
        schedule_of(options),
        say,
        offset=lambda rows: (
            cached.features[rows].float() @ weight.T if union is None else union_logits(cached.features, own, rows)
        ),
    )
    say(f"early layer: held-out divergence {trained.before:.3f} to {trained.best:.3f} nats a token")
    if union is None:
        return lambda states: states @ head.matrix.T
    some = SomeRows(union.tokens, union.vocabulary)
    return lambda states: some.among_all(states @ head.matrix.T)
