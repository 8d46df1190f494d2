"""Models that people use, through pip, GGUF and conversion: they predict plain English, and answer."""

import json
import os

import pytest
import torch
from real_models import ALL, GEMMA3, QWEN_CODER, SMOLLM2, real_folder, real_gguf

from anatomy.errors import ModelError
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.gguf.header import read_header
from anatomy.models.gguf.plain_text import plain_text, require_plain_text
from anatomy.models.gguf.refusals import require_convertible
from anatomy.models.loading import load_model

pytestmark = pytest.mark.weights

WANTED = [
    pytest.param(SMOLLM2, 0.95, id="smollm2"),
    *(
        pytest.param(model, bits, id=name, marks=pytest.mark.skipif(ALL not in os.environ, reason=f"{ALL} is not set"))
        for model, bits, name in ((QWEN_CODER, 1.08, "qwen-coder"), (GEMMA3, 0.89, "gemma3"))
    ),
]
"""With a bound on bits a byte of the paragraph: measured .90, 1.03 and .84, on weights of four bits."""


@pytest.mark.parametrize("model, bits", WANTED)
def test_plain_english_is_predicted_and_a_harmed_model_is_refused(model, bits):
    folder = real_folder(model)
    card = json.loads(folder.with_suffix(".json").read_text())
    assert card["plain_text"]["bits"] < bits
    loaded = load_model(folder, torch.float32, "cpu")
    heads = loaded.model.config.num_attention_heads
    with torch.no_grad():
        for block in loaded.model.model.layers:
            for projection, count in ((block.self_attn.q_proj, heads), (block.self_attn.k_proj, None)):
                weight = projection.weight
                rows = count or loaded.model.config.num_key_value_heads
                weight.copy_(weight.reshape(rows, 2, -1, weight.shape[1]).transpose(1, 2).reshape(weight.shape))
    found = plain_text(loaded, begins=card["adds_bos"])
    with pytest.raises(ModelError, match="bits a byte of plain English"):
        require_plain_text(found, folder, begins=card["adds_bos"])


@pytest.mark.parametrize("model, bits", [row for row in WANTED if row.id == "gemma3"])
def test_a_beginning_that_the_file_does_not_ask_for_is_noticed(model, bits):
    loaded = load_model(real_folder(model), torch.float32, "cpu")
    assert loaded.tokenizer("Hello").input_ids[0] == loaded.tokenizer.bos_token_id
    found = plain_text(loaded, begins=False)
    assert found["perplexity"] > 4 * found["other_beginning"]
    with pytest.raises(ModelError):
        require_plain_text(found, real_folder(model), begins=False)


@pytest.mark.parametrize("model, bits", [row for row in WANTED if row.id != "gemma3"])
def test_it_answers_through_its_own_template(model, bits):
    loaded = load_model(real_folder(model), torch.float32, "cpu")
    asked = [{"role": "user", "content": "What is the capital of France? Answer in one short sentence."}]
    ids = loaded.tokenizer.apply_chat_template(asked, add_generation_prompt=True, return_tensors="pt", return_dict=True)
    answer = loaded.model.generate(**ids, max_new_tokens=24, do_sample=False)[0, ids["input_ids"].shape[1] :]
    assert "Paris" in loaded.tokenizer.decode(answer)
    assert answer[-1] == loaded.tokenizer.eos_token_id


def test_the_tokenizer_splits_digits_as_its_authors_do():
    """SmolLM2 was trained on texts cut at every digit, whatever their number."""
    tokenizer = load_model(real_folder(SMOLLM2), torch.float32, "cpu").tokenizer
    assert tokenizer.tokenize("year 2024, 007") == ["year", "Ġ", "2", "0", "2", "4", ",", "Ġ", "0", "0", "7"]


def test_what_the_file_says_of_itself_is_what_its_authors_published():
    header = read_header(real_gguf(SMOLLM2))
    require_convertible(header)
    assert header.parameters == 134_515_008
    folder = Checkpoint(real_folder(SMOLLM2))
    assert folder.tied_embeddings and folder.num_layers == 30 and folder.d_model == 576
    assert folder.config["rope_parameters"]["rope_theta"] == 100_000 and folder.config["rms_norm_eps"] == 1e-5
