"""Template positions of the families, token by token, and the published numbers of candidate positions."""

import json

import pytest
from chat_families import FAMILIES, family_tokenizer

from anatomy.models.rendering import Rendering, render, template_positions

LINE = "\u010a"  # a newline in a byte-level vocabulary
LLAMA_3 = ["<|eot_id|>", "<|start_header_id|>", "assistant", "<|end_header_id|>", LINE * 2]
CHAT_ML = ["<|im_end|>", LINE, "<|im_start|>", "assistant", LINE]
GEMMA = ["<end_of_turn>", "\n", "<start_of_turn>", "model", "\n"]
INST = ["\u2581[", "/", "INST", "]"]
TAILS = {
    "llama_2": INST,
    "llama_3": LLAMA_3,
    "llama_3_1": LLAMA_3,
    "llama_3_2": LLAMA_3,
    "gemma_2": GEMMA,
    "gemma_3": GEMMA,
    "mistral_7b_v0_2": INST,
    "mistral_7b_v0_3": ["[/INST]"],  # one token since the third version
    "qwen_2_5": CHAT_ML,
    "qwen_3": CHAT_ML,
    "yi": CHAT_ML,
    "phi_3": ["<|end|>", "<|assistant|>"],  # both swallow the newline behind them
    "phi_3_medium": ["<|end|>", "<|assistant|>"],
    # Plain text, no special tokens; the newline before it merges with a full stop, so it is no position of its own.
    "olmo_2": ["<", "|", "assistant", "|", ">", LINE],
}


@pytest.mark.parametrize("name", FAMILIES)
def test_positions_are_the_tokens_after_the_instruction(name):
    tokenizer, rendering = family_tokenizer(name), Rendering(date="2024-07-26")
    positions = template_positions(tokenizer, rendering)
    assert positions == list(range(-len(TAILS[name]), 0))
    for prompt in ("x", "One. Two.", "Which moon is it: 7"):
        (ids,) = render(tokenizer, [prompt], rendering)
        assert tokenizer.convert_ids_to_tokens([ids[position] for position in positions]) == TAILS[name]


@pytest.mark.parametrize("name", FAMILIES)
def test_a_system_prompt_moves_no_position(name):
    tokenizer = family_tokenizer(name)
    plain, system = (Rendering(date="2024-07-26", system=text, fold_system=True) for text in (None, "Be kind."))
    assert template_positions(tokenizer, plain) == template_positions(tokenizer, system)


def test_a_closed_thinking_span_adds_its_four_tokens():
    tokenizer = family_tokenizer("qwen_3")
    assert template_positions(tokenizer, Rendering(thinking=True)) == template_positions(tokenizer, Rendering())
    off = Rendering(thinking=False)
    positions = template_positions(tokenizer, off)
    (ids,) = render(tokenizer, ["Where is the gate?"], off)
    assert tokenizer.convert_ids_to_tokens([ids[position] for position in positions]) == [
        *CHAT_ML,
        "<think>",
        LINE * 2,
        "</think>",
        LINE * 2,
    ]


@pytest.mark.parametrize(("name", "released"), [("gemma_2", "gemma-2b-it"), ("qwen_2_5", "qwen-1_8b-chat")])
def test_as_many_positions_as_the_released_grids(name, released, shared_data):
    """Arditi et al. 2024 release one row for each candidate (position, layer)."""
    grid = json.loads((shared_data / f"refusal_direction/selection/{released}.direction_evaluations.json").read_text())
    assert sorted({row["position"] for row in grid}) == template_positions(family_tokenizer(name), Rendering())


def test_the_released_llama_2_grid_has_two_positions_more(shared_data):
    """Their suffix ends in a blank that the model's own template lacks, and encoded alone it gets a blank in front."""
    file = shared_data / "refusal_direction/selection/llama-2-7b-chat-hf.direction_evaluations.json"
    tokenizer = family_tokenizer("llama_2")
    alone = tokenizer(" [/INST] ", add_special_tokens=False)["input_ids"]
    assert len({row["position"] for row in json.loads(file.read_text())}) == len(alone) == 6
    assert len(template_positions(tokenizer, Rendering())) == 4
