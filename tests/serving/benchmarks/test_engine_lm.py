"""The engine as one of lm-eval's models: tokens, texts and completions as its own backends give them."""

import pytest
from lm_eval.api.instance import Instance
from reference_samples import reference
from shared_engine import shared_engine

from anatomy.errors import ConfigError, DataError
from anatomy.serving.benchmarks.engine_lm import EngineLM
from anatomy.serving.benchmarks.writing import decoding_of
from anatomy.serving.decoding import Decoding

pytestmark = pytest.mark.engine

PAIRS = [
    ("Tell me of the river", " and the gate"),
    ("Tell me of the river", "."),
    ("ends in spaces  ", "cake"),
    ("", " moon"),
    ("", "<|begin|>moon"),
    ("  ", "salt"),
    ("<|begin|>a begun text", " x"),
    ("Answer:", " A"),
    ("Answer:", " A"),
]


def instances(kind, arguments):
    return [Instance(request_type=kind, doc={}, arguments=one, idx=place) for place, one in enumerate(arguments)]


def test_tokens_are_those_of_lm_eval(variants):
    seen = []
    theirs = reference(variants[0][1])
    theirs._loglikelihood_tokens = lambda requests, **_: seen.extend(requests) or [(0.0, False)] * len(requests)
    theirs.loglikelihood(instances("loglikelihood", PAIRS), disable_tqdm=True)
    ours = EngineLM(shared_engine()).encode_pairs(PAIRS)
    assert [(list(a), list(b)) for _, a, b in ours] == [(list(a), list(b)) for _, a, b in seen]


def test_whole_texts_in_windows(variants):
    texts = [("Sure, here is how: first take the flour. " * 80,), ("moon",)]
    found = EngineLM(shared_engine()).loglikelihood_rolling(instances("loglikelihood_rolling", texts))
    theirs = reference(variants[0][1]).loglikelihood_rolling(instances("loglikelihood_rolling", texts), disable_tqdm=True)
    assert len(EngineLM(shared_engine()).tok_encode(texts[0][0])) > 1024
    assert found == pytest.approx(theirs, rel=1e-5)


def test_completions_are_those_of_the_transformers_backend(variants):
    asked = [
        (f"Tell me how to open the {what}", {"until": ["<|end|>", "e"], "max_gen_toks": 6, "do_sample": False})
        for what in ("gate", "mill of the river")
    ] + [("Please write", {"until": [], "max_gen_toks": 5})]
    for adapter, loaded in variants[:2]:
        found = EngineLM(shared_engine(), adapter).generate_until(instances("generate_until", asked))
        assert found == reference(loaded).generate_until(instances("generate_until", asked), disable_tqdm=True)


def test_decoding_of_a_task():
    greedy = decoding_of({"until": "\n\n", "do_sample": False, "temperature": 0.7}, 256)
    assert greedy == Decoding(max_new_tokens=256, temperature=0.0, stop=("\n\n",))
    sampled = decoding_of({"temperature": 0.7, "top_p": 0.9, "max_gen_toks": 3, "top_k": 0}, 256)
    assert sampled == Decoding(max_new_tokens=3, temperature=0.7, top_p=0.9)
    with pytest.raises(ConfigError, match="num_beams"):
        decoding_of({"num_beams": 4}, 256)


def test_questions_without_tokens_are_refused():
    lm = EngineLM(shared_engine())
    with pytest.raises(DataError, match="no tokens"):
        lm._loglikelihood_tokens([("key", [5], [])])
