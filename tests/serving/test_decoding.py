"""Decoding options, request seeds, stop texts, progress, sharding."""

import pytest

from anatomy.errors import ConfigError
from anatomy.serving.completions import Request, in_order, shards
from anatomy.serving.decoding import Decoding, Generation, cut_at_stop, request_seed


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_new_tokens": 0, "temperature": 0.0}, "max_new_tokens 0"),
        ({"max_new_tokens": 4, "temperature": 0.005}, "temperature 0.005"),
        ({"max_new_tokens": 4, "temperature": -1.0}, "temperature -1.0"),
        ({"max_new_tokens": 4, "temperature": float("nan")}, "temperature nan"),
        ({"max_new_tokens": 4, "temperature": 1.0, "top_p": 0.0}, "top_p 0.0"),
        ({"max_new_tokens": 4, "temperature": 1.0, "stop": ("",)}, "empty stop"),
    ],
)
def test_impossible_decoding_is_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        Decoding(**options)


def test_key_is_plain_json():
    import json

    key = Decoding(16, 0.7, 0.9, ("\n",)).key()
    assert json.loads(json.dumps(key)) == key == {"max_new_tokens": 16, "temperature": 0.7, "top_p": 0.9, "stop": ["\n"]}


def test_seed_depends_on_seed_prompt_and_sample_alone():
    seeds = {request_seed(seed, prompt, sample) for seed in (0, 1) for prompt in ("a", "b", "a1") for sample in (0, 1)}
    assert len(seeds) == 12
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert request_seed(0, "a", 0) == 5702018327209904986, "rows in a store depend on this value"


def test_earliest_stop_text_cuts():
    assert cut_at_stop("one\ntwo END", ("END", "\n")) == "one"
    assert cut_at_stop("one", ("END",)) == "one"


def test_shards_keep_base_and_adapters_apart(tmp_path):
    requests = [Request([1], adapter=tmp_path if place % 3 else None) for place in range(10)]
    found = list(shards(requests, 3))
    assert sorted(place for shard in found for place in shard) == list(range(10))
    assert all(len(shard) <= 3 and len({requests[place].adapter for place in shard}) == 1 for shard in found)
    one, two, three = (Generation([number], str(number), "stop") for number in range(3))
    assert in_order([([2, 0], [three, one]), ([1], [two])], 3) == [one, two, three]
    with pytest.raises(ConfigError, match="shards of 0"):
        list(shards(requests, 0))
