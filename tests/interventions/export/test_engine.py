"""What the gate measured is what leaves: the engine on the exported folder answers as it did with the adapter."""

import pytest
import torch
from copied_models import edit_of
from shared_engine import close_shared_engine, served_model, shared_engine
from tiny_model import load_tiny_model

from anatomy.interventions.directions.controls import isotropic
from anatomy.interventions.edits.adapter import write_adapter
from anatomy.interventions.export.rewrite import low_rank_rewrites
from anatomy.interventions.export.stream import stream_checkpoint
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.rendering import Rendering, render
from anatomy.serving.decoding import Decoding
from anatomy.serving.engine import Engine

pytestmark = pytest.mark.engine
TIE = 1e-4
"""Top-2 margin of logits below which two correct implementations may choose differently."""


def test_the_exported_folder_answers_as_the_adapter_did(tmp_path):
    source = Checkpoint(served_model())
    edit = edit_of(source.folder, isotropic(64, 7))
    write_adapter(edit, tmp_path / "adapter", source)
    (tmp_path / "out").mkdir()
    stream_checkpoint(source, low_rank_rewrites(edit.factors), tmp_path / "out")
    loaded = load_tiny_model(tmp_path / "out")
    prompts = render(loaded.tokenizer, [f"Explain how to open gate {n}" + " of the old mill" * n for n in range(12)], Rendering())
    greedy = Decoding(max_new_tokens=16, temperature=0.0)
    engine = shared_engine()
    plain, expected = engine.generate(prompts, greedy), engine.generate(prompts, greedy, adapter=tmp_path / "adapter")
    close_shared_engine()
    with Engine(tmp_path / "out", dtype="float32", max_model_len=1024, seed=0, kv_cache_bytes=2**27, threads=1) as served:
        found = served.generate(prompts, greedy)
    assert found != plain
    for prompt, one, other in zip(prompts, found, expected, strict=True):
        if one != other:
            place = next(i for i, (a, b) in enumerate(zip(one.token_ids, other.token_ids, strict=False)) if a != b)
            with torch.inference_mode():
                first, second = loaded.model(torch.tensor([[*prompt, *one.token_ids[:place]]])).logits[0, -1].topk(2).values
            assert float(first - second) < TIE, f"token {place} differs and is no tie"
