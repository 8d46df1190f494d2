"""Every kind of edit on a grown model: the engine against transformers, prompts of every length."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
import torch
from edit_kinds import head, low_rank, pruned
from greedy import difference, margins
from shared_engine import close_shared_engine

from anatomy.interventions.edits.apply import applied
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import load_model
from anatomy.models.rendering import Rendering, render
from anatomy.serving.decoding import Decoding
from anatomy.serving.engine import Engine
from anatomy.serving.likelihood import continuation_likelihoods
from anatomy.serving.transformers_generation import generate_with_transformers

pytestmark = pytest.mark.engine
GREEDY = Decoding(max_new_tokens=16, temperature=0.0)


def test_every_kind_on_the_organism(finished):
    close_shared_engine()
    organism = finished.results / "organism" / "s0"
    compare(organism / "models" / "aligned", organism / "prompts")


def compare(folder: Path, tables: Path, short: int = 30) -> None:
    """Same greedy tokens (ties excepted), log-likelihoods within 1e-5 relative, and the base unchanged after each kind."""
    checkpoint, loaded = Checkpoint(folder), load_model(folder, torch.float32, "cpu")
    texts = pd.concat([pd.read_parquet(path) for path in sorted(tables.glob("*.parquet"))])["prompt"]
    all_tokens = [token for ids in render(loaded.tokenizer, list(texts[:200]), Rendering()) for token in ids]
    length = min(512, loaded.model.config.max_position_embeddings)
    long = [all_tokens[start : start + size] for start, size in ((0, 300), (200, 330), (100, 380)) if size + 16 <= length]
    prompts = render(loaded.tokenizer, list(texts.sample(short, random_state=0)), Rendering()) + long
    one, other, mask = low_rank(checkpoint), low_rank(checkpoint, 1, -0.9), pruned(checkpoint, 0.05)
    low = head(checkpoint, rank=4, scale=0.05)
    stacks = {
        "base": [],
        "adapter": [one],
        "stack": [one, other],
        "sparse": [mask],
        "dense head": [head(checkpoint, scale=0.05)],
        "low-rank head": [low],
        "all together": [mask, one, low],
    }
    with Engine(folder, dtype="float32", max_model_len=length, seed=0, kv_cache_bytes=2**27, adapters=True) as engine:
        plain = [answer.token_ids for answer in engine.generate(prompts, GREEDY)]
        unedited = [score(loaded, ids) for ids in prompts]
        for name, edits in stacks.items():
            with applied(loaded, *edits) as edited:
                expected = [one.token_ids for one in generate_with_transformers(edited, prompts, GREEDY, batch_size=16)]
                clear = [margins(edited, *pair) for pair in zip(prompts, expected, strict=True)]
                scores = [score(edited, ids) for ids in prompts]
            with engine.under(edits) as adapter:
                found = [answer.token_ids for answer in engine.generate(prompts, GREEDY, adapter=adapter)]
                scored = continuation_likelihoods(engine, [ids[:1] for ids in prompts], [ids[1:] for ids in prompts], adapter)
            apart = [place for place, row in enumerate(zip(found, expected, clear, strict=True)) if difference(*row) is not None]
            assert not apart, f"{name}: prompts {apart}"
            assert [row.logprob for row in scored] == pytest.approx(scores, rel=1e-5), name
            assert not edits or scores != pytest.approx(unedited, rel=1e-3), "the edit must show"
            assert [answer.token_ids for answer in engine.generate(prompts, GREEDY)] == plain, f"the base after {name}"


def score(loaded, ids: list[int]) -> float:
    with torch.inference_mode():
        rows = loaded.model(torch.tensor([ids])).logits[0, :-1].double().log_softmax(-1)
    return float(rows.gather(1, torch.tensor(ids[1:])[:, None]).sum())
