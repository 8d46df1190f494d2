"""A model and prompt pairs of one's own, from CSV files to the report: what is kept, what is withheld, what is redacted."""

from __future__ import annotations

import html
import json
from pathlib import Path

import pandas as pd
import pytest
from own_study import call
from tiny_model import load_tiny_model

from anatomy.store.files import read_json

pytestmark = pytest.mark.workflow


@pytest.fixture
def run(own_run) -> Path:
    return own_run


@pytest.fixture(scope="module")
def answers(own_run) -> pd.DataFrame:
    """What the engine answered on the test split, with the refusal rules' verdict of each answer."""
    keys = ["variant", "set", "id"]
    told = pd.read_parquet(own_run / "results" / "evaluate" / "mine" / "test.0.completions.parquet")
    judged = pd.read_parquet(own_run / "results" / "judge" / "mine" / "test.parquet").query("judge == 'rules'")
    return told.merge(judged[[*keys, "label"]], on=keys, suffixes=("_prompt", ""), validate="one_to_one")


def words(folder: Path) -> str:
    """Every text in every Parquet table under a folder."""
    tables = (pd.read_parquet(path) for path in sorted(folder.rglob("*.parquet")))
    return "\0".join(
        str(value)
        for table in tables
        for column in table
        for value in table[column]
        if not pd.api.types.is_numeric_dtype(table[column])
    )


def test_every_stage_leaves_what_it_promises(run):
    results = run / "results"
    for file in (
        "prompts/harmful_requests.audit.json",
        "extract/mine/card.json",
        "localize/mine/grid.parquet",
        "edit/mine/selected.json",
        "edit/mine/adapters.json",
        "measure/mine/projections.parquet",
        "claims/ledger.csv",
        "figures/headline.models.svg",
        "tables/table1_refusal.tex",
        "report.html",
    ):
        assert (results / file).stat().st_size > 0, file
    samples = pd.read_parquet(results / "evaluate" / "mine" / "test.0.samples.parquet")
    assert set(samples.groupby("variant").size()) == {2} and samples["acc"].notna().all()
    ledger = pd.read_csv(results / "claims" / "ledger.csv")
    assert set(ledger["subject"]) == {"mine"} and not ledger["planted"].any()


def test_a_model_judge_reads_what_was_kept_and_stands_on_the_page(run):
    results = run / "results"
    told = pd.read_parquet(results / "evaluate" / "mine" / "test.0.completions.parquet")
    judged = pd.read_parquet(results / "judge" / "mine" / "test.guard.parquet")
    keys = ["variant", "set", "id"]
    kept = told[told["withheld"].isna()]
    assert set(judged[keys].itertuples(index=False)) == set(kept[keys].itertuples(index=False)) and len(judged) == len(kept)
    assert set(judged["label"]) <= {"safe", "unsafe"} and judged["score"].between(0, 1).all()
    notes = read_json(results / "judge" / "mine" / "test.guard.notes.json")
    assert notes["asked"] == len(kept) and notes["withheld"] == len(told) - len(kept) > 0
    assert pd.read_parquet(results / "judge" / "mine" / "measure.guard.parquet").empty
    assert "What model judges say" in (results / "report.html").read_text()


def test_a_second_call_finds_nothing_to_do(run):
    done = call(run)
    assert "Nothing to be done" in done.stdout + done.stderr


def test_answers_under_lowering_edits_are_nowhere(run):
    """The answers are computed again here, to know what must not be found."""
    from anatomy.models.rendering import Rendering, render
    from anatomy.serving.decoding import Decoding
    from anatomy.serving.transformers_generation import generate_with_transformers
    from anatomy.stages.in_memory import edited
    from anatomy.stages.model_edits import ModelEdits

    results = run / "results"
    measured = pd.read_parquet(results / "measure" / "mine" / "completions.parquet")
    variants = pd.read_parquet(results / "measure" / "mine" / "variants.parquet")
    assert set(variants["form"]) == {"ablate", "clamp", "add", "orthogonalize"}
    assert (measured["response"] == "").all() and measured["withheld"].notna().all()
    loaded = load_tiny_model(run / "model")
    model_edits = ModelEdits(
        {**read_json(results / "models" / "mine.json"), "folder": str(run / "model")}, results / "extract" / "mine"
    )
    detail = variants.set_index("form").at["orthogonalize", "detail"]
    prompts = render(loaded.tokenizer, list(measured.drop_duplicates("id")["prompt"]), Rendering())
    with edited(loaded, model_edits, json.loads(detail)):
        found = generate_with_transformers(loaded, prompts, Decoding(8, 0.0), batch_size=32)
    unedited = generate_with_transformers(loaded, prompts, Decoding(8, 0.0), batch_size=32)
    secret = {one.text for one in found} - {one.text for one in unedited}
    kept = words(results)
    assert len(secret) >= 4 and all(len(text) >= 4 for text in secret)
    assert any(one.text in kept for one in unedited), "the search would not find any answer"
    assert not [text for text in secret if text in kept or text in (results / "report.html").read_text(encoding="utf-8")]


def test_answers_and_factors_of_turned_edits_are_not_kept(run, answers):
    """Whichever sign the search chose: an edit with its sign turned leaves verdicts only, and no adapter."""
    results = run / "results"
    variants = pd.read_parquet(results / "evaluate" / "mine" / "test.0.variants.parquet").set_index("variant")
    turned = answers["variant"].map(variants["sign"]) < 0
    assert (answers.loc[turned, "response"] == "").all() and answers.loc[~turned, "withheld"].isna().all()
    for row in read_json(results / "edit" / "mine" / "adapters.json"):
        assert (results / "edit" / "mine" / "adapters" / row["family"]).exists() == (row["intent"] == "amplify")


def test_the_report_redacts_answers_to_harmful_prompts_that_are_not_refused(run, answers):
    page = html.unescape((run / "results" / "report.html").read_text(encoding="utf-8"))
    shown = answers[answers["variant"].str.match(r"base$|row_mean~[0-9a-f]{8}$") & (answers["response"].str.len() >= 8)]
    harmful = shown[(shown["set"] == "harmful_requests") & (shown["label"] != "full")]
    benign = shown[shown["set"] == "benign_requests"]
    secret = set(harmful["response"]) - set(benign["response"])
    assert secret and not [text for text in secret if text in page]
    assert [text for text in benign["response"] if text in page], "harmless answers are shown"
    assert "withheld: " in page
