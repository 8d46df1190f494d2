"""The table by which edits of different tools are compared: KL on harmless prompts beside refusals and controls."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from rosi_study import OPTIONS, own_models, whole_evidence

from anatomy.evidence.figures.rates import mean_divergences
from anatomy.recipes.rosi.edits_table import edits_table, printed_edits
from anatomy.recipes.rosi.page import tables

CONFIG = own_models()
PROMPTS, MEANS = 12, {"method": 0.2, "control": 0.05}


@pytest.fixture(scope="module")
def evidence():
    """Divergences of every edited variant: of methods around one mean, of control n around n + 1 times a smaller one."""
    found, rows = whole_evidence(), []
    variants = found.tables.variants
    noise = np.random.default_rng(0).uniform(-0.01, 0.01, PROMPTS)
    for row in variants[variants["role"].isin(MEANS)].drop_duplicates(["model", "variant"]).itertuples():
        mean = MEANS[row.role] * (1 + max(row.control_seed, 0))
        named = {"model": row.model, "variant": row.variant, "phase": "test", "set": "benign_requests", "n_tokens": 8}
        rows += [
            named | {"id": f"p{n}", "group": f"g{n}", "first_token_kl": (mean + noise[n]) / 2, "kl": mean + noise[n]}
            for n in range(PROMPTS)
        ]
    return replace(found, divergences=mean_divergences(pd.DataFrame(rows), variants, **OPTIONS))


def test_every_picked_edit_has_its_divergence_with_an_interval_beside_refusals_and_controls(evidence):
    table = edits_table(CONFIG, evidence)
    row = table[(table["model"] == "weak") & (table["edit"] == "row_mean")].iloc[0]
    assert row["kl_8_tokens"] == pytest.approx(0.2, abs=0.01) and row["first_token_kl"] == pytest.approx(0.1, abs=0.005)
    assert row["kl_8_tokens_low"] < row["kl_8_tokens"] < row["kl_8_tokens_high"] and row["prompts"] == PROMPTS
    own = evidence.rates[(evidence.rates["model"] == "weak") & (evidence.rates["family"] == "row_mean")]
    rates = own[own["role"] == "method"].set_index("set")["rate"]
    assert row["harmful_refused"] == rates["harmful_requests"] and row["benign_refused"] == rates["benign_requests"]


def test_it_stands_on_the_page_where_costs_are_and_is_left_out_where_nothing_was_measured(evidence):
    assert "What each edit moves" in [one.title for one in tables(CONFIG, evidence, "utility")]
    bare = whole_evidence()
    assert edits_table(CONFIG, bare).empty
    assert "What each edit moves" not in [one.title for one in tables(CONFIG, bare, "utility")]


def test_the_page_prints_words_and_intervals(evidence):
    table = edits_table(CONFIG, evidence)
    printed = printed_edits(table).set_index(["model", "edit"])
    assert not any("_" in name for name in printed.columns), "names of columns are words"
    row, cells = table.iloc[0], printed.loc[(table["model"].iloc[0], table["edit"].iloc[0])]
    assert cells["KL, first token (nats)"] == (
        f"{row['first_token_kl']:.3g} [{row['first_token_kl_low']:.3g}, {row['first_token_kl_high']:.3g}]"
    )
    assert cells["harmful requests refused"] == f"{row['harmful_refused']:.0%}"
    alone = printed_edits(table.assign(controls=0, harmful_refused=float("nan")))
    assert (alone["KL of controls (nats)"] == "").all() and (alone["harmful requests refused"] == "").all()


def test_controls_of_the_same_search_say_between_which_means_theirs_lie(evidence):
    """Also beside an edit along a foreign direction, which has none of its own."""
    means = evidence.divergences
    controls = means["role"] == "control"
    draws = [f"row_mean~isotropic-{n}" for n in range(controls.sum() // 2)]
    family = means["family"].mask(controls, pd.Series(np.repeat(draws, 2), index=means.index[controls]))
    found = replace(evidence, divergences=means.assign(family=family))
    row = edits_table(CONFIG, found).set_index(["model", "edit"]).loc[("weak", "row_mean")]
    of_weak = found.divergences[controls & (means["model"] == "weak") & (means["measure"] == "kl")]["rate"]
    assert row["controls"] == len(of_weak) > 0
    assert (row["controls_from"], row["controls_to"]) == pytest.approx((of_weak.min(), of_weak.max()))
    theirs = {"theirs": {"file": "theirs.gguf", "models": ["weak"], "made_by": "repeng"}}
    config = type(CONFIG).model_validate(CONFIG.model_dump() | {"directions": theirs})
    method = found.divergences[(means["role"] == "method") & (means["family"] == "row_mean") & (means["model"] == "weak")]
    both = pd.concat([found.divergences, method.assign(family="row_mean@theirs")])
    other = edits_table(config, replace(found, divergences=both)).set_index(["model", "edit"]).loc[("weak", "row_mean@theirs")]
    assert tuple(other[["controls", "controls_from"]]) == tuple(row[["controls", "controls_from"]])


def test_an_edit_whose_predictions_are_no_numbers_has_no_mean(evidence):
    variants = evidence.tables.variants
    name = variants.query("model == 'weak' and role == 'method'")["variant"].iloc[0]
    rows = [{"model": "weak", "variant": name, "phase": "test", "id": f"p{n}", "group": n, "kl": 0.1} for n in range(3)]
    table = pd.DataFrame(rows).assign(first_token_kl=[0.1, np.nan, 0.1])
    assert set(mean_divergences(table, variants, **OPTIONS)["measure"]) == {"kl"}


def test_an_edit_that_moves_nothing_has_a_divergence_of_zero_and_no_rates_interval():
    variants = whole_evidence().tables.variants
    row = variants[variants["phase"] == OPTIONS["phase"]].iloc[0]
    named = {"model": row["model"], "variant": row["variant"], "phase": row["phase"], "first_token_kl": 0.0, "kl": 0.0}
    table = pd.DataFrame([named | {"id": f"p{n}", "group": f"g{n}"} for n in range(PROMPTS)])
    assert (mean_divergences(table, variants, **OPTIONS)[["rate", "low", "high"]] == 0).all(axis=None)
