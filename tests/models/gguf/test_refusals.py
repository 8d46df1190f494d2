"""Files that cannot become a model folder are refused by what they are, before any weight is read."""

import gguf
import numpy as np
import pytest
import torch
from tiny_gguf import finish, tiny_model, vocabulary, write_gguf

from anatomy.errors import ModelError
from anatomy.models.gguf.configuration import model_config
from anatomy.models.gguf.header import read_header
from anatomy.models.gguf.refusals import require_convertible
from anatomy.models.gguf.tokenizer import load_file_tokenizer
from anatomy.models.gguf.weights import require_same_weights, rotary_factors


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    return tmp_path_factory.mktemp("words")


@pytest.fixture(scope="module")
def model(words):
    return tiny_model("llama", len(vocabulary(words)[0]), tie_word_embeddings=False)


@pytest.fixture
def write(model, words, tmp_path):
    def written(name="tiny.gguf", **how):
        return write_gguf(tmp_path / name, "llama", model, words, **how)

    return written


def bare(path, architecture="llama", values=(), tensors=()):
    """A file with nothing but what is given."""
    writer = gguf.GGUFWriter(path, architecture)
    for key, value in values:
        writer.add_string(key, value) if isinstance(value, str) else writer.add_uint32(key, value)
    for name, array in tensors:
        writer.add_tensor(name, array)
    return finish(writer, path)


def refusal(path):
    """What is said of a file, by everything that looks at it before a weight is read."""
    with pytest.raises(ModelError) as refused:
        header = read_header(path)
        require_convertible(header)
        require_same_weights(header, model_config(header, rotary_factors(header)))
        load_file_tokenizer(header)
    assert str(path) in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("architecture", ["phi3", "mamba", "qwen3moe", "bert", "deepseek2", "t5", "gpt-oss"])
def test_an_architecture_whose_conversion_is_not_proven_is_named(architecture, tmp_path):
    said = refusal(bare(tmp_path / "x.gguf", architecture, tensors=[("token_embd.weight", np.zeros((2, 32), np.float32))]))
    assert f"architecture {architecture}" in said and "llama, qwen2" in said


def test_experts_in_an_architecture_that_can_do_without_are_named(write):
    assert "a mixture of 8 experts" in refusal(write(values=[("expert_count", 8)]))


@pytest.mark.parametrize(
    "values, said",
    [
        ([("attention.scale", 0.5)], "llama.attention.scale = 0.5"),
        ([("rope.scaling.type", "yarn")], "rotary scaling 'yarn'"),
        ([("rope.scaling.type", "linear"), ("rope.scaling.factor", 4.0)], "rotary scaling 'linear'"),
        ([("attention.sliding_window", 512)], "a window of 512 tokens"),
        ([("attention.value_length", 8)], "of another width than keys"),
        ([("rope.dimension_count", 8)], "of another width than keys"),
        ([("attention.causal", False)], "llama.attention.causal = False"),
    ],
)
def test_a_computation_that_is_not_known_here_is_named(values, said, write):
    assert said in refusal(write(values=values))


def test_rotary_factors_of_another_kind_than_llama_3s_are_refused(write):
    assert "not those of Llama 3" in refusal(write(tensors=[("rope_freqs.weight", np.linspace(1, 3, 8).astype(np.float32))]))


@pytest.mark.parametrize("name", ["blk.0.attn_sinks.weight", "blk.0.attn_q.lora_a", "v.blk.0.attn_q.weight", "mm.0.weight"])
def test_a_tensor_that_the_architecture_lacks_is_named(name, write):
    assert name in refusal(write(tensors=[(name, np.zeros((4, 32), np.float32))]))


def test_a_bias_that_would_be_left_out_is_named(write):
    assert "o_proj.bias" in refusal(write(tensors=[("blk.0.attn_output.bias", np.zeros(64, np.float32))]))


def test_a_missing_weight_is_named(write):
    assert "no model.layers.1.mlp.up_proj.weight" in refusal(write(leave_out="blk.1.ffn_up.weight"))


def test_adapters_vocabularies_and_projectors_are_no_models(write, tmp_path):
    assert "a file of type adapter" in refusal(write(general_type="adapter"))
    assert "a vocabulary without weights" in refusal(bare(tmp_path / "vocabulary.gguf"))
    assert "mmproj" in refusal(bare(tmp_path / "mmproj.gguf", "clip", tensors=[("v.x", np.zeros((2, 32), np.float32))]))


def test_a_part_of_a_split_model_is_told_apart_by_its_name_and_by_its_metadata(write, tmp_path):
    assert "llama-gguf-split --merge" in refusal(write("tiny-00001-of-00003.gguf"))
    assert "a part of a model (3 files)" in refusal(bare(tmp_path / "renamed.gguf", values=[("split.count", 3)]))


@pytest.mark.parametrize("share", [0.0, 0.001, 0.05, 0.5, 0.999])
def test_a_file_that_is_cut_short_is_refused_wherever_it_ends(share, write, tmp_path):
    whole = write().read_bytes()
    cut = tmp_path / "cut.gguf"
    cut.write_bytes(whole[: int(len(whole) * share)])
    said = refusal(cut)
    assert "which end within" in said or "begins with b''" in said


def test_every_damage_to_a_header_is_an_error_of_ours(write, tmp_path):
    """Lengths and counts that a damaged file states are not believed."""
    whole = bytearray(write().read_bytes())
    generator = torch.Generator().manual_seed(0)
    for place in torch.randint(8, 4000, (150,), generator=generator).tolist():
        harmed = bytearray(whole)
        harmed[place : place + 8] = b"\xff" * 8
        file = tmp_path / "harmed.gguf"
        file.write_bytes(harmed)
        try:
            header = read_header(file)
            require_convertible(header)
            model_config(header, rotary_factors(header))
        except ModelError:
            pass


@pytest.mark.parametrize(
    "start, said",
    [
        (b"GGUF" + (1).to_bytes(4, "little"), "GGUF version 1"),
        (b"GGUF" + (3).to_bytes(4, "big"), "big-endian"),
        (b"PK\x03\x04aaaa", "begins with b'PK"),
        (b"ggml\x01\x00\x00\x00", "begins with b'ggml'"),
    ],
)
def test_other_files_and_versions_are_named(start, said, tmp_path):
    file = tmp_path / "x.gguf"
    file.write_bytes(start + bytes(100))
    assert said in refusal(file)


def test_folders_and_nothing_are_named(tmp_path):
    assert "a folder" in refusal(tmp_path)
    assert "no such file" in refusal(tmp_path / "absent.gguf")


def test_a_quantisation_that_no_number_comes_of_is_named(tmp_path):
    q8_k = gguf.GGMLQuantizationType.Q8_K
    writer = gguf.GGUFWriter(tmp_path / "x.gguf", "llama")
    writer.add_tensor("token_embd.weight", np.zeros((2, 292), np.uint8), raw_dtype=q8_k)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    assert "token_embd.weight quantised as Q8_K" in refusal(tmp_path / "x.gguf")


@pytest.mark.parametrize("pre", ["default", "command-r", "something-new"])
def test_a_way_of_splitting_that_is_not_known_here_is_named(pre, write):
    assert f"tokenizer.ggml.pre = {pre!r}" in refusal(write(pre=pre))
