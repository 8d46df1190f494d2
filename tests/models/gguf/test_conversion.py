"""Models that go through a GGUF file and back."""

import json
import math

import gguf
import numpy as np
import pytest
import torch
from tiny_gguf import D_MODEL, HEADS, tiny_model, vocabulary, write_gguf

from anatomy.errors import ModelError
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.gguf.conversion import convert, in_words
from anatomy.models.gguf.header import read_header
from anatomy.models.gguf.size import gguf_size
from anatomy.models.gguf.weights import write_weights
from anatomy.models.loading import load_model
from anatomy.models.size import model_size
from anatomy.models.tokenizer import load_tokenizer

LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500_000.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 8192,
}
WINDOW = {"sliding_window": 8}
ROWS = {
    "llama": ("llama", {"tie_word_embeddings": False}, ()),
    "llama-tied": ("llama", {"tie_word_embeddings": True}, ()),
    "llama-biased": ("llama", {"tie_word_embeddings": False, "attention_bias": True}, ()),
    "llama-3.1": ("llama", {"tie_word_embeddings": False, "rope_parameters": LLAMA3}, [("rope.freq_base", 500_000.0)]),
    "qwen2": ("qwen2", {"tie_word_embeddings": True, "rope_theta": 1e6}, [("rope.freq_base", 1e6)]),
    "qwen3": ("qwen3", {"tie_word_embeddings": False, "head_dim": 32}, ()),
    "gemma2": (
        "gemma2",
        {**WINDOW, "attn_logit_softcapping": 2.0},
        [("attention.sliding_window", 8), ("attn_logit_softcapping", 2.0)],
    ),
    "gemma3": ("gemma3", WINDOW, [("attention.sliding_window", 8), ("rope.freq_base", 1e6)]),
}
"""Architecture, what sets the model apart, what its file states besides its sizes."""


@pytest.fixture
def words(tmp_path):
    return len(vocabulary(tmp_path / "words")[0])


def rotary_factors() -> np.ndarray:
    """Llama 3.1's, by the function that transformers itself computes its frequencies with."""
    from transformers import LlamaConfig
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    config = LlamaConfig(hidden_size=D_MODEL, num_attention_heads=HEADS, rope_parameters=LLAMA3, max_position_embeddings=16384)
    scaled, _ = ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")
    plain = 1 / LLAMA3["rope_theta"] ** (torch.arange(0, D_MODEL // HEADS, 2) / (D_MODEL // HEADS))
    return (plain / scaled).numpy().astype(np.float32)


@pytest.mark.parametrize("row", ROWS)
def test_logits_are_the_same_after_the_way_through_the_file(row, tmp_path, words):
    architecture, settings, values = ROWS[row]
    model = tiny_model(architecture, words, **settings)
    tensors = [("rope_freqs.weight", rotary_factors())] if row == "llama-3.1" else []
    file = write_gguf(tmp_path / "tiny.gguf", architecture, model, tmp_path / "words", values=values, tensors=tensors)
    done = convert(file, tmp_path / "out", dtype=torch.float32, english=False)
    loaded = load_model(tmp_path / "out", torch.float32, "cpu")
    ids = torch.randint(0, words, (2, 40), generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        ours, theirs = loaded.model(ids).logits, model(ids).logits
    assert (ours - theirs).abs().max() < 2e-4 * theirs.abs().max()
    assert in_words(done) == "from a GGUF file in F32"
    assert Checkpoint(tmp_path / "out").tied_embeddings == model.config.tie_word_embeddings
    assert loaded.model.config.get_text_config().architectures == [type(model).__name__]


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "F16", "BF16"])
def test_dequantised_weights_are_within_the_quantisations_own_error(kind, tmp_path, words):
    model = tiny_model("qwen2", words, tie_word_embeddings=True)
    file = write_gguf(tmp_path / "q.gguf", "qwen2", model, tmp_path / "words", kind=gguf.GGMLQuantizationType[kind])
    done = convert(file, tmp_path / "out", dtype=torch.float32, english=False)
    assert done["quantisation"][kind] == 3 * 7 + 1
    assert (kind in in_words(done)) and in_words(done).startswith("from a" if kind in ("F16", "BF16") else "dequantised from")
    stored = Checkpoint(tmp_path / "out")
    bits = {"Q8_0": 8, "Q4_0": 4, "Q4_1": 4, "Q5_0": 5, "Q5_1": 5, "F16": 11, "BF16": 8}[kind]
    for name, weight in model.state_dict().items():
        if weight.ndim == 2 and name != "lm_head.weight":
            worst = (stored.tensor(name) - weight).abs().max()
            assert 0 < worst < 1.1 * weight.abs().max() * 2.0 ** (1 - bits), name


def test_a_folder_in_sixteen_bits_is_the_exact_one_rounded(tmp_path, words):
    model = tiny_model("llama", words, tie_word_embeddings=False)
    file = write_gguf(tmp_path / "q.gguf", "llama", model, tmp_path / "words", kind=gguf.GGMLQuantizationType.Q4_1)
    for dtype in (torch.float32, torch.bfloat16):
        convert(file, tmp_path / str(dtype), dtype=dtype, english=False)
    exact, rounded = (Checkpoint(tmp_path / str(dtype)) for dtype in (torch.float32, torch.bfloat16))
    assert exact.names() == rounded.names()
    assert all(torch.equal(exact.tensor(name).bfloat16(), rounded.tensor(name)) for name in exact.names())


def test_weights_in_several_files_are_the_same(tmp_path, words):
    model = tiny_model("llama", words, tie_word_embeddings=False)
    header = read_header(write_gguf(tmp_path / "t.gguf", "llama", model, tmp_path / "words"))
    for name, size in (("one", 2**31), ("many", 40_000)):
        (tmp_path / name).mkdir()
        model.config.save_pretrained(tmp_path / name)
        write_weights(header, model.config, torch.float32, tmp_path / name, shard_bytes=size)
    one, many = Checkpoint(tmp_path / "one"), Checkpoint(tmp_path / "many")
    assert len(one.files) == 1 and len(many.files) > 3
    assert one.names() == many.names()
    assert all(torch.equal(one.tensor(name), many.tensor(name)) for name in one.names())


def test_the_size_is_known_before_the_conversion(tmp_path, words):
    model = tiny_model("llama", words, tie_word_embeddings=True)
    file = write_gguf(tmp_path / "t.gguf", "llama", model, tmp_path / "words", kind=gguf.GGMLQuantizationType.Q8_0)
    convert(file, tmp_path / "out", dtype=torch.float32, english=False)
    assert gguf_size(read_header(file)) == model_size(Checkpoint(tmp_path / "out"))


def test_a_model_that_predicts_no_english_leaves_nothing_behind(tmp_path, words):
    model = tiny_model("llama", words, tie_word_embeddings=False)
    file = write_gguf(tmp_path / "t.gguf", "llama", model, tmp_path / "words")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ModelError, match="bits a byte of plain English") as refused:
        convert(file, tmp_path / "out", dtype=torch.float32)
    assert "plain_english: false" in str(refused.value)
    assert sorted(tmp_path.iterdir()) == before


def test_what_a_killed_conversion_left_is_no_obstacle(tmp_path, words):
    model = tiny_model("llama", words, tie_word_embeddings=False)
    file = write_gguf(tmp_path / "t.gguf", "llama", model, tmp_path / "words")
    (tmp_path / ".out.partial").mkdir()
    (tmp_path / ".out.partial" / "model.safetensors").write_bytes(b"half")
    done = convert(file, tmp_path / "out", dtype=torch.float32, english=False)
    assert not (tmp_path / ".out.partial").exists() and not math.isnan(done["plain_text"]["bits"])
    assert Checkpoint(tmp_path / "out").names()


def test_the_digest_that_was_asked_for_counts(tmp_path, words):
    model = tiny_model("llama", words, tie_word_embeddings=False)
    file = write_gguf(tmp_path / "t.gguf", "llama", model, tmp_path / "words")
    with pytest.raises(ModelError, match="SHA-256"):
        convert(file, tmp_path / "out", dtype=torch.float32, sha256="0" * 64, english=False)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("add_bos", [True, False, None])
def test_texts_begin_as_the_file_says(add_bos, tmp_path, words):
    model = tiny_model("llama", words, tie_word_embeddings=False)
    file = write_gguf(tmp_path / "t.gguf", "llama", model, tmp_path / "words", add_bos=add_bos, template="{{ messages }}")
    done = convert(file, tmp_path / "out", dtype=torch.float32, english=False)
    tokenizer = load_tokenizer(tmp_path / "out")
    bare = tokenizer("a cake", add_special_tokens=False).input_ids
    assert tokenizer("a cake").input_ids == ([tokenizer.bos_token_id] if add_bos else []) + bare
    assert done["adds_bos"] is bool(add_bos)
    assert tokenizer.chat_template == "{{ messages }}"
    settings = json.loads((tmp_path / "out" / "generation_config.json").read_text())
    assert settings["eos_token_id"] == [tokenizer.eos_token_id]
    assert tokenizer.decode(tokenizer("<|end|>", add_special_tokens=False).input_ids) == "<|end|>"
