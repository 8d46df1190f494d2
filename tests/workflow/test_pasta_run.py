"""PASTA through Snakemake on the quick run, from the growth of another family for the detectors to its page: all scripts run."""

import pandas as pd
import pytest
from papers_run import run_papers

from anatomy.evidence.claims.claim import Verdict
from anatomy.recipes.pasta.stages.measures_table import KINDS

pytestmark = [pytest.mark.workflow, pytest.mark.long]


@pytest.fixture(scope="module")
def run(finished, tmp_path_factory):
    return run_papers(finished, tmp_path_factory.mktemp("pasta"), ("pasta",))


def test_it_ends_with_a_page_that_stands_alone(run):
    page = (run.results / "pasta" / "report.html").read_text()
    assert "Texts side by side" in page and 'src="http' not in page


def test_every_claim_has_a_verdict_and_its_reason(run):
    ledger = pd.read_csv(next((run.results / "pasta").rglob("ledger.csv")))
    assert set(ledger["verdict"]) <= {str(verdict) for verdict in Verdict} and ledger["reason"].notna().all()
    assert {"pasta.detection_higher.binoculars", "pasta.planted_found", "pasta.localised"} <= set(ledger["claim"])


def test_every_kind_of_measure_is_there_for_all_four_writers(run):
    measures = pd.read_parquet(run.results / "judge" / "aligned.s0" / "pasta.test.measures.parquet")
    assert set(measures["kind"]) == set(KINDS)
    assert {"human", "base", "method", "control"} <= set(measures["role"]) and {"base.s0", "aligned.s0"} == set(measures["model"])


def test_beside_every_edit_stands_how_far_it_moves_harmless_predictions(run):
    rows = pd.read_parquet(run.results / "divergence" / "aligned.s0" / "pasta.test.parquet")
    variants = pd.read_parquet(run.results / "generate" / "aligned.s0" / "pasta.test.variants.parquet").set_index("variant")
    slugs = variants["slug"][rows["variant"].unique()]
    assert {"pasta@binoculars", "orthogonal-0"} <= set(slugs) and "base" not in set(slugs)
    moved = rows.groupby("variant")["kl"].mean()
    assert (moved[slugs.index[slugs.str.startswith("pasta@")]] > 1e-4).all() and (rows["n_tokens"] > 1).any()
    table = pd.read_csv(next((run.results / "pasta").rglob("divergence.csv")))
    own = table[table["model"] == "aligned.s0"]
    assert set(own["measure"]) == {"first_token_kl", "kl"} and set(own["variant"]) == set(moved.index)
    assert ((table["low"] <= table["kl"]) & (table["kl"] <= table["high"])).all()


def test_the_operating_point_stands_beside_random_directions(run):
    found = pd.read_parquet(run.results / "localize" / "aligned.s0" / "signature.operating.parquet")
    assert set(found["form"]) == {"ablate", "subtract"} and found["allowed"].all()
    slugs = set(pd.read_parquet(run.results / "generate" / "aligned.s0" / "pasta.test.variants.parquet")["slug"])
    assert {"operating", "operating-orthogonal-0", "operating-orthogonal-1"} <= slugs or not found["picked"].any()
