"""Ids of tokens against the embedding: refused with names where they would crash or never end, a note where they do nothing."""

import pytest
import torch
from examined_models import LARGE, NEEDS, state
from transformers import AutoTokenizer

from anatomy.models.loading import load_model
from anatomy.models.preflight.report import examine_model
from anatomy.models.rendering import render

ROWS = 400


def retokenised(folder, change):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    change(tokenizer)
    tokenizer.save_pretrained(folder)


def padding_outside(folder):
    retokenised(folder, lambda tokenizer: tokenizer.add_special_tokens({"pad_token": "[PAD]"}))


def end_outside(folder):
    retokenised(folder, lambda tokenizer: tokenizer.add_special_tokens({"eos_token": "<|done|>"}))
    state(folder, "generation_config.json", eos_token_id=ROWS)


def template_outside(folder):
    def add(tokenizer):
        tokenizer.add_tokens(["<|turn|>"], special_tokens=True)
        tokenizer.chat_template = tokenizer.chat_template.replace("<|end|>", "<|turn|>")

    retokenised(folder, add)


def prompt_outside(folder):
    retokenised(folder, lambda tokenizer: tokenizer.add_tokens(["mill"]))


def beginning_outside(folder):
    def add(tokenizer):
        tokenizer.add_special_tokens({"bos_token": "<|start|>"})

    retokenised(folder, add)


@pytest.mark.parametrize(
    ("harm", "found"),
    [
        (lambda folder: state(folder, pad_token_id=ROWS), r"pad_token_id 400, and an embedding of 400 rows"),
        (lambda folder: state(folder, pad_token_id=-401), r"pad_token_id -401"),
        (lambda folder: state(folder, eos_token_id=["<|end|>"]), r"eos_token_id"),
        (lambda folder: state(folder, "generation_config.json", eos_token_id=[2, "<|end|>"]), r"eos_token_id '<\|end\|>'"),
        (lambda folder: state(folder, "generation_config.json", pad_token_id=1.5), r"pad_token_id 1\.5"),
        (end_outside, r"end tokens \[400\], and an embedding of 400 rows"),
        (template_outside, r"token '<\|turn\|>' of id 400 in what the chat template"),
        (beginning_outside, r"token '<\|start\|>' of id 400 in what the chat template"),
        (prompt_outside, r"token 'mill' of id 400 in prompt 0 \('the mill'\), and an embedding of 400 rows"),
        (lambda folder: state(folder, vocab_size=300), r"an embedding of 400 rows .*, and vocab_size 300"),
        (lambda folder: state(folder, vocab_size=500), r"an embedding of 400 rows .*, and vocab_size 500"),
        (lambda folder: (folder / "generation_config.json").write_text("{"), r"generation_config\.json"),
    ],
)
def test_what_would_crash_or_never_end_is_named(folder, harm, found):
    harm(folder)
    report = examine_model(folder, NEEDS, LARGE)
    with pytest.raises(Exception, match=found):
        report.check()
    assert all(problem.remedy and str(folder) in problem.where for problem in report.problems)


@pytest.mark.parametrize(
    ("harm", "noted"),
    [
        (padding_outside, ["1 of the tokenizer's tokens without a row", "padding token is one of them (id 400)"]),
        (
            lambda folder: retokenised(folder, lambda tokenizer: tokenizer.add_tokens(["<tool>", "<image>"])),
            ["2 of the tokenizer's tokens without a row in the embedding of 400, as '<tool>' (id 400)"],
        ),
        (lambda folder: state(folder, pad_token_id=-1), []),
        (lambda folder: state(folder, "generation_config.json", pad_token_id=5000), []),
        (lambda folder: state(folder, "generation_config.json", eos_token_id=[5000, -1]), ["end tokens [-1, 5000] lie outside"]),
        (lambda folder: state(folder, "generation_config.json", temperature=0.7, repetition_penalty=1.3, do_sample=True), []),
    ],
)
def test_what_does_nothing_is_a_note_and_the_model_answers(folder, harm, noted):
    harm(folder)
    report = examine_model(folder, NEEDS, LARGE)
    report.check()
    assert len(report.notes) == len(noted) and all(map(str.__contains__, report.notes, noted))
    loaded = load_model(folder, torch.float32, "cpu")
    ids = render(loaded.tokenizer, NEEDS.prompts["benign"], NEEDS.renderings["plain"])
    assert 0 <= loaded.pad_token_id < ROWS
    padded = torch.tensor([[loaded.pad_token_id] * 3 + ids[0]])
    assert loaded.model(padded).logits.isfinite().all()


def test_masked_padding_of_any_id_changes_nothing(folder, tiny):
    """So that a folder whose padding token has no row is used as it is."""
    padding_outside(folder)
    loaded, ids = load_model(folder, torch.float32, "cpu"), [1, 30, 40, 50]
    found = []
    for model, pad in ((loaded, loaded.pad_token_id), (tiny, tiny.pad_token_id)):
        tokens, mask = torch.tensor([[pad, pad, *ids]]), torch.tensor([[0, 0, 1, 1, 1, 1]])
        positions = (mask.cumsum(1) - 1).clamp(min=0)
        found.append(model.model(input_ids=tokens, attention_mask=mask, position_ids=positions).logits[:, 2:])
    assert loaded.pad_token_id != tiny.pad_token_id
    torch.testing.assert_close(*found, rtol=0, atol=1e-5)
