"""The screen tries every edit in memory and leaves no trace in the model."""

import pytest
import torch

from anatomy.recipes.rosi.families import families
from anatomy.recipes.rosi.stages.first_token import Reader
from anatomy.recipes.rosi.stages.screen import COLUMNS, screen

TOKENS = {"tokens": [20, 30, 40], "common_prefix": []}
NUMBERS = ["harmful_metric", "harmful_refused", "benign_refused", "benign_kl"]
EDIT = ["position", "layer", "strength", "sign"]


@pytest.fixture(scope="module")
def screened(config, subject, tiny, model_edits):
    before = {name: tensor.clone() for name, tensor in tiny.model.state_dict().items()}
    lines = []
    table, shortlist = screen(config, subject, tiny, model_edits, TOKENS, lines.append)
    return table, shortlist, before, lines


def test_the_weights_are_bit_identical_afterwards(screened, tiny):
    after = tiny.model.state_dict()
    assert all(torch.equal(tensor, after[name]) for name, tensor in screened[2].items())


def test_every_candidate_of_every_family_has_a_row(screened, config, subject):
    table = screened[0]
    assert list(table.columns) == COLUMNS
    sizes = table[table["family"] != "base"].groupby("family").size()
    # two layers, one strength, and for the signed search two signs
    assert sizes.to_dict() == {f.name: 2 * len(f.signs) for f in families(config, subject)}
    assert table[NUMBERS].notna().all(axis=None) and (table["benign_kl"] >= -1e-9).all()


def test_the_unedited_model_is_the_first_row_and_does_not_diverge_from_itself(screened):
    base = screened[0].iloc[0]
    assert (base["family"], base["place"], base["reason"]) == ("base", 0, "unedited")
    assert base["benign_kl"] == pytest.approx(0, abs=1e-12)


def test_edits_act(screened):
    edited = screened[0][screened[0]["family"] != "base"]
    assert (edited["benign_kl"] > 1e-6).all()


def test_the_shortlist_is_the_places_of_the_table(screened, config, subject):
    table, shortlist, _, _ = screened
    assert set(shortlist) == {family.name for family in families(config, subject)}
    for name, edits in shortlist.items():
        listed = table[(table["family"] == name) & (table["place"] > 0)].sort_values("place")
        assert list(listed["place"]) == [1]
        assert [(e["direction"]["position"], e["direction"]["layer"], e["strength"], e["sign"]) for e in edits] == list(
            listed[EDIT].itertuples(index=False, name=None)
        )


def test_one_edit_in_two_searches_reads_the_same(screened):
    table = screened[0].set_index(EDIT)
    for suffix in ("", "~isotropic-0"):
        plain = table[table["family"] == f"row_mean{suffix}"][NUMBERS]
        signed = table[table["family"] == f"row_mean_signed{suffix}"][NUMBERS]
        assert signed.loc[plain.index].equals(plain)


def test_progress_is_said(screened):
    assert screened[3] and "screen mine" in screened[3][-1]


def test_without_refusal_tokens_nothing_is_ranked(config, subject, tiny, model_edits):
    table, shortlist = screen(config, subject, tiny, model_edits, {"tokens": [], "common_prefix": []}, lambda text: None)
    assert table.empty and list(table.columns) == COLUMNS
    assert shortlist == {family.name: [] for family in families(config, subject)}


def test_the_beginning_that_prompts_share_is_run_once_and_changes_no_logit(config, subject, tiny):
    reader = Reader(config, subject, tiny, TOKENS)
    assert len(reader.prefix) >= 1
    for side, prompts in reader.prompts.items():
        alone = torch.stack([tiny.model(torch.tensor([ids])).logits[0, -1] for ids in prompts])
        together = reader.logits(side, 0, len(prompts), reader.begun())
        assert torch.allclose(together, alone, atol=1e-5)
