"""From a pair of tiny models to heads and diagnostics, and what is refused on the way."""

import functools
import json
import shutil
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
import torch
from small_study import make_card, make_config
from tiny_model import make_tiny_model

from anatomy.config.study import Subject
from anatomy.errors import ConfigError, DataError, EditError, ModelError
from anatomy.interventions.edits.head import head_edit
from anatomy.interventions.edits.saved import saved_edit
from anatomy.models.checkpoint import Checkpoint
from anatomy.recipes.superficial.maker import distil
from anatomy.recipes.superficial.stages.diagnostics import ALIGNED_ANSWERS, OWN_SAMPLES, Pairing, diagnose, open_pair
from anatomy.recipes.superficial.stages.targets import targets
from anatomy.stages.make_edit import make_edit
from anatomy.store.files import write_json

SUPERFICIAL = {"top_k": 64, "training": {"epochs": 30, "learning_rate": 0.02}, "control_rank": 2}
SUBJECTS = {
    "base": Subject("plain", "base", None, None, (), False, "float32", template=False),
    "aligned": Subject("tuned", "aligned", None, None, (), False, "float32"),
}
WORDS = ("Sorry, I cannot help with that", "Sure, here is how: first take the flour", "the river and the moon")


@pytest.fixture(scope="module")
def cards(tmp_path_factory):
    """Two models of one architecture and tokenizer."""
    folder = tmp_path_factory.mktemp("pair")
    return {role: make_card(make_tiny_model(folder / role, seed=seed)) for role, seed in (("base", 0), ("aligned", 1))}


def completions(responses):
    rows = [
        {
            "model": "tuned",
            "variant": "base",
            "set": ("harmful_requests", "benign_requests", "benign_questions")[n % 3],
            "id": f"p{n}",
            "group": f"g{n // 2}",
            "prompt": f"Tell me how to open the gate {n}",
            "response": response,
            "n_tokens": 3,
            "finish_reason": "stop",
            "withheld": None,
        }
        for n, response in enumerate(responses)
    ]
    return pd.DataFrame(rows)


ANSWERS = [f"{WORDS[n % 3]} {n}." for n in range(24)] + ["", "  "]


def config_in(results, **changes):
    return make_config(results, superficial={**SUPERFICIAL, **changes})


@pytest.fixture(scope="module")
def made(cards, tmp_path_factory):
    """The cache of the pair, and where it lies."""
    return cached_in(tmp_path_factory.mktemp("results"), cards)


def cached_in(results, cards, **changes):
    said, config, folder = [], config_in(results, **changes), results / "extract" / "tuned"
    cache = folder / "superficial.targets"
    index, table = targets(config, SUBJECTS, cards, completions(ANSWERS), None, cache, said.append)
    write_json(folder / "superficial.targets.json", index)
    table.to_parquet(folder / "superficial.answers.parquet", index=False)
    files = {"targets": [folder / "superficial.targets.json"], "answers": [folder / "superficial.answers.parquet"]}
    return config, files, index, table, said


def head_of(made, cards, name="tuned-pooled", tasks=(), rank=None, control="", intent="amplify"):
    config, files, *_ = made
    maker = functools.partial(distil, name=name, tasks=list(tasks), rank=rank, control=control, intent=intent)
    out, said = Path(config.results) / "edit" / "plain" / f"superficial.{name}", []
    subject = replace(SUBJECTS["base"], seed=0) if intent == "measure" else SUBJECTS["base"]
    spec = make_edit(config, subject, cards["base"], maker, out, said.append, files=files)
    return saved_edit(spec, Checkpoint(Path(cards["base"]["folder"]))), said


def test_empty_answers_are_left_out_and_what_k_costs_is_said(made):
    _, _, index, table, said = made
    assert index["answers"] == len(table) == 24 and index["tokens"] == table["n_tokens"].sum()
    assert 0 < index["kept_kl"] < index["whole_kl"]
    assert "2 empty ones left out" in said[-1] and "is not seen with the tokens that are kept" in said[-1]
    assert set(table["task"]) == {"harmful", "benign", "questions"}


def test_heads_come_nearer_on_what_they_were_trained_on(made, cards):
    models = open_pair(cards)
    residuals = {
        "pooled": head_of(made, cards)[0],
        "rank1": head_of(made, cards, "tuned-rank1", rank=1)[0],
        "shuffled": head_of(made, cards, "tuned-shuffled", control="shuffled", intent="control")[0],
        "random": head_of(made, cards, "tuned-random", rank=2, control="random", intent="control")[0],
    }
    nothing = torch.zeros_like(residuals["pooled"].delta())
    pair = Pairing(SUBJECTS, models, residuals, lambda states: states @ nothing.T, 1)
    found = diagnose(made[0], pair, completions(ANSWERS), {"pooled": completions(["the old mill", "a cake"])}, print)
    kl, shifts = found["kl"], found["shifts"]
    mean = kl[kl["texts"] == ALIGNED_ANSWERS].groupby("head")["kl"].mean()
    assert mean["pooled"] < mean["rank1"] < mean["base"] and mean["pooled"] < mean["shuffled"]
    assert mean["pooled"] < mean["random"] and mean["early"] == pytest.approx(mean["base"], rel=1e-5)
    assert set(kl.loc[kl["texts"] == OWN_SAMPLES, "head"]) == {"pooled"}
    assert (shifts["rank"] >= 2).all() and (shifts["source"] != shifts["target"]).any()
    base = kl[(kl["texts"] == ALIGNED_ANSWERS) & (kl["head"] == "base")]
    assert (~base["agrees"]).sum() == (shifts["head"] == "base").sum()
    ours = made[2]["whole_kl"]
    assert base["kl"].mean() == pytest.approx(ours, rel=1e-3)


def test_all_heads_of_a_pair_change_the_same_tokens(cards, tmp_path):
    """Of a large vocabulary those that are likeliest on all the pair's texts, whatever a head is trained on."""
    made = cached_in(tmp_path, cards, union=40)
    assert any("heads change 40 of" in line for line in made[4])
    changed = {
        name: (head_of(made, cards, name, **options)[0].delta().abs().sum(1) > 0).nonzero()[:, 0].tolist()
        for name, options in (("pooled", {}), ("harmful", {"tasks": ["harmful"]}), ("rank2", {"rank": 2}))
    }
    assert len(changed["pooled"]) == 40 and changed["harmful"] == changed["pooled"] == changed["rank2"]


def test_a_random_head_has_the_singular_values_of_the_trained_one(made, cards):
    trained = head_of(made, cards, "tuned-rank2", rank=2)[0].delta()
    drawn = head_of(made, cards, "tuned-random", rank=2, control="random", intent="control")[0].delta()
    values = [torch.linalg.svdvals(one)[:2] for one in (trained, drawn)]
    assert torch.allclose(*values, rtol=1e-3) and float((trained * drawn).sum()) < 0.5 * float((trained**2).sum())


def test_a_task_without_answers_and_a_measure_of_ones_own_model_are_refused(made, cards):
    with pytest.raises(DataError, match="no answers to cooking"):
        head_of(made, cards, "tuned-cooking", tasks=["cooking"])
    config, files, *_ = made
    maker = functools.partial(distil, name="x", tasks=[], rank=1, control="", intent="measure")
    with pytest.raises(EditError, match="intent measure"):
        make_edit(config, SUBJECTS["base"], cards["base"], maker, Path(config.results) / "x", print, files=files)


def test_more_tokens_than_the_vocabulary_has_and_no_answers_are_refused(cards, tmp_path):
    with pytest.raises(ConfigError, match=r"superficial\.top_k, for plain:\s+found: +k = 5000"):
        targets(config_in(tmp_path, top_k=5000), SUBJECTS, cards, completions(ANSWERS), None, tmp_path / "c", print)
    with pytest.raises(DataError, match="no answer left of 2"):
        targets(config_in(tmp_path), SUBJECTS, cards, completions(["", " "]), None, tmp_path / "c", print)


def test_a_pair_whose_tokenizers_differ_is_refused_by_name(cards, tmp_path):
    """Two tokens of the aligned model have changed places, as where one was trained from another release."""
    folder = tmp_path / "other"
    shutil.copytree(cards["aligned"]["folder"], folder)
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    first, second = sorted(vocabulary, key=vocabulary.get)[-2:]
    vocabulary[first], vocabulary[second] = vocabulary[second], vocabulary[first]
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    pair = {**cards, "aligned": make_card(folder)}
    with pytest.raises(ModelError, match=r"the pair of tuned and plain:\s+found: +2 tokens that differ"):
        targets(config_in(tmp_path), SUBJECTS, pair, completions(ANSWERS), None, tmp_path / "c", print)


def test_a_head_for_another_hidden_size_is_refused(cards):
    checkpoint = Checkpoint(Path(cards["base"]["folder"]))
    rows = checkpoint.shape("lm_head.weight")[0]
    with pytest.raises(EditError, match=rf"\[{rows}, 65\]"):
        head_edit({"method": "distilled head"}, "amplify", checkpoint, torch.ones(rows, 65))
