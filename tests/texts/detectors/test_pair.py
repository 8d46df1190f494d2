"""Statistics of a pair against a plain computation, one text at a time in fp64."""

import numpy as np
import pytest
import torch

from anatomy.errors import ModelError
from anatomy.texts.detectors.binoculars import Binoculars, binoculars_score
from anatomy.texts.detectors.binoculars import published_calibration as binoculars_published
from anatomy.texts.detectors.curvature import Curvature, curvature, published_calibration
from anatomy.texts.detectors.pair import Reading, ScorerPair, pair_statistics

TEXTS = [
    "How do I open the gate of the old mill?",
    "Please write a short note about the moon and the garden.",
    "first take the flour, then add the water and stir",
    "cake",
    "  ",
]


def plain(pair, text):
    """(log-likelihoods, expectations, variances) of each position, written with numpy alone."""
    ids = pair.scorer.tokenizer(text, add_special_tokens=False)["input_ids"]
    with torch.inference_mode():
        logits = [one.model(input_ids=torch.tensor([ids])).logits[0].double().numpy() for one in (pair.scorer, pair.reference)]
    logs = [each - each.max(1, keepdims=True) for each in logits]
    p, q = (each - np.log(np.exp(each).sum(1, keepdims=True)) for each in logs)
    taken = np.array([p[t, ids[t + 1]] for t in range(len(ids) - 1)])
    expected = (np.exp(q) * p).sum(1)
    return taken, expected, (np.exp(q) * p**2).sum(1) - expected**2


@pytest.mark.parametrize("own", [False, True])
def test_scores_are_those_of_a_plain_computation(pair, reading, own):
    """fp32 log-probabilities of some -6 nats: relative 1e-4 is a hundred times their rounding."""
    used = ScorerPair(pair.scorer, pair.scorer) if own else pair
    for text, one in zip(TEXTS[:3], pair_statistics(used, TEXTS[:3], reading), strict=True):
        taken, expected, variance = plain(used, text)
        assert one.n_tokens == len(taken)
        assert binoculars_score(one) == pytest.approx(taken.mean() / expected.mean(), rel=1e-4)
        assert binoculars_score(one, as_released=False) == pytest.approx(taken.mean() / expected[:-1].mean(), rel=1e-4)
        assert curvature(one) == pytest.approx(
            (taken.sum() - expected[:-1].sum()) / np.sqrt(variance[:-1].sum()), rel=1e-3, abs=1e-4
        )


def test_batches_and_order_change_nothing(pair, reading):
    together = pair_statistics(pair, TEXTS, reading)
    for text, one in zip(TEXTS, together, strict=True):
        alone = pair_statistics(pair, [text], Reading(token_budget=1, min_tokens=4))[0]
        assert alone.excluded == one.excluded
        assert (alone.logprob, alone.expected) == pytest.approx((one.logprob, one.expected), rel=1e-5)
    assert [one.excluded for one in together] == ["", "", "", "short", "empty"]


def test_a_beginning_token_lets_the_first_word_count(pair, reading):
    with_beginning = Reading(token_budget=64, min_tokens=4, beginning=True)
    assert [
        a.n_tokens - b.n_tokens
        for a, b in zip(pair_statistics(pair, TEXTS[:3], with_beginning), pair_statistics(pair, TEXTS[:3], reading), strict=True)
    ] == [1, 1, 1]


def test_long_texts_are_read_up_to_the_limit(pair):
    one = pair_statistics(pair, ["the moon and the garden " * 200], Reading(token_budget=64, max_tokens=300, min_tokens=4))[0]
    assert one.n_tokens == 299 and not one.excluded


def test_a_text_that_gives_nan_is_named_and_the_others_are_kept(pair, reading):
    weights = pair.scorer.model.lm_head.weight
    cake = pair.scorer.tokenizer("!", add_special_tokens=False)["input_ids"][0]
    embedding = pair.scorer.model.get_input_embeddings().weight
    kept = embedding[cake].clone()
    with torch.no_grad():
        embedding[cake] = float("nan")
    try:
        found = Binoculars(pair, reading, None).detect([TEXTS[0], "Sorry! I cannot help with that, take the water."])
    finally:
        with torch.no_grad():
            embedding[cake] = kept
    assert found[0].excluded == "" and np.isfinite(found[0].score)
    assert found[1].excluded == "not finite" and np.isnan(found[1].score) and found[1].flagged is None
    assert torch.isfinite(weights).all()


def likely_text(scorer, seed, tokens=40):
    """A text drawn from the scorer among tokens that read back as they are, a little cooler than it would."""
    draw = torch.Generator().manual_seed(seed)
    tokenizer, ids = scorer.tokenizer, scorer.tokenizer("Tell me how", add_special_tokens=False)["input_ids"]
    while len(ids) < tokens:
        logits = scorer.model(input_ids=torch.tensor([ids])).logits[0, -1]
        order = torch.multinomial((logits / 0.7).softmax(-1), 60, generator=draw).tolist()
        for token in order:
            text = tokenizer.decode([*ids, token])
            if text.isascii() and text.isprintable() and tokenizer(text, add_special_tokens=False)["input_ids"] == [*ids, token]:
                ids.append(token)
                break
        else:
            ids.append(tokenizer(" the", add_special_tokens=False)["input_ids"][0])
    return tokenizer.decode(ids)


def test_what_the_scorer_wrote_is_more_machine_like_than_the_same_shuffled(performer):
    """Drawn from the model the curvature is about 0 or above; shuffled, its tokens are far less likely than the model's own."""
    pair, reading = ScorerPair(performer, performer), Reading(token_budget=256, min_tokens=8)
    rng = np.random.default_rng(0)
    own = [likely_text(performer, seed) for seed in range(4)]
    shuffled = ["".join(rng.permutation(list(text))) for text in own]
    for detector, sign in ((Curvature(pair, reading, None), 1), (Binoculars(pair, reading, None), -1)):
        scores = [np.mean([one.score for one in detector.detect(texts)]) * sign for texts in (own, shuffled)]
        assert scores[0] > scores[1]


def test_scorers_with_different_words_are_no_pair(performer, tmp_path):
    from dataclasses import replace

    from transformers import AutoTokenizer

    performer.tokenizer.save_pretrained(tmp_path)
    other = AutoTokenizer.from_pretrained(tmp_path)
    other.add_tokens(["zzz"])
    with pytest.raises(ModelError, match="tokenizers"):
        ScorerPair(replace(performer, tokenizer=other), performer)


def test_published_mappings():
    """PASTA's mapping is one half at the threshold; Fast-DetectGPT's at -b / k; both rise toward the machine's side."""
    binoculars, fast = binoculars_published(), published_calibration("falcon-7b", "falcon-7b-instruct")
    assert binoculars.machine(binoculars.threshold) == pytest.approx(0.5)
    assert binoculars.flagged(0.5) and not binoculars.flagged(1.1)
    assert fast.machine(2.83 / 2.42) == pytest.approx(0.5) and fast.flagged(2.0) and not fast.flagged(1.0)
    assert binoculars.machine(0.6) > binoculars.machine(1.0) and fast.machine(2.0) > fast.machine(0.0)
