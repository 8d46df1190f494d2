"""Scoring a model on its own answers: what is kept, and that sums of two sets are never in memory at once."""

import gc
import weakref

import pandas as pd
import pytest
import torch
from tiny_model import make_tiny_model

from anatomy.config.options import options, restore
from anatomy.config.study import subjects
from anatomy.interventions.pruning.gradient_sums import gradient_sums
from anatomy.interventions.pruning.matrices import scored_matrices
from anatomy.interventions.pruning.projections import projection_edit
from anatomy.interventions.pruning.response_loss import response_losses
from anatomy.models.activations.answers import Forced
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import load_model
from anatomy.organism.recipe import RECIPES
from anatomy.organism.world import make_world
from anatomy.recipes.configuration import check_config
from anatomy.recipes.pruning.stages import output_spaces, score_keys, scored_sets, scoring
from anatomy.recipes.pruning.stages.abilities import asked
from anatomy.recipes.pruning.stages.answering import Answers
from anatomy.recipes.pruning.stages.finished_sets import FinishedSets
from anatomy.recipes.pruning.unread import UNREAD
from anatomy.store.files import write_json

SMALL = {"examples": 3, "prune": [0.01, 0.05], "preserve": [0.1], "space_rank": None, "removed_ranks": 2, "control_draws": 1}


@pytest.fixture(scope="module")
def scored(tmp_path_factory):
    """What a scoring leaves, how many sums of earlier sets were alive at each new one, and what it was asked."""
    folder = tmp_path_factory.mktemp("scoring")
    write_json(folder / "world.json", make_world(0, RECIPES["quick"]).to_json())
    whole = check_config({"recipes": ["pruning"], "pruning": SMALL, "evaluation": {"max_new_tokens": 4}}, "-")
    told = options(whole, "pruning", "evaluation", "serving", "results", without={"pruning": UNREAD["scores"]})
    config = restore(told, type(whole))
    subject = next(one for one in subjects(whole) if one.member == "base")
    loaded = load_model(make_tiny_model(folder / "model"), torch.float32, "cpu")
    before, alive = [], []

    def watched(*given, **named):
        gc.collect()
        alive.append(sum(one() is not None for one in before))
        found = gradient_sums(*given, **named)
        before.extend(weakref.ref(one) for one in found.sums.values())
        return found

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "gradient_sums", watched)
        prompts = asked(config, subject, folder / "world.json")
        found = scoring.score(config, subject, loaded, prompts, folder / "state", lambda line: None)
    return found, alive, (whole, loaded, prompts)


def test_sums_of_two_sets_are_never_in_memory_at_once(scored):
    _, alive, _ = scored
    assert len(alive) > 5 and set(alive) == {0}


def test_highest_scores_of_every_set_are_kept(scored):
    found, _, (config, _, _) = scored
    kinds = [f"kind.{kind}" for kind in ("blight", "gloom", "hex", "ruse", "snare", "venom")]
    names = {score_keys.prune_key(name, "matrix") for name in ("generation", "benign", "recognition", "explanation", *kinds)}
    names |= {
        score_keys.preserve_key(name, ranking) for name in ("benign", "recognition") for ranking in ("matrix", "row", "global")
    }
    names |= {score_keys.OPPOSITE, score_keys.SNIP, score_keys.WANDA, score_keys.WANDA_BENIGN}
    assert names <= set(found.tops)
    assert found.tops[score_keys.OPPOSITE].most == 2 * max(config.pruning.prune)


def test_output_directions_of_harm_are_taken_away_where_they_are_not_benign_ones(scored):
    found, _, (config, loaded, _) = scored
    assert {output_spaces.ACTSVD, output_spaces.ACTSVD_RANDOM} <= set(found.projections)
    names = set(scored_matrices(loaded, Checkpoint(loaded.folder)))
    for factors in found.projections.values():
        assert set(factors) == names and {a.shape[0] for a, _ in factors.values()} == {config.pruning.removed_ranks}
    edit = projection_edit({"method": "ActSVD"}, Checkpoint(loaded.folder), found.projections[output_spaces.ACTSVD])
    assert edit.card.intent == "measure" and edit.card.as_json()["rank"] == 2


def test_predictions_are_those_of_the_sums_and_losses_are_those_of_the_masks(scored):
    """Computed again from the sums of the pooled answers, which the scoring let go."""
    found, _, (config, loaded, prompts) = scored
    wanted, matrices = config.pruning, scored_matrices(loaded, Checkpoint(loaded.folder))
    rows = scoring.of_split(prompts, "fit", wanted.examples)
    subject = next(one for one in subjects(config) if one.member == "base")
    sets, _ = scored_sets.scored_sets(wanted, scoring.answers_of(config, subject, loaded, rows), wanted.scored, "-")
    own = sets[scored_sets.POOLED]
    sums = gradient_sums(loaded, matrices, own.forced, list(own.table["id"]), absolute=False).sums
    mask = found.tops[score_keys.prune_key(scored_sets.POOLED, "matrix")].top(0.01)
    expected = -sum(float((matrices[name].detach() * sums[name]).flatten()[places].sum()) for name, places in mask.items())
    losses = found.losses.set_index(["kind", "q"])
    assert losses.loc[("highest", 0.01), "predicted"].iloc[0] == pytest.approx(expected / len(own.forced), rel=1e-4)
    before = response_losses(loaded, own.forced)
    with torch.no_grad():
        for name, places in mask.items():
            matrices[name].view(-1)[places] = 0
    change = response_losses(loaded, own.forced) - before
    fit = losses.loc[("highest", 0.01)]
    assert fit.loc[fit["split"] == "fit", "change"].to_list() == pytest.approx(change.tolist(), abs=1e-5)


def test_a_scoring_that_was_killed_reads_no_finished_set_again_and_comes_to_the_same_scores(scored, tmp_path, monkeypatch):
    whole, alive, (config, loaded, prompts) = scored
    subject = next(one for one in subjects(config) if one.member == "base")
    loaded = load_model(make_tiny_model(tmp_path / "model"), torch.float32, "cpu")
    calls = []

    def killed(*given, **named):
        calls.append(named["saving"].path.name)
        if len(calls) == 4:
            raise KeyboardInterrupt
        return gradient_sums(*given, **named)

    monkeypatch.setattr(scoring, "gradient_sums", killed)
    with pytest.raises(KeyboardInterrupt):
        scoring.score(config, subject, loaded, prompts, tmp_path / "state", lambda line: None)
    found = scoring.score(config, subject, loaded, prompts, tmp_path / "state", lambda line: None)
    assert len(calls) == len(alive) + 1, "the set in which it was killed alone is read again"
    assert set(found.tops) == set(whole.tops)
    for key, top in found.tops.items():
        mask, expected = top.top(0.01), whole.tops[key].top(0.01)
        assert all(torch.equal(mask[name], expected[name]) for name in mask), key
    assert found.losses["predicted"].tolist() == whole.losses["predicted"].tolist()


def test_a_kind_of_harm_may_be_called_what_is_no_name_of_a_file(scored, tmp_path):
    found, _, (config, _, _) = scored
    own = Answers(pd.DataFrame({"id": ["a"]}), ["yes"], [Forced([1], [2])])
    finished, name = FinishedSets(tmp_path / "state", "m"), "kind.hate/../../violence | " + "malware " * 40
    called = {name: "kind.hex", "kind.hate": "kind.snare"}
    several = {score_keys.prune_key(one, "matrix"): found.tops[score_keys.prune_key(of, "matrix")] for one, of in called.items()}
    finished.keep(config.pruning, own, name, several, {("highest", 0.01): 0.5})
    tops, predicted = finished.of(config.pruning, own, name)
    assert set(tops) == set(several) and predicted == {("highest", 0.01): 0.5}
    assert all(torch.equal(tops[key].places[matrix], top.places[matrix]) for key, top in several.items() for matrix in top.places)
    assert {path.name for path in tmp_path.iterdir()} == {"state"} and all(
        path.is_file() for path in (tmp_path / "state").iterdir()
    )


@pytest.mark.parametrize("given", [1, 0])
def test_held_out_answers_are_those_that_give_what_was_asked_however_many_refuse(scored, monkeypatch, given):
    _, _, (config, loaded, prompts) = scored
    subject = next(one for one in subjects(config) if one.member == "base")

    def answered(config, subject, loaded, rows):
        texts = ["Sure, here it is."] * given + ["I'm sorry, but I can't help with that."] * (len(rows) - given)
        return Answers(rows, texts, [Forced([1], [2])] * len(rows))

    monkeypatch.setattr(scoring, "answers_of", answered)
    found, refused = scoring.held_out_answers(config, subject, loaded, prompts, config.pruning.scored)
    assert len(found.texts) == given and refused > 3 and set(found.table["split"]) <= {"select"}
