"""The same eight edits as ``ours_answers``, all answered together: adapters on one vLLM engine. So are those of the controls."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from speed.peers.budget import ANSWER_TOKENS, CANDIDATES, SEED
from speed.peers.organism import grown_organism
from speed.peers.programs.marks import PICKED, SEARCH, say, say_result
from speed.peers.programs.ours import Chosen, Model, beside_controls, directions, opened
from speed.peers.programs.ours_answers import best, candidates, moved, refused_share
from speed.peers.scoring import first_logits, ruler_of

from anatomy.interventions.edits.rank_one import build_edit
from anatomy.serving.decoding import Decoding
from anatomy.serving.engine import Engine
from anatomy.serving.environment import prepare_environment
from anatomy.serving.variants import Job, Variant, VariantCompletions

CACHE, CONTEXT, SHARD = 2**28, 256, 1024
"""Bytes of keys and values, tokens of a request, requests handed over at once."""


def main(results: Path, seed: int) -> None:
    prepare_environment(1)
    organism = grown_organism(results, seed)
    model = opened(organism)
    own, controls = directions(model, beside_mean=True)
    unedited = first_logits(model.loaded, model.ids["harmless", "select"])
    with Engine(
        organism.model,
        dtype="float32",
        max_model_len=CONTEXT,
        seed=SEED,
        kv_cache_bytes=CACHE,
        adapters=True,
        max_loras=CANDIDATES,
    ) as engine:
        say(SEARCH)
        tried = candidates(own)
        chosen = best(tried, judged_together(engine, model, tried, unedited))
        say(PICKED)
        spaces = [candidates(control) for control in controls]
        standing = judged_together(engine, model, [one for space in spaces for one in space], unedited)
        parts = [standing[start : start + CANDIDATES] for start in range(0, len(standing), CANDIDATES)]
        others = [best(space, part) for space, part in zip(spaces, parts, strict=True)]
    found = beside_controls(model, ruler_of(organism, model.loaded), chosen, iter(others))
    say_result({"candidates": CANDIDATES, **found})


def judged_together(engine: Engine, model: Model, tried: Sequence[Chosen], unedited: torch.Tensor) -> list[tuple[float, float]]:
    """Refusals that each edit leaves, by rules, and its first-token KL in nats."""
    divergences = [moved(model, one, unedited) for one in tried]
    variants = [Variant(str(n), (build_edit(spec, model.checkpoint, unit),)) for n, (spec, unit) in enumerate(tried)]
    asked = [(ids, None) for ids in model.ids["harmful", "select"]]
    texts: list[list[str]] = [[] for _ in tried]
    jobs = [Job(variant, asked) for variant in variants]
    for places, answers in VariantCompletions(engine, jobs, Decoding(ANSWER_TOKENS, 0.0), shard_size=SHARD):
        for (job, _), answer in zip(places, answers, strict=True):
            texts[job].append(answer.text)
    return [(refused_share(own), kl) for own, kl in zip(texts, divergences, strict=True)]


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
