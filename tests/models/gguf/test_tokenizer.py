"""Tokenizers of GGUF files: what the file says counts, not what a class of transformers would do."""

import json

import gguf
import numpy as np
import pytest
from tiny_gguf import add_vocabulary, vocabulary

from anatomy.errors import ModelError
from anatomy.models.gguf.header import read_header
from anatomy.models.gguf.tokenizer import load_file_tokenizer, require_round_trip, save_tokenizer
from anatomy.models.tokenizer import load_tokenizer

PIECES = {
    "▁": -10.0,
    "e": -11.0,
    "t": -12.0,
    "h": -13.0,
    "a": -14.0,
    "n": -16.0,
    "▁t": -1.0,
    "he": -2.0,
    "▁the": -3.0,
    "▁a": -4.0,
}


@pytest.fixture
def read(tmp_path):
    """Write a file with the given vocabulary, build its tokenizer, and read that back beside a configuration."""

    def through(write, model_type="llama", rows=None):
        writer = gguf.GGUFWriter(tmp_path / "x.gguf", model_type)
        count = write(writer)
        writer.add_tensor("token_embd.weight", np.zeros((rows or count, 32), np.float32))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        header = read_header(tmp_path / "x.gguf")
        out = tmp_path / "out"
        out.mkdir(exist_ok=True)
        save_tokenizer(load_file_tokenizer(header), out)
        (out / "config.json").write_text(json.dumps({"model_type": model_type}))
        tokenizer = load_tokenizer(out)
        require_round_trip(tokenizer, header)
        return tokenizer

    return through


def pieces(**said):
    """A SentencePiece vocabulary with bytes to fall back on."""

    def write(writer):
        tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *PIECES]
        writer.add_tokenizer_model("llama")
        writer.add_tokenizer_pre("default")
        writer.add_token_list(tokens)
        writer.add_token_scores([*[0.0] * 259, *PIECES.values()])
        writer.add_token_types([2, 3, 3, *[6] * 256, *[1] * len(PIECES)])
        writer.add_unk_token_id(0)
        writer.add_bos_token_id(1)
        writer.add_eos_token_id(2)
        for name, value in said.items():
            getattr(writer, f"add_{name}")(value)
        return len(tokens)

    return write


def bytes_of(folder, pre, **said):
    """The tiny byte-level vocabulary."""

    def write(writer):
        size, _ = add_vocabulary(writer, folder, pre)
        for name, value in said.items():
            getattr(writer, f"add_{name}")(value)
        return size

    return write


@pytest.mark.parametrize("space", [None, True, False])
def test_a_space_goes_before_a_text_where_the_file_says_so(space, read):
    tokenizer = read(pieces(**({} if space is None else {"add_space_prefix": space})))
    assert tokenizer.tokenize("the a") == (["t", "he", "▁a"] if space is False else ["▁the", "▁a"])
    assert tokenizer("the").input_ids[0] == tokenizer.bos_token_id, "SentencePiece files begin with BOS where they do not say"


def test_byte_level_files_do_not_begin_with_bos_where_they_do_not_say_but_llama_3s_do(read, tmp_path):
    for pre, begins in (("gpt-2", False), ("llama-bpe", True)):
        tokenizer = read(bytes_of(tmp_path / "words", pre))
        assert (tokenizer("cake").input_ids[0] == tokenizer.bos_token_id) is begins
        assert tokenizer.backend_tokenizer.model.ignore_merges is begins


@pytest.mark.parametrize("model_type", ["llama", "qwen2", "gemma3"])
def test_no_class_brings_tokens_that_the_embedding_has_no_row_for(model_type, read, tmp_path):
    tokenizer = read(bytes_of(tmp_path / "words", "qwen2"), model_type)
    tokens = vocabulary(tmp_path / "words")[0]
    assert len(tokenizer) == len(tokens) and set(tokenizer.get_vocab()) <= set(tokens)
    assert tokenizer.unk_token is None and tokenizer.pad_token is None


def test_more_tokens_than_rows_are_refused(read, tmp_path):
    with pytest.raises(ModelError, match="400 tokens for 300 rows"):
        read(bytes_of(tmp_path / "words", "gpt-2"), rows=300)


def test_a_mark_that_is_no_token_is_refused(read, tmp_path):
    with pytest.raises(ModelError, match="eot_token_id 999"):
        read(bytes_of(tmp_path / "words", "gpt-2", eot_token_id=999))


def test_digits_are_cut_one_by_one_where_the_vocabulary_was_made_so(read, tmp_path):
    assert read(bytes_of(tmp_path / "words", "smollm")).tokenize("12") == ["1", "2"]


def test_a_model_that_ends_every_text_is_refused(read, tmp_path):
    with pytest.raises(ModelError, match="add_eos_token"):
        read(bytes_of(tmp_path / "words", "gpt-2", add_eos_token=True))
