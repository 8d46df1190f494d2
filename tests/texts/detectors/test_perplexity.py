"""Perplexity after a prefix, against a plain computation."""

import numpy as np
import pytest
import torch

from anatomy.texts.detectors.perplexity import continuation_nats

PREFIXES = ["How do I open", "Please write a short note about", "", "the moon", "the moon"]
TEXTS = [" the gate of the old mill?", "the moon and the garden.", "take the flour, then stir", " ", "and the garden"]


def plain(scorer, prefix, text):
    tokenizer = scorer.tokenizer
    front = tokenizer(prefix)["input_ids"] if prefix else []
    rest = tokenizer((" " if prefix else "") + text.strip(), add_special_tokens=False)["input_ids"]
    ids, start = front + rest, max(len(front), 1)
    with torch.inference_mode():
        logs = scorer.model(torch.tensor([ids])).logits[0].double().log_softmax(-1).numpy()
    return -np.mean([logs[place - 1, ids[place]] for place in range(start, len(ids))])


def test_nats_are_those_of_a_plain_computation_and_empty_texts_have_none(performer):
    found = continuation_nats(performer, PREFIXES, TEXTS, 64)
    for place in (0, 1, 2, 4):
        assert found[place] == pytest.approx(plain(performer, PREFIXES[place], TEXTS[place]), rel=1e-4)
    assert np.isnan(found[3])
    # What is beyond the limit is not read.
    assert np.isnan(continuation_nats(performer, ["the moon " * 50], ["and the garden"], 64, max_tokens=20)[0])
