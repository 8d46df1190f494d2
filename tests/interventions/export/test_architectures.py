"""The same on other classes than Llama's: sharded by transformers, tied or not, with norms after the sublayers or before."""

import pytest
import torch
import transformers
from copied_models import edit_of
from tiny_model import SMALL, make_tiny_tokenizer

from anatomy.interventions.directions.controls import isotropic
from anatomy.interventions.edits.apply import applied
from anatomy.interventions.export.rewrite import low_rank_rewrites
from anatomy.interventions.export.stream import stream_checkpoint
from anatomy.interventions.export.verify import compare_logits, compare_untouched
from anatomy.models.checkpoint import Checkpoint

CLASSES = {
    "Qwen2": "Qwen2Config",
    "Qwen3": "Qwen3Config",
    "Gemma": "GemmaConfig",
    "Gemma2": "Gemma2Config",
    "Gemma3": "Gemma3TextConfig",
    "Mistral": "MistralConfig",
    "Phi3": "Phi3Config",
    "Olmo2": "Olmo2Config",
}


@pytest.mark.parametrize("name", CLASSES)
def test_an_export_is_the_edit_in_memory(name, tmp_path):
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    out.mkdir()
    make_tiny_tokenizer(source)
    config = getattr(transformers, CLASSES[name])(**SMALL | {"vocab_size": 400}, dtype="bfloat16")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = getattr(transformers, f"{name}ForCausalLM")(config).to(torch.bfloat16)
    model.save_pretrained(source, max_shard_size="30KB")
    checkpoint, edit = Checkpoint(source), edit_of(source, isotropic(32, 7))
    written = stream_checkpoint(checkpoint, low_rank_rewrites(edit.factors), out)
    assert len(written.files) > 1 and not written.untied
    compare_untouched(checkpoint, Checkpoint(out), {f"{matrix}.weight" for matrix in edit.factors})
    found = compare_logits(source, out, lambda loaded: applied(loaded, edit))
    assert found.effect > 2 * found.tolerance * found.largest
