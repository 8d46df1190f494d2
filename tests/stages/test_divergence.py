"""How far edits move predictions: nothing for what changes nothing, and what a second way of computing gives."""

import pandas as pd
import pytest
import torch
from small_study import make_config, make_subject
from tiny_model import stands_open

from anatomy.errors import DataError
from anatomy.interventions.directions.forced_predictions import prediction_divergences
from anatomy.interventions.variant import Variant
from anatomy.models.rendering import render
from anatomy.stages.divergence import measure_divergence
from anatomy.stages.in_memory import edited
from anatomy.stages.phase import Phase
from anatomy.stages.rendering import answer_rendering
from anatomy.store.journal import count

SUBJECT, TOKENS, PROMPTS, RANDOM = make_subject(headline=False), 5, 3, 7
EDIT = {
    "method": "row_mean",
    "direction": {"contrast": "plain", "position": -1, "layer": 1, "control": None},
    "strength": 5.0,
    "sign": 1,
}
STRONG = {**EDIT, "strength": 50.0}


def variant(name, edits, role="method"):
    return Variant(name, role, tuple(edits), ("benign_requests",), False, name, "row_mean"), list(edits)


PHASE = Phase("test", [variant("base", [], "base"), variant("weak", [EDIT]), variant("strong", [STRONG]), variant("nothing", [])])


@pytest.fixture
def run(fresh_results, card, model_edits, tiny, monkeypatch):
    stands_open(monkeypatch, tiny)
    config = make_config(fresh_results, divergence={"prompts": PROMPTS, "tokens": TOKENS})
    return lambda prefix=(): measure_divergence(config, SUBJECT, card, PHASE, model_edits, prefix, lambda text: None)


def test_an_edit_that_changes_nothing_has_no_divergence_and_a_stronger_one_has_more(run):
    table, _ = run()
    assert len(table) == 3 * PROMPTS and not (table["variant"] == "base").any()
    means = table.assign(slug=table["variant"].str.partition("~")[0]).groupby("slug")[["first_token_kl", "kl"]].mean()
    assert means.loc["nothing"].abs().max() == pytest.approx(0.0, abs=1e-12)
    assert (means.loc["weak"] > 1e-9).all() and (means.loc["strong"] > means.loc["weak"]).all()


@pytest.mark.parametrize("prefix", [(), (RANDOM, RANDOM + 1)])
def test_it_is_the_mean_over_the_unedited_models_own_greedy_answer(run, tiny, model_edits, fresh_results, prefix):
    """Token by token, a pass each, without batches, caches or padding."""
    table, _ = run(prefix)
    prompts = pd.read_parquet(fresh_results / "prompts" / "benign_requests.parquet").set_index("id")["prompt"]
    rendering = answer_rendering(make_config("unused").evaluation, SUBJECT)
    row = table[table["variant"].str.startswith("strong")].iloc[0]
    (ids,) = render(tiny.tokenizer, [prompts[row["id"]]], rendering)

    def logits(ids):
        with torch.no_grad():
            return tiny.model(torch.tensor([ids])).logits[0, -1].double().log_softmax(-1)

    read, divergences = [*ids, *prefix], []
    for _ in range(TOKENS):
        before = logits(read)
        with edited(tiny, model_edits, [STRONG]):
            after = logits(read)
        divergences.append(float((before.exp() * (before - after)).sum()))
        read.append(int(before.argmax()))
    divergences = divergences[: row["n_tokens"]]
    assert row["first_token_kl"] == pytest.approx(divergences[0], rel=1e-4)
    assert row["kl"] == pytest.approx(sum(divergences) / len(divergences), rel=1e-4)


def test_a_second_run_computes_nothing_and_weights_are_as_before(run, tiny, fresh_results):
    before = {name: tensor.clone() for name, tensor in tiny.model.state_dict().items()}
    first, cells = run()
    done = count(fresh_results / "store")
    again, same = run()
    pd.testing.assert_frame_equal(first, again)
    assert cells == same and count(fresh_results / "store") == done and done["starts"] == 1
    assert all(torch.equal(tensor, before[name]) for name, tensor in tiny.model.state_dict().items())


def test_predictions_of_other_runs_are_not_compared():
    with pytest.raises(DataError, match="same 1 runs"):
        prediction_divergences([torch.zeros(2, 4)], [torch.zeros(3, 4)])
