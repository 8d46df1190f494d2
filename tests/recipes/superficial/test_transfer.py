"""The transferable head of a pair of tiny models: trained from its cache, met by another model, and what is refused."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from small_study import make_card, make_config, write_prompts
from tiny_model import load_tiny_model, make_tiny_model

from anatomy.config.study import Subject
from anatomy.errors import ConfigError, ModelError
from anatomy.evidence.claims.claim import Verdict
from anatomy.evidence.claims.ledger import evaluate_claim
from anatomy.evidence.claims.resampling import Resampling
from anatomy.evidence.claims.tables import Tables
from anatomy.interventions.heads.cache import read_cache
from anatomy.interventions.heads.transferable import LogitsHead
from anatomy.interventions.heads.union import likeliest
from anatomy.recipes.configuration import check_config
from anatomy.recipes.superficial.claims import claims_of
from anatomy.recipes.superficial.options import HeadTraining, Transfer
from anatomy.recipes.superficial.pairs import family, pairs
from anatomy.recipes.superficial.recipe import plans
from anatomy.recipes.superficial.report import transfer_table
from anatomy.recipes.superficial.stages.targets import targets
from anatomy.recipes.superficial.stages.transfer import (
    AS_IS,
    ATTACHED,
    refusals_of,
    require_family,
    sweep,
    train_transferable,
)

PLAIN = Subject("plain", "base", None, None, (), False, "float32", template=False)
TUNED = Subject("tuned", "aligned", None, None, (), False, "float32")
OTHER = Subject("other", "uncensored", None, None, (), False, "float32", template=False)
HEADLINE = {"headline": ["aligned"]}
OPTIONS = Transfer(to={"aligned": ["weak"]}, broken="weak", k=40, training=HeadTraining(learning_rate=0.003, epochs=40))
WORDS = ("Sorry, I cannot help with that", "Sure, here is how: first take the flour", "the river and the moon")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Three models of one tokenizer, the cache of a pair, and the aligned model's answers."""
    folder, results = tmp_path_factory.mktemp("family"), tmp_path_factory.mktemp("results")
    write_prompts(results)
    folders = {name: make_tiny_model(folder / name, seed=seed) for seed, name in enumerate(("base", "aligned", "other"))}
    models = {
        name: (subject, load_tiny_model(folders[name])) for name, subject in zip(folders, (PLAIN, TUNED, OTHER), strict=True)
    }
    config = make_config(results, superficial={"top_k": 64, "transfer": OPTIONS.model_dump()})
    answers = pd.DataFrame(
        [
            {"variant": "base", "set": "harmful_requests", "id": f"p{n}", "group": f"g{n}", "n_tokens": 3, "withheld": None}
            | {"prompt": f"Tell me how to open the gate {n}", "response": f"{WORDS[n % 3]} {n}.", "finish_reason": "stop"}
            for n in range(24)
        ]
    )
    cards = {name: make_card(folders[name]) for name in ("base", "aligned")}
    index, _ = targets(config, {"base": PLAIN, "aligned": TUNED}, cards, answers, None, results / "cache", lambda text: None)
    return config, models, read_cache(results / "cache", len(index["shards"])), answers


def trained(study, k, most=None):
    weight = study[1]["base"][1].model.get_output_embeddings().weight.detach()
    union = None if most is None else likeliest(study[2].features, weight, study[2].targets, most, 64)
    return train_transferable(weight, study[2], OPTIONS, k, 0, lambda text: None, union)


def test_it_comes_nearer_and_is_met_by_every_model_but_the_aligned_one(study):
    config, models, _, answers = study
    said, matrices = [], {k: trained(study, k) for k in (5, 40)}
    found = refusals_of(config, models, matrices[40][0], "aligned", said.append)
    met = found.drop_duplicates(["target", "arm"])[["target", "arm"]].itertuples(index=False, name=None)
    assert set(met) == {("aligned", AS_IS), *((one, arm) for one in ("base", "other") for arm in (AS_IS, ATTACHED))}
    assert set(found["value"]) <= {0.0, 1.0} and "response" not in found
    table = sweep(config, models["base"], {"other": models["other"]}, answers, matrices).set_index(["target", "k"])
    assert table.loc[("base", 40), "held_out"] < table.loc[("base", 5), "held_out"] < 10
    assert table.loc[("base", 40), "similarity"] == pytest.approx(1) and table.loc[("other", 40), "similarity"] < 1
    assert table["accuracy"].between(0, 1).all()


def test_another_tokenizer_and_too_many_logits_are_refused(study):
    _, models, *_ = study

    class Foreign:
        def get_vocab(self):
            return {"zebra": 0}

    loaded = dataclasses.replace(models["other"][1], tokenizer=Foreign())
    with pytest.raises(ModelError, match=r"superficial\.transfer\.to, stranger"):
        require_family({"stranger": (OTHER, loaded)}, models["base"][1])
    with pytest.raises(ConfigError, match=r"superficial\.transfer:\s+found: +k = 5000"):
        trained(study, 5000)


def transfer_rows(rates, n=60):
    return pd.DataFrame(
        [
            {"model": "aligned.s0", "target": target, "arm": arm, "set": "harmful_requests", "id": f"i{i}", "group": f"g{i}"}
            | {"value": float(i < round(rate * n))}
            for (target, arm), rate in rates.items()
            for i in range(n)
        ]
    )


@pytest.mark.parametrize(("brought", "verdict"), [(0.9, Verdict.SUPPORTED), (0.1, Verdict.NOT_SUPPORTED)])
def test_what_a_head_brings_back_to_a_broken_model_is_judged_by_half_of_the_way(brought, verdict):
    members = {"members": ["base", "aligned", "uncensored-1", "placebo-1"]}
    config = check_config(
        {"recipes": ["superficial"], "judges": ["rules"], "organism": members, "selection": HEADLINE, "rosi": HEADLINE},
        "mine.yaml",
    )
    pair = next(one for one in pairs(config) if not one.is_control)
    assert list(family(config, pair)) == ["base", "aligned", "uncensored-1"]
    rates = {("aligned", AS_IS): 1.0, ("base", AS_IS): 0.0, ("base", ATTACHED): 1.0}
    rates |= {("uncensored-1", AS_IS): 0.0, ("uncensored-1", ATTACHED): brought}
    rows = transfer_rows(rates)
    claims = {claim.id: claim for claim in claims_of(config, pair)}
    found = evaluate_claim(claims["superficial.recovers"], Tables(transfer=rows), Resampling(0.95, 0, 300))
    assert found.verdict == verdict
    level = Tables(transfer=transfer_rows({**rates, ("uncensored-1", AS_IS): 1.0}))
    assert evaluate_claim(claims["superficial.recovers"], level, Resampling(0.95, 0, 300)).verdict == Verdict.NOT_TESTABLE
    base = evaluate_claim(claims["superficial.transfers.base"], Tables(transfer=rows), Resampling(0.95, 0, 300))
    assert base.verdict == Verdict.SUPPORTED
    table = transfer_table(config, rows).set_index(["target", "arm"])
    assert np.isclose(table.loc[("uncensored-1", ATTACHED), "refused"], brought) and len(table) == 5


def test_the_matrix_of_nothing_changes_nothing(study):
    config, models, *_ = study
    rows = models["base"][1].model.lm_head.weight.shape[0]
    found = refusals_of(config, {"base": models["base"]}, LogitsHead(torch.zeros(rows, rows), 40), "aligned", lambda text: None)
    wide = found.pivot_table(index=["set", "id"], columns="arm", values="value")
    assert (wide[AS_IS] == wide[ATTACHED]).all()


def test_over_some_tokens_it_comes_nearer_too_and_says_how_many(study):
    """What 200 of 400 tokens hold lies between nothing and what all hold; the sweep reads the same logits a few at a time."""
    config, models, cached, answers = study
    some, whole = trained(study, 40, 200), trained(study, 40)
    before = float(cached.kept_kl.sum()) / len(cached.answered)
    assert whole[1] < before and some[1] < before and some[0].matrix.shape == (200, 200) and len(some[0].tokens) == 200
    table = sweep(config, models["base"], {"other": models["other"]}, answers, {40: some}).set_index("target")
    assert table.loc["base", "similarity"] == pytest.approx(1) and 0 < table.loc["other", "similarity"] < 1
    assert table["accuracy"].between(0, 1).all()
    found = refusals_of(config, {"base": models["base"]}, some[0], "aligned", lambda text: None)
    assert set(found["arm"]) == {AS_IS, ATTACHED}


def test_titles_name_a_departure_from_the_paper():
    config = check_config({"recipes": ["superficial"], "judges": ["rules"], "selection": HEADLINE, "rosi": HEADLINE}, "mine.yaml")
    assert not any("heads change" in plan.title for plan in plans(config))
    wanted = config.superficial.model_copy(update={"union": 4096})
    own = config.model_copy(update={"superficial": wanted})
    assert plans(own) and all("heads change the 4,096 likeliest tokens" in plan.title for plan in plans(own))
