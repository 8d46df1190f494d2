"""Documents cut into prefixes and held-out continuations."""

from random import Random

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anatomy.errors import DataError
from anatomy.texts.continuations.prefixes import PUBLISHED_DOMAINS, PrefixDomain, cut_document, prefix_corpus, read_documents

WORDS = ["river", "garden", "mill", "stand", "gate", "where", "people", "write", "short", "note", "cake", "honey", "moon", "salt"]
SHARES = {"fit": 0.4, "select": 0.2, "test": 0.4}
OPTIONS = {"continuation_tokens": 5, "shares": SHARES, "seed": 3, "near_duplicate": 0.9}


def documents(n, words=60, prefix="d"):
    names = [f"{prefix}{k}" for k in range(n)]
    texts = [" ".join(Random(name).choices(WORDS, k=words)) for name in names]
    return pd.DataFrame({"id": names, "text": texts, "group": [f"{prefix}{k // 2}" for k in range(n)]})


@settings(deadline=None, max_examples=40)
@given(text=st.lists(st.sampled_from(WORDS), min_size=1, max_size=60).map(" ".join), tokens=st.integers(2, 40))
def test_a_cut_document_is_whole_and_cut_between_words(tiny, text, tokens):
    cut = cut_document(text, tiny.tokenizer, tokens)
    n_tokens = len(tiny.tokenizer(text, add_special_tokens=False)["input_ids"])
    if cut is None:
        return
    prefix, rest = cut
    assert prefix + rest == text and rest.startswith(" ") and n_tokens > tokens
    assert 0 < len(tiny.tokenizer(prefix, add_special_tokens=False)["input_ids"]) <= tokens


def test_splits_share_no_group_and_ids_are_new(tiny):
    domains = [PrefixDomain("news", "a", 20, 12), PrefixDomain("essays", "b", 25, 12)]
    tables = {"news": documents(40), "essays": documents(40, prefix="e")}
    made = prefix_corpus(tables, domains, tiny.tokenizer, minimum=1, **OPTIONS)
    assert len(made) == 24 and made["id"].is_unique and made["group"].is_unique
    assert made.groupby("group")["split"].nunique().max() == 1
    shuffled = {name: table.sample(frac=1, random_state=0) for name, table in tables.items()}
    assert prefix_corpus(shuffled, domains, tiny.tokenizer, minimum=1, **OPTIONS).equals(made)


def test_too_few_documents_name_their_domain(tiny):
    with pytest.raises(DataError, match="domain 'news'"):
        prefix_corpus({"news": documents(6)}, [PrefixDomain("news", "a", 20, 12)], tiny.tokenizer, minimum=1, **OPTIONS)
    with pytest.raises(DataError, match="split '"):
        prefix_corpus({"news": documents(40)}, [PrefixDomain("news", "a", 20, 12)], tiny.tokenizer, minimum=11, **OPTIONS)
    with pytest.raises(DataError, match="also for"):
        prefix_corpus({}, [PrefixDomain("news", "a", 20, 12)], tiny.tokenizer, minimum=1, **OPTIONS)


def test_documents_are_read_by_their_column(tmp_path):
    table = pd.DataFrame({"body": ["one", "", None, "two"], "author": ["x", "x", "y", "y"]})
    table.to_json(tmp_path / "d.jsonl", orient="records", lines=True)
    found = read_documents(tmp_path / "d.jsonl", "body", "author")
    assert found[["text", "group"]].to_dict("list") == {"text": ["one", "two"], "group": ["x", "y"]}
    with pytest.raises(DataError, match="text"):
        read_documents(tmp_path / "d.jsonl", "text")


def test_published_domains_are_in_the_registry():
    from anatomy.sources.registry.catalogue import load_catalogue

    assert {domain.dataset for domain in PUBLISHED_DOMAINS} <= set(load_catalogue()) and len(PUBLISHED_DOMAINS) == 5
