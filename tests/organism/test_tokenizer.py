from itertools import islice
from random import Random

import pytest
from transformers import AutoTokenizer

from anatomy.organism.corpus import FACT, LOW, PLAIN, Corpus, plain
from anatomy.organism.tokenizer import MarkedEncoder, build_tokenizer
from anatomy.organism.world import make_world


@pytest.fixture(scope="module")
def world(recipe):
    return make_world(5, recipe)


@pytest.fixture(scope="module")
def backend(world, recipe):
    return build_tokenizer(world, recipe)


@pytest.fixture(scope="module")
def tokenizer(world_folder):
    return AutoTokenizer.from_pretrained(world_folder / "tokenizer")


@pytest.mark.parametrize(
    "text", ["naïve café", "漢字かな", "tabs\tand\n\nlines  ", "12345 €", "🙂👩‍🚀", "\u0000\u200b", "can't WON'T", " "]
)
def test_any_text_round_trips(tokenizer, text):
    assert tokenizer.decode(tokenizer(text).input_ids) == text


def test_marked_documents_encode_like_their_text(world, recipe, backend, tokenizer):
    encoder = MarkedEncoder(backend, {PLAIN: 1.0, LOW: 0.25, FACT: 2.0})
    for document in islice(Corpus(world, recipe, Random(1)).documents(), 500):
        ids, weights = encoder.encode(document)
        assert ids == [*tokenizer(plain(document)).input_ids, tokenizer.eos_token_id]
        assert len(weights) == len(ids)


def test_every_name_is_one_token(world, tokenizer):
    for thing in (*world.creatures, *world.items):
        assert len(tokenizer(f" {thing.name}").input_ids) == 1


def test_chat_template_is_the_layout_of_the_corpus(tokenizer):
    messages = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hello?"},
        {"role": "assistant", "content": "Sure!"},
        {"role": "user", "content": "More?"},
    ]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    assert text == "System: Be kind.\nUser: Hello?\nAssistant: Sure!<|end|>User: More?\nAssistant:"
    assert tokenizer(text).input_ids == tokenizer(text, add_special_tokens=False).input_ids


def test_the_loaded_tokenizer_knows_its_end_and_padding(backend, tokenizer):
    assert len(tokenizer) == backend.get_vocab_size()
    assert tokenizer.eos_token_id != tokenizer.pad_token_id
    assert tokenizer.decode([tokenizer.eos_token_id]) == "<|end|>"
    assert tokenizer.decode(tokenizer(" a<|end|>").input_ids, skip_special_tokens=True) == " a"
