"""Rewriting one fact: the algebra, what moves least, a value that is reached, and prompts whose subject is found."""

from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, Gemma2Config, GPT2Config, LlamaConfig, MixtralConfig, Olmo2Config

from anatomy.errors import DataError, ModelError
from anatomy.interventions.edits.apply import applied_factors
from anatomy.interventions.instruments.fact_edit import (
    RIDGE,
    FactPrompt,
    key_moments,
    last_matrix,
    rank_one,
    subject_keys,
    wanted_value,
    with_random_key,
)
from anatomy.interventions.instruments.facts import Question, fact_prompt, margins, object_token
from anatomy.models.loading import LoadedModel
from anatomy.models.matrix_names import matrix_of

SMALL = dict(vocab_size=50, hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=4)
SMALL |= dict(num_key_value_heads=2, head_dim=8, pad_token_id=0, bos_token_id=1, eos_token_id=2)
PROMPTS = [FactPrompt((1, 8, 9, 10), 2), FactPrompt((1, 30, 31, 8, 9, 10), 4)]
WORDS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "the",
    "red",
    "blue",
    "cat",
    "dog",
    "is",
    "cats",
]


class Words:
    """A tokenizer of whole words and their ends."""

    pad_token_id, eos_token_id = 0, 2

    def __call__(self, text, return_offsets_mapping=False):
        ids, offsets, place = [], [], 0
        for word in text.split(" "):
            parts = [word[:3], word[3:]] if word == "cats" else [word]
            for part in filter(None, parts):
                ids.append(WORDS.index(part) if part in WORDS else 20 + len(part))
                offsets.append((place, place + len(part)))
                place += len(part)
            place += 1
        return {"input_ids": ids, "offset_mapping": offsets}


@pytest.fixture(params=[LlamaConfig, Gemma2Config, Olmo2Config])
def loaded(request):
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(request.param(**SMALL)).eval().requires_grad_(False)
    for name, parameter in model.named_parameters():
        if "norm" not in name and "embed" not in name:
            parameter.data.mul_(4.0)
    return LoadedModel(model, Words(), Path(), "", 3, 32)


def keys_of(loaded, layer=0):
    texts = [[1, *torch.randint(3, 50, (7,), generator=torch.Generator().manual_seed(n)).tolist()] for n in range(40)]
    return key_moments(loaded, [layer], texts, 100)[layer], subject_keys(loaded, [layer], PROMPTS)[layer]


def test_moments_and_keys_are_what_enters_the_matrix(loaded):
    kept = []
    handle = last_matrix(loaded, 1).register_forward_pre_hook(lambda _module, args: kept.append(args[0]))
    for prompt in PROMPTS:
        loaded.model(input_ids=torch.tensor([prompt.tokens]))
    handle.remove()
    found = subject_keys(loaded, [1], PROMPTS)[1]
    wanted = sum(x[0, prompt.subject].double() for x, prompt in zip(kept, PROMPTS, strict=True)) / 2
    assert torch.allclose(found, wanted, atol=1e-6)
    rows = torch.cat([x[0, 1:].double() for x in kept])
    moments = key_moments(loaded, [1], [list(prompt.tokens) for prompt in PROMPTS], 5)[1]
    assert torch.allclose(moments, rows.T @ rows / len(rows), atol=1e-6)


def test_the_key_is_answered_and_other_keys_are_moved_least(loaded):
    moments, key = keys_of(loaded)
    weight, value = last_matrix(loaded, 0).weight, torch.randn(32, dtype=torch.float64)
    a, b = rank_one(weight, moments, key, value)
    edited = (weight + b @ a).double()
    assert torch.allclose(edited @ key, value, atol=1e-3)
    other = with_random_key((a, b), seed=0)
    assert (other[1] @ other[0]).norm() == pytest.approx((b @ a).norm().item(), rel=1e-5)
    # Any other change of rank one that answers the key moves the keys of texts by more, under C with its ridge.
    ridged = moments + RIDGE * moments.diagonal().mean() * torch.eye(len(moments), dtype=torch.float64)
    missing = value - weight.double() @ key

    def cost(read):
        delta = missing[:, None] * read[None]
        return torch.trace(delta @ ridged @ delta.T).item()

    best = cost(a[0].double())
    for seed in range(5):
        read = torch.randn(len(key), generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        assert cost(read / (read @ key)) > best
    assert cost(key / key.square().sum()) >= best


def test_a_value_is_found_that_says_the_new_object_and_nothing_is_left_behind(loaded):
    before = {name: parameter.clone() for name, parameter in loaded.model.named_parameters()}
    trained = next(loaded.model.parameters()).requires_grad_(True)
    moments, key = keys_of(loaded)
    said = [loaded.model(input_ids=torch.tensor([prompt.tokens])).logits[0, -1].log_softmax(-1) for prompt in PROMPTS]
    target = int(sum(said).argmin())
    value = wanted_value(loaded, 0, PROMPTS, target)
    factors = rank_one(last_matrix(loaded, 0).weight, moments, key, value)
    with applied_factors(loaded, {"model.layers.0.mlp.down_proj": factors}):
        after = [loaded.model(input_ids=torch.tensor([prompt.tokens])).logits[0, -1].log_softmax(-1) for prompt in PROMPTS]
    for one, two in zip(said, after, strict=True):
        assert two[target] > one[target] + 0.1
    assert all(torch.equal(parameter, before[name]) for name, parameter in loaded.model.named_parameters())
    assert trained.requires_grad and not list(last_matrix(loaded, 0)._forward_hooks)


def test_a_fact_is_rewritten_in_a_matrix_that_is_stored_transposed_and_has_a_bias():
    torch.manual_seed(0)
    sizes = dict(vocab_size=50, n_embd=32, n_inner=48, n_layer=2, n_head=4, n_positions=64, bos_token_id=1, eos_token_id=2)
    model = AutoModelForCausalLM.from_config(GPT2Config(**sizes)).eval().requires_grad_(False)
    model.transformer.h[1].mlp.c_proj.bias.data.normal_()
    gpt2 = LoadedModel(model, Words(), Path(), "", 2, 32)
    matrix, target = last_matrix(gpt2, 1), 11
    texts = [[1, *torch.randint(3, 50, (7,), generator=torch.Generator().manual_seed(n)).tolist()] for n in range(9)]
    key = subject_keys(gpt2, [1], PROMPTS)[1]
    value = wanted_value(gpt2, 1, PROMPTS, target)
    factors = rank_one(matrix_of(matrix), key_moments(gpt2, [1], texts, 100)[1], key, value, matrix.bias)
    with applied_factors(gpt2, {"transformer.h.1.mlp.c_proj": factors}):
        assert torch.allclose(matrix(key.float()[None])[0], value.float(), atol=1e-4)


def test_experts_and_layers_that_are_not_there_are_named(loaded):
    with pytest.raises(ModelError, match="layer 3"):
        last_matrix(loaded, 3)
    experts = AutoModelForCausalLM.from_config(MixtralConfig(**SMALL, num_local_experts=2, num_experts_per_tok=1))
    with pytest.raises(ModelError, match="without one down_proj"):
        last_matrix(LoadedModel(experts, None, Path(), "", 3, 32), 0)


def test_a_subject_is_found_where_it_ends():
    assert fact_prompt(Words(), "the cat is", "cat") == FactPrompt((10, 13, 15), 1)
    assert fact_prompt(Words(), "cats is", "cats").subject == 1  # two tokens: the last one
    assert fact_prompt(Words(), "the cat is red the cat is", "cat").subject == 5
    with pytest.raises(DataError, match="'do' in 'the dog is'"):
        fact_prompt(Words(), "the dog is", "do")  # ends within a token
    with pytest.raises(DataError, match="no 'dog'"):
        fact_prompt(Words(), "the cat is", "dog")


def test_an_object_is_its_first_token_behind_the_text(loaded):
    assert object_token(Words(), "the cat is", "red") == WORDS.index("red")
    with pytest.raises(DataError, match="whose tokens change"):
        object_token(Words(), "the cat is", "")
    questions = [Question("the cat is", "red", "blue"), Question("dog is", "blue", "red")]
    found = margins(loaded, questions, 100)
    logits = loaded.model(input_ids=torch.tensor([[10, 13, 15]])).logits[0, -1]
    assert found[0] == pytest.approx((logits[12] - logits[11]).item(), abs=1e-4) and len(found) == 2
