"""Prompts and answers against the context of model and engine."""

from dataclasses import replace

import pytest

from anatomy.errors import ConfigError, DataError
from anatomy.models.preflight.context import ContextNeed, measure_context, require_context, require_lengths
from anatomy.models.rendering import Rendering, render

PROMPTS = {"short": ["the mill", "a cake"], "long": ["the gate", "the river " * 40]}
NEED = ContextNeed(
    prompts=4, tokens=200, longest=100, place="prompt 1 of long", max_new_tokens=28, context=256, max_model_len=128
)


def test_the_longest_prompt_under_any_rendering_is_found(tiny):
    renderings = [Rendering(), Rendering(system="Be careful.")]
    need = measure_context(tiny.tokenizer, PROMPTS, renderings, max_new_tokens=8, context=1024, max_model_len=512)
    lengths = [
        len(ids) for rendering in renderings for texts in PROMPTS.values() for ids in render(tiny.tokenizer, texts, rendering)
    ]
    assert (need.prompts, need.tokens, need.longest, need.place) == (8, sum(lengths), max(lengths), "prompt 1 of long")
    assert need.needed == max(lengths) + 8


def test_what_just_fits_is_let_through():
    require_context(NEED, "-")
    require_context(replace(NEED, context=None), "-")


@pytest.mark.parametrize(
    ("change", "error", "expected", "remedy"),
    [
        ({"context": 127}, DataError, "at most 127, the model's context", "shorten the prompt"),
        ({"max_model_len": 127}, ConfigError, "at most 127, as serving.max_model_len says", "max_model_len to 128 or more"),
        ({"max_model_len": 300}, ConfigError, "at most 256, the model's context", "between 128 and 256"),
        ({"context": None, "max_model_len": 127}, ConfigError, "at most 127", "to 128 or more"),
    ],
)
def test_one_token_too_many_is_refused(change, error, expected, remedy):
    with pytest.raises(error) as caught:
        require_context(replace(NEED, **change), "models/mine")
    assert expected in caught.value.expected and remedy in caught.value.remedy and caught.value.where == "models/mine"


def test_a_jobs_prompts_are_counted_before_the_first_is_answered():
    require_lengths([[1] * 10, [1] * 20], 12, 32, "-")
    require_lengths([], 12, 0, "-")
    require_lengths([[1] * 10**6], 12, None, "-")
    with pytest.raises(DataError, match="2 of 3 prompts too long; the longest has 30 tokens"):
        require_lengths([[1] * 10, [1] * 21, [1] * 30], 12, 32, "-")
