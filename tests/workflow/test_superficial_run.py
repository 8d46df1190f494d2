"""Superficial knowledge through Snakemake beside ROSI, on the quick run: from training answers to its section of the one page."""

import json

import pandas as pd
import pytest

from anatomy.evidence.claims.claim import Verdict

pytestmark = pytest.mark.workflow


@pytest.fixture
def run(papers_run):
    return papers_run


def test_it_has_a_section_of_the_page_beside_the_other_paper(run):
    page = (run.results / "report.html").read_text()
    assert "Superficial knowledge" in page and "The head on other models of the family" in page and "ROSI" in page


def test_every_claim_has_a_verdict_and_its_reason(run):
    ledger = pd.read_csv(run.results / "claims" / "ledger.csv")
    own = ledger[ledger["claim"].str.startswith("superficial.")]
    assert set(own["verdict"]) <= {str(verdict) for verdict in Verdict} and own["reason"].notna().all()
    assert {"superficial.safety", "superficial.facts", "superficial.recovers", "superficial.placebo.placebo-1"} <= set(
        own["claim"]
    )


def test_the_heads_follow_the_aligned_model_and_the_controls_do_not(run):
    kl = pd.read_parquet(run.results / "measure" / "aligned.s0" / "superficial.kl.parquet")
    mean = kl[kl["texts"] == "aligned answers"].groupby("head")["kl"].mean()
    assert mean["aligned-pooled"] < mean["aligned-rank1"] < mean["base"]
    assert mean["aligned-pooled"] < 0.5 * min(mean["aligned-shuffled"], mean["aligned-random"])


def test_the_cache_is_small_and_what_k_costs_is_measured(run):
    index = json.loads((run.results / "extract" / "aligned.s0" / "superficial.targets.json").read_text())
    assert index["bytes_a_token"] <= 200 and 0 <= index["whole_kl"] - index["kept_kl"] < 0.05 * index["whole_kl"]


def test_refusals_with_the_transferable_head_are_kept_without_texts(run):
    table = pd.read_parquet(run.results / "measure" / "aligned.s0" / "superficial.transfer.parquet")
    assert set(table["target"]) == {"base", "aligned", "uncensored-1", "weak"} and "response" not in table
    harmful = table[table["set"] == "harmful_requests"].groupby(["target", "arm"])["value"].mean()
    assert harmful["base", "with the head"] > harmful["base", "as it is"]


def test_baselines_stand_beside_the_head_in_the_table_of_gains(run):
    table = pd.read_csv(run.results / "superficial" / "tables" / "gains.csv")
    refusals = table[table["task"] == "refusal of harmful requests"].set_index("arm")
    assert set(refusals.index) == {"head", "in-context", "fine-tuned"} and refusals["base"].nunique() == 1
    assert set(table.loc[table["task"] == "no harmful text", "arm"]) == {"head", "in-context", "fine-tuned"}


def test_what_the_template_alone_makes_stands_beside_what_alignment_makes(run):
    table = pd.read_parquet(run.results / "measure" / "aligned.s0" / "superficial.orders.parquet")
    mean = table.groupby(["order", "arm"])["kl"].mean()
    assert set(mean.index.get_level_values(0)) == {"chat-plain"}
    assert mean["chat-plain", "head"] < 0.5 * mean["chat-plain", "base"] and mean["chat-plain", "template alone"] > 0
