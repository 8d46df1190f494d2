"""The papers' numbers: as printed, and ours beside those of the same model."""

from pathlib import Path

import pandas as pd
import pytest

from anatomy.evidence.claims.tables import Tables
from anatomy.evidence.report.published import read_published
from anatomy.recipes.pruning.published import beside_published

PUBLISHED = read_published(Path(__file__).resolve().parents[3] / "config" / "paper" / "harm_pruning.published.csv")


def ours(model):
    masks = pd.DataFrame(
        [
            {"model": model, "mask": "chosen", "q": 1e-5, "p": 5e-5, "share": 8e-6},
            {"model": model, "mask": "ability.refusal", "q": 0.05, "p": 0.05, "share": 0.02},
        ]
    )
    values = pd.DataFrame({"model": model, "mask": "ability.refusal", "ability": "refusal", "value": [1.0, 0.0, 0.0, 0.0]})
    return Tables(masks=masks, values=values)


def test_the_tables_are_whole():
    assert PUBLISHED.groupby("table").size().to_dict() == {"Orgad text": 1, "Wei 3": 18, "Wei 6a": 50, "Wei 7a": 25, "Wei 7b": 21}


def test_more_sparse_masks_of_the_predecessor_answer_more():
    """As its figure 2 has it: the harmful requests that are answered rise with the sparsity of the removed weights."""
    wide = PUBLISHED[PUBLISHED["table"] == "Wei 6a"].pivot_table(index="arm", columns="source", values="value")
    assert wide["sparsity (%)"].corr(wide["vanilla"], method="spearman") > 0.7
    assert wide["sparsity (%)"].max() < 3, "its abstract: about 3 % of weights"


def test_ours_stand_beside_numbers_of_the_same_model_alone():
    table = beside_published(PUBLISHED, ours("llama-2-7b-chat")).set_index(["table", "model", "source"])
    assert table.loc[("Orgad text", "llama-2-7b-chat", "share of weights (%)"), "ours"].item() == pytest.approx(8e-4)
    own = table.loc[("Wei 6a", "llama-2-7b-chat")]
    assert set(own.loc["vanilla", "ours"]) == {0.75} and set(own.loc["sparsity (%)", "ours"]) == {2.0}
    assert own.loc["suffix", "ours"].isna().all() and set(own.loc["vanilla", "ours_of"]) == {"ability.refusal, p 5 % q 5 %"}
    assert table.loc[("Wei 7b", "llama-2-13b-chat"), "ours"].isna().all()


def test_a_number_said_of_all_models_stands_once_for_each_of_ours_and_others_stay_alone():
    table = beside_published(PUBLISHED, ours("aligned.s0"))
    assert table["ours"].notna().sum() == 1 and len(table) == len(PUBLISHED)
    assert beside_published(PUBLISHED, Tables())["ours"].isna().all()
