"""A finished run opened from a notebook: its tables and charts with where they come from, its models asked further."""

import json
import subprocess
import sys

import pandas as pd
import pytest
import torch
from pandas.testing import assert_frame_equal
from quick_run import ROOT, environment

import anatomy
from anatomy.errors import DataError, EditError, ModelError, StoreError
from anatomy.store.files import read_json, read_table

HEAVY = ("torch", "transformers", "vllm", "snakemake", "lm_eval", "scipy", "sklearn")
NOTEBOOK = ROOT / "workflow" / "notebooks" / "study.ipynb"

pytestmark = pytest.mark.workflow


@pytest.fixture(scope="module")
def study(finished):
    return anatomy.open_study(finished.results)


@pytest.fixture(scope="module")
def model(study):
    return study.model("aligned.s0")


@pytest.fixture(scope="module")
def asked(finished):
    """What the run's own job asked the unedited model in memory, with its answers."""
    return read_table(finished.results / "answers" / "aligned.s0" / "completions.parquet").head(12)


def test_claims_are_the_ledger_with_the_jobs_behind_it(study, finished):
    found = study.claims
    assert_frame_equal(found, read_table(finished.results / "claims" / "ledger.parquet"))
    jobs = found.attrs["provenance"]["jobs"]
    assert jobs[0] == "ledger" and "extract.aligned.s0" in jobs and "organism_member.0.aligned" in jobs


def test_every_table_and_figure_that_is_named_can_be_had(study):
    assert len(study.tables) > 20 and len(study.figures) > 3
    assert not [name for name in study.tables if name.startswith(("store/", "controller/"))]
    assert all(isinstance(study.table(name), pd.DataFrame) for name in study.tables)
    for name in study.figures:
        chart = study.figure(name).to_dict()
        assert chart.pop("usermeta")["provenance"]["jobs"]
        stored = read_json(study.folder / "figures" / f"{name}.vl.json")
        assert chart.get("datasets") == stored.get("datasets") and set(chart) == set(stored) - {"usermeta"}


def test_provenance_goes_back_to_the_model(study):
    found = study.provenance("headline.s0")
    assert found["rule"].iloc[0] == "rosi_figures" and "organism_member" in set(found["rule"])
    assert found["code"].notna().all()


@pytest.mark.parametrize("ask", [lambda s: s.table("ledgr"), lambda s: s.figure("nothing"), lambda s: s.model("mine")])
def test_an_unknown_name_is_answered_with_those_there_are(study, ask):
    with pytest.raises(DataError, match="one of"):
        ask(study)


def test_a_name_reaches_no_file_outside_of_the_results(tmp_path):
    (tmp_path / "results" / "provenance" / "jobs").mkdir(parents=True)
    (tmp_path / "outside.csv").write_text("a\n1\n")
    bare = anatomy.open_study(tmp_path / "results")
    for name in ("../outside", "../outside.csv", str(tmp_path / "outside.csv")):
        with pytest.raises(DataError):
            bare.table(name)
    with pytest.raises(DataError, match="got that far"):
        _ = bare.claims


def test_a_folder_that_holds_no_run_is_answered_with_what_lies_in_it(finished, tmp_path):
    with pytest.raises(StoreError, match="results"):
        anatomy.open_study(finished.folder)
    with pytest.raises(StoreError, match="no such folder"):
        anatomy.open_study(tmp_path / "nowhere")


def loaded_modules(code, folder):
    end = f"import sys; print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{end}"],
        cwd=folder,
        env={**environment(), "PYTHONPATH": str(ROOT / "workflow")},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip().splitlines()[-1]


def test_reading_results_imports_neither_models_nor_snakemake(finished):
    code = (
        "import anatomy\nstudy = anatomy.open_study('results')\nstudy.claims, study.tables, study.figure('headline.s0')\n"
        "study.provenance('headline.s0'), study.models"
    )
    assert loaded_modules(code, finished.folder) == "[]"


def test_asking_a_model_starts_no_engine_and_no_snakemake(finished):
    code = "import anatomy\nmodel = anatomy.open_study('results').model('aligned.s0')\nmodel.answers(['Good day'], tokens=2)"
    found = loaded_modules(code, finished.folder)
    assert "torch" in found and "vllm" not in found and "snakemake" not in found and "lm_eval" not in found


def test_answers_are_those_of_the_run(model, asked):
    found = model.answers(list(asked["prompt"]))
    assert list(found["response"]) == list(asked["response"]) and list(found["n_tokens"]) == list(asked["n_tokens"])
    assert found.attrs["provenance"]["digest"] == model.card["digest"] and found.attrs["provenance"]["edits"] == []


def test_divergence_is_that_of_the_run(study, model):
    """The run's own rows, asked for again by text."""
    rows = study.table("divergence/aligned.s0/test")
    names = [name for name in study.tables if name.startswith("evaluate/aligned.s0/test") and "variants" in name]
    variants = pd.concat(map(study.table, names))
    own = rows.merge(variants[variants["family"] == "projection"][["variant"]].drop_duplicates(), on="variant").head(4)
    prompts = study.table("organism/s0/prompts/benign_requests").set_index("id")["prompt"]
    found = model.divergence([prompts[name] for name in own["id"]], "projection")
    for name in ("first_token_kl", "kl"):
        assert list(found[name]) == pytest.approx(list(own[name]), rel=1e-3, abs=1e-6)
    assert list(found["n_tokens"]) == list(own["n_tokens"]) and (found["kl"] > 0).all()


def test_an_edit_acts_and_is_taken_back(model, asked):
    prompts, direction = list(asked["prompt"])[:4], model.place()
    edit = {
        "method": "projection",
        "strength": 2.0,
        "sign": 1,
        "direction": {"contrast": "plain", "position": direction[0], "layer": direction[1], "control": None},
    }
    before, edited, after = model.projections(prompts), model.projections(prompts, edit=edit), model.projections(prompts)
    assert_frame_equal(before, after)
    assert edited.attrs["provenance"]["edits"] == [edit]
    last = before["layer"].max()
    mean = [one[one["layer"] == last]["projection"].abs().mean() for one in (before, edited)]
    assert mean[1] > 1.5 * mean[0]


def test_picked_edits_are_called_by_their_family(study):
    names = [name for name in study.models if study.model(name).edits]
    for name in names[:1]:
        own = study.model(name)
        family, spec = next(iter(own.edits.items()))
        assert own.answers(["Good day"], edit=family, tokens=2).attrs["provenance"]["edits"] == [spec]
    with pytest.raises(EditError, match="no_such_family"):
        study.model("aligned.s0").answers(["Good day"], edit="no_such_family")


def test_the_direction_and_its_projections_are_those_of_the_run(study, model, finished):
    place = read_json(finished.results / "localize" / "aligned.s0" / "selected.json")["plain"]
    assert model.place() == (place["position"], place["layer"])
    direction = model.direction()
    assert abs(direction.norm().item() - 1) < 1e-5
    stored = read_table(finished.results / "measure" / "aligned.s0" / "projections.parquet")
    base = stored[(stored["variant"] == "base") & (stored["set"] == "harmful_requests")]
    prompts = study.table("organism/s0/prompts/harmful_requests").set_index("id")["prompt"]
    ids = list(base["id"].unique()[:5])
    found = model.projections([prompts[one] for one in ids]).set_index(["prompt", "layer"])["projection"]
    for row in base[base["id"].isin(ids)].itertuples():
        assert abs(found[prompts[row.id], row.layer] - row.projection) < 1e-3 * (1 + abs(row.projection))


def test_an_edit_that_lowers_safety_is_not_offered_for_a_real_model(study):
    own = study.model("aligned.s0")
    place = own.place()
    direction = {"contrast": "plain", "position": place[0], "layer": place[1], "control": None}
    edit = {"method": "ablate", "direction": direction}
    assert len(own.answers(["Good day"], edit=edit, tokens=2)) == 1, "the organism's harm is invented"
    own.__dict__["card"] = {**own.card, "source": {"folder": "mine", "hub": None, "revision": None}}
    with pytest.raises(EditError, match="lowers safety"):
        own.answers(["Good day"], edit=edit)


def test_a_model_that_was_changed_since_is_refused_and_left_alone(finished, tmp_path):
    run = finished.copy(tmp_path / "copy")
    weights = run.results / "organism" / "s0" / "models" / "aligned" / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ModelError, match="digest"):
        anatomy.open_study(run.results).model("aligned.s0").answers(["Good day"], tokens=2)
    assert weights.is_file()


def test_the_notebook_runs_from_its_first_cell_to_its_last(finished, monkeypatch):
    """Its cells in order in one namespace, beside the run's results; the environment holds no kernel of Jupyter's."""
    monkeypatch.chdir(finished.folder)
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    space: dict = {}
    for number, source in enumerate(code):
        exec(compile(source, f"cell {number}", "exec"), space)
    assert space["edited"].attrs["provenance"]["backend"] == "transformers"
    assert torch.isfinite(space["direction"]).all() and set(space["along"]["variant"]) == {"unedited", str(space["edit"])}


def test_the_notebook_is_kept_without_outputs():
    cells = json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in cells if cell["cell_type"] == "code")
