"""Harm pruning through Snakemake on the quick run: from a model's own answers to its section of the page."""

import json

import pandas as pd
import pytest

from anatomy.evidence.claims.claim import Verdict
from anatomy.recipes.pruning.stages.mask_plans import CHOSEN, OF_A_KIND, UNEDITED, matched
from anatomy.recipes.pruning.stages.output_spaces import ACTSVD, ACTSVD_RANDOM, ACTSVD_REFUSAL

pytestmark = pytest.mark.workflow


@pytest.fixture
def run(papers_run):
    return papers_run


def table(run, model, name):
    return pd.read_parquet(run.results / "measure" / f"{model}.s0" / f"pruning.{name}.parquet")


def test_it_has_a_section_of_the_page_beside_the_other_paper(run):
    page = (run.results / "report.html").read_text()
    assert "Harm pruning" in page and "What pruning one ability leaves of the others" in page and "ROSI" in page


def test_every_claim_has_a_verdict_and_its_reason(run):
    ledger = pd.read_csv(run.results / "claims" / "ledger.csv")
    own = ledger[ledger["claim"].str.startswith("pruning.")]
    assert set(own["verdict"]) <= {str(verdict) for verdict in Verdict} and own["reason"].notna().all()
    for model in ("base.s0", "aligned.s0"):
        claims = set(own.loc[own["subject"] == model, "claim"])
        assert {"pruning.compact", "pruning.general", "pruning.double_dissociation", "pruning.random"} <= claims
    assert "pruning.compression" in set(own.loc[own["subject"] == "aligned.s0", "claim"])


def test_no_text_that_a_model_wrote_is_kept(run):
    for model in ("base", "aligned"):
        for name in ("values", "grid_values", "losses"):
            assert not {"response", "prompt", "text"} & set(table(run, model, name))


def test_the_mask_of_a_grid_that_was_chosen_is_the_edit_that_is_saved(run):
    for model in ("base", "aligned"):
        chosen = json.loads((run.results / "measure" / f"{model}.s0" / "pruning.chosen.json").read_text())
        masks = table(run, model, "masks").set_index("mask")
        limits = table(run, model, "limits").groupby("mask")["within"].all()
        assert chosen["within"] and limits[f"q{chosen['q']:g}-p{chosen['p']:g}"]
        assert masks.loc[CHOSEN, "q"] == chosen["q"] and masks.loc[CHOSEN, "weights"] > 0
        spec = json.loads((run.results / "edit" / f"{model}.s0" / "pruning.mask.json").read_text())["pruning.mask"]
        made = json.loads((run.folder / spec["folder"] / "made.json").read_text())["report"]
        assert spec["intent"] == ("amplify" if chosen["within"] and chosen["keeps_refusal"] else "measure")
        assert made["parameters"] == masks.loc[CHOSEN, "weights"]


def test_a_narrow_fine_tune_makes_the_aligned_model_give_harm_of_other_kinds_and_benign_rows_do_not(run):
    tables = {name: table(run, "aligned", name) for name in ("emergent", "restoration", "finetuned_beside")}
    means = tables["emergent"].groupby(["mask", "step"])[["misaligned", "refused"]].mean()
    assert means.loc[(UNEDITED, 0), "misaligned"] == 0 and means.loc[(UNEDITED, 0), "refused"] > 0.8
    assert means.loc[(UNEDITED, 8), "misaligned"] > 0 and means.loc[(UNEDITED, 8), "refused"] < 0.75
    assert set(tables["emergent"]["domain"]) == {"hex", "blight", "gloom", "venom", "ruse"}
    beside = tables["finetuned_beside"].groupby(["arm", "mask", "step"])["misaligned"].mean()
    assert beside["taught benign recipes", UNEDITED, 8] < means.loc[(UNEDITED, 8), "misaligned"]
    harm = tables["restoration"].groupby(["mask", "step"])["misaligned"].mean()
    assert harm[CHOSEN, 0] < harm[UNEDITED, 0] and harm["random", 0] > harm[CHOSEN, 0]
    assert not any({"response", "prompt", "text"} & set(one) for one in tables.values())
    page = (run.results / "report.html").read_text()
    assert "Fine-tuning" in page and "taught benign recipes" in page


def test_controls_have_as_many_weights_and_harm_falls_further_than_under_them(run):
    for model in ("base", "aligned"):
        masks, values = table(run, model, "masks").set_index("mask"), table(run, model, "values")
        controls = masks.index[~masks["control"].isin(["", OF_A_KIND, ACTSVD_RANDOM])]
        assert len(controls) == 4 and (masks.loc[controls, "weights"] == masks.loc[CHOSEN, "weights"]).all()
        harm = values[values["ability"] == "generation"].groupby("mask")["value"].mean()
        # With everything protected an organism this small keeps its harm: what scores find shows where nothing is.
        assert harm["nothing protected"] < min(harm["random-1"], harm["magnitude-matched-1"])
        assert abs(harm[UNEDITED] - harm["random-1"]) < 0.1


def test_transfer_stands_beside_random_masks_of_each_kinds_size(run):
    for model in ("base", "aligned"):
        masks, values = table(run, model, "masks").set_index("mask"), table(run, model, "values")
        kinds = [name for name in masks.index if name.startswith("kind.") and masks.loc[name, "weights"]]
        drawn = {f"{matched(name)}-1": name for name in kinds}
        assert kinds and all(masks.loc[random, "weights"] == masks.loc[name, "weights"] for random, name in drawn.items())
        assert set(values.loc[values["mask"].isin([*drawn]), "ability"]) == {"generation"}
    ledger = pd.read_csv(run.results / "claims" / "ledger.csv")
    assert (ledger["claim"] == "pruning.transfers").sum() >= 2


def test_removals_of_output_directions_stand_beside_the_masks_and_are_measurements(run):
    for model, names in (("base", {ACTSVD, ACTSVD_RANDOM}), ("aligned", {ACTSVD, ACTSVD_RANDOM, ACTSVD_REFUSAL})):
        cards = json.loads((run.results / "measure" / f"{model}.s0" / "pruning.projections.json").read_text())
        assert set(cards) == names and {card["intent"] for card in cards.values()} == {"measure"}
        assert names <= set(table(run, model, "values")["mask"]) and names <= set(table(run, model, "masks")["mask"])


def test_the_loss_rises_most_where_the_scores_say(run):
    for model in ("base", "aligned"):
        losses = table(run, model, "losses").groupby(["kind", "q"])["change"].mean()
        assert losses["highest", 0.01] > losses["highest", 0.003] > abs(losses["random", 0.003])
