"""Verdicts about features on tables in which the answer was planted, their cards, and directions that other papers leave."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import AutoModelForCausalLM, LlamaConfig

from anatomy.config.study import subjects
from anatomy.errors import ConfigError
from anatomy.evidence.claims.claim import Verdict
from anatomy.evidence.claims.ledger import evaluate_ledger
from anatomy.evidence.claims.resampling import Resampling
from anatomy.evidence.claims.tables import Tables
from anatomy.interventions.edits.card import EditCard
from anatomy.interventions.edits.sparse import SparseEdit
from anatomy.interventions.instruments.sparse_autoencoder import SparseAutoencoder
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import LoadedModel
from anatomy.recipes.configuration import check_config
from anatomy.recipes.mechanisms.feature_claims import feature_claims, fidelity_table
from anatomy.recipes.mechanisms.feature_figures import features
from anatomy.recipes.mechanisms.stages.features import feature_cards, nearest_features
from anatomy.recipes.mechanisms.stages.other_directions import head_direction, mask_direction

MODEL, WIDTH = "aligned.s0", 16


def tables_of(spliced=1.1, moved=3.0, others=0.2):
    generator = np.random.default_rng(0)
    losses = [(f"p{n}", f"g{n // 2}", 1.0, spliced + noise, 5.0) for n, noise in enumerate(generator.normal(scale=0.02, size=30))]
    steering = []
    for side, sign in (("harmless", 1.0), ("harmful", -1.0)):
        for n in range(20):
            rows = [("direction", -1, 0.0, 0.0), ("direction", -1, sign, 5.0), ("nearest", 7, sign, sign * moved)]
            rows += [("random", feature, sign, sign * others * generator.normal()) for feature in range(8, 28)]
            steering += [(f"{side}{n}", f"g{n}", side, kind, feature, dose, value, 0.1) for kind, feature, dose, value in rows]
    fidelity = {"layer": 2, "features": 512, "active": 16.0, "explained": 0.9, "alive": 1.0, "tokens": 10, "source": "trained"}
    named = {
        "spliced": pd.DataFrame(losses, columns=["id", "group", "clean", "spliced", "mean"]),
        "feature_steering": pd.DataFrame(steering, columns=["id", "group", "side", "kind", "feature", "dose", "metric", "kl"]),
        "fidelity": pd.DataFrame([fidelity]),
    }
    return Tables(**{name: table.assign(model=MODEL) for name, table in named.items()})


def verdicts(options=None, **planted):
    config = check_config(options or {}, "a test")
    subject = next(one for one in subjects(config) if one.id == MODEL)
    ledger = evaluate_ledger(feature_claims(config, subject), tables_of(**planted), seed=0, resampling=Resampling(0.95, 0, 200))
    return {name.removeprefix("mechanisms."): verdict for name, verdict in zip(ledger["claim"], ledger["verdict"], strict=True)}


@pytest.mark.parametrize(
    ("planted", "wanted"),
    [
        ({}, (Verdict.SUPPORTED, Verdict.SUPPORTED)),
        ({"spliced": 2.5}, (Verdict.NOT_SUPPORTED, Verdict.SUPPORTED)),
        ({"others": 30.0}, (Verdict.SUPPORTED, Verdict.NOT_SUPPORTED)),
        ({"moved": -3.0}, (Verdict.SUPPORTED, Verdict.NOT_SUPPORTED)),
    ],
)
def test_each_sentence_stands_by_its_own_numbers(planted, wanted):
    found = verdicts(**planted)
    assert (found["faithful_features"], found["feature_steers"]) == wanted


def test_a_rank_among_too_few_features_decides_nothing():
    (rows,) = (table for name, table in tables_of().named.items() if name == "feature_steering")
    few = rows[(rows["kind"] != "random") | (rows["feature"] < 13)]
    config = check_config({}, "a test")
    subject = next(one for one in subjects(config) if one.id == MODEL)
    ledger = evaluate_ledger(
        feature_claims(config, subject), Tables(feature_steering=few), seed=0, resampling=Resampling(0.95, 0, 200)
    )
    assert ledger.set_index("claim").loc["mechanisms.feature_steers", "verdict"] == Verdict.INCONCLUSIVE


def test_a_run_without_an_autoencoder_claims_nothing_of_features_and_has_no_rows():
    config = check_config({"mechanisms": {"features": None}}, "a test")
    assert not any(feature_claims(config, one) for one in subjects(config))
    assert fidelity_table(Tables(), MODEL).empty


def test_the_loss_recovered_is_a_share_of_what_the_mean_costs():
    assert fidelity_table(tables_of(spliced=2.0), MODEL)["recovered"].iloc[0] == pytest.approx(0.75, abs=0.01)
    assert features(tables_of().rows("feature_steering")).to_dict()["config"]


def test_more_features_at_once_than_there_are_is_an_error():
    with pytest.raises(ConfigError, match="more than the 8 features"):
        check_config({"mechanisms": {"features": {"size": 8, "active": 9}}}, "a test")


class Decoder:
    """Names tokens by their numbers."""

    pad_token_id, eos_token_id = 0, 2

    def decode(self, tokens):
        return f"t{tokens[0]}"


@pytest.fixture
def loaded():
    torch.manual_seed(0)
    sizes = dict(vocab_size=30, hidden_size=WIDTH, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2)
    model = AutoModelForCausalLM.from_config(LlamaConfig(**sizes)).eval().requires_grad_(False)
    return LoadedModel(model, Decoder(), Path(), "", 2, WIDTH)


def test_a_card_says_where_a_feature_fires_and_what_it_raises(loaded):
    axes = torch.eye(WIDTH)
    coder = SparseAutoencoder(axes, torch.zeros(WIDTH), axes, torch.zeros(WIDTH), active=1)
    streams = [torch.stack([3 * axes[0], 5 * axes[1], 2 * axes[0]])]
    last = {"harmful": 4 * axes[2][None], "harmless": axes[3][None]}
    nearest = nearest_features(coder, {"one": axes[0], "two": axes[0] + 0.1 * axes[1]}, seed=0)
    assert nearest[nearest["rank"] == 1]["feature"].tolist() == [0, 0]
    assert nearest.groupby("direction")["cosine"].first()["one"] == pytest.approx(1)
    cards = feature_cards(loaded, coder, streams, [[9, 11, 12, 13]], last, nearest).set_index("feature")
    assert cards.loc[0, "by_activation"] == "t11 | t13" and cards.loc[0, "density"] == pytest.approx(2 / 3)
    assert cards.loc[2, ["harmful", "harmless"]].tolist() == [4.0, 0.0] and cards.loc[0, "strength"] == pytest.approx(2.5)
    head = loaded.model.get_output_embeddings().weight
    best = (loaded.model.model.norm.weight * axes[0]) @ head.T
    assert cards.loc[0, "by_lens"].split(" | ")[0] == f"t{best.argmax().item()}"


def test_the_line_that_a_heads_residual_reads_is_taken_through_the_norm(loaded):
    loaded.model.model.norm.weight.data.uniform_(0.5, 2.0)
    reads = torch.nn.functional.normalize(torch.randn(WIDTH), dim=0)
    found = head_direction(torch.randn(30)[:, None] * reads[None], loaded)
    wanted = torch.nn.functional.normalize(loaded.model.model.norm.weight * reads, dim=0)
    assert abs((found[-1] @ wanted).item()) == pytest.approx(1, abs=1e-5) and not found[:-1].any()


class Stored(Checkpoint):
    """A checkpoint of zeros."""

    def __init__(self):
        pass

    def tensor(self, name):
        return torch.zeros(WIDTH, 8)


def masked(places):
    """A sparse edit that puts ones in some rows of matrices."""
    shapes = {name: (WIDTH, 8) for name in places}
    flat = {name: (torch.tensor([row * 8 + n for n in range(8)]), torch.ones(8)) for name, row in places.items()}
    names, nothing = tuple(places), dict.fromkeys(places, 1.0)
    card = EditCard({"method": "test"}, "measure", "", names, names, None, 8, nothing, nothing, nothing, 1.0, False)
    return SparseEdit(flat, shapes, card)


def test_what_a_mask_no_longer_writes_lies_behind_its_block():
    edit = masked({"model.layers.1.mlp.down_proj": 3, "model.layers.0.self_attn.q_proj": 5})
    found = mask_direction(edit, Stored(), 2, WIDTH)
    assert abs(found[2, 3].item()) == pytest.approx(1) and not found[:2].any()  # q_proj writes nothing to the stream
