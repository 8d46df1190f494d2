"""A conversion that is made once, and again where something else is asked for."""

import pytest
from tiny_gguf import tiny_model, vocabulary, write_gguf

from anatomy.errors import ModelError
from anatomy.stages.convert import convert_once
from anatomy.store.files import read_json, write_json

ASKED = {"sha256": "unpinned", "dtype": "auto", "plain_english": False}


@pytest.fixture
def file(tmp_path):
    words = len(vocabulary(tmp_path / "words")[0])
    return write_gguf(tmp_path / "t.gguf", "llama", tiny_model("llama", words, tie_word_embeddings=False), tmp_path / "words")


@pytest.fixture
def made(file, tmp_path):
    card = tmp_path / "mine.json"
    assert convert_once(file, ASKED, card)
    return card


def test_the_same_is_not_converted_twice(file, made):
    assert not convert_once(file, ASKED, made)
    assert not convert_once(file, ASKED | {"dtype": "float32"}, made)


def test_another_number_format_is_converted_again(file, made):
    assert convert_once(file, ASKED | {"dtype": "bfloat16"}, made)
    assert read_json(made)["dtype"] == "bfloat16"


def test_a_folder_by_other_packages_is_converted_again(file, made):
    write_json(made, {**read_json(made), "versions": {"gguf": "0"}})
    assert convert_once(file, ASKED, made)


def test_english_that_was_not_asked_for_before_is_proven(file, made):
    with pytest.raises(ModelError, match="plain English"):
        convert_once(file, ASKED | {"plain_english": True}, made)


def test_other_bytes_under_the_same_name_are_converted_again(file, made, tmp_path):
    words = len(vocabulary(tmp_path / "words")[0])
    write_gguf(file, "llama", tiny_model("llama", words, tie_word_embeddings=True), tmp_path / "words")
    assert convert_once(file, ASKED, made)
