"""A run's files become what figures are drawn from."""

import pandas as pd
import pytest
from synthetic_tables import TASKS, make_tables

from anatomy.evidence.claims.tables import VariantSelector, find_controls, find_variant, read_tables
from anatomy.recipes.configuration import Config
from anatomy.recipes.rosi.direction_claims import ABLATE
from anatomy.recipes.rosi.reading import read_evidence
from anatomy.store.files import write_json

CONFIG = Config.model_validate({"statistics": {"bootstrap": 100}})


@pytest.fixture
def files(tmp_path):
    """One file a model and table, as stages write them."""
    tables = make_tables(models=("weak", "aligned"), controls=3, items=12)
    found = {}
    for part, whole in tables.named.items():
        for model, own in whole.groupby("model"):
            path = tmp_path / part / f"{model}.parquet"
            path.parent.mkdir(exist_ok=True)
            own.to_parquet(path)
            found.setdefault(part, []).append(path)
    for model, outcome in (("weak", "picked"), ("aligned", "empty grid")):
        place = {"position": -1, "layer": 3} if outcome == "picked" else {"position": None, "layer": None}
        path = tmp_path / "localize" / model / "selected.json"
        write_json(path, {"plain": {"outcome": outcome, **place}})
        found.setdefault("selected", []).append(path)
    write_json(
        tmp_path / "tasks.json",
        [{"task": name, "metric": metric, "chance": 0.25, "items": 12} for name, (metric, _) in TASKS.items()],
    )
    return {**found, "tasks": [tmp_path / "tasks.json"]}


def test_rates_scores_and_picks_are_read(files):
    found = read_evidence(CONFIG, files)
    assert set(found.rates["model"]) == {"weak", "aligned"} and found.rates["rate"].between(0, 1).all()
    assert set(found.scores["task"]) == set(TASKS) and found.chance == dict.fromkeys(TASKS, 0.25)
    assert found.place("weak", "plain") == (-1, 3) and found.place("aligned", "plain") is None
    assert found.bars is None and found.adapters.empty


def test_variants_of_another_paper_in_the_same_files_are_left_out(files):
    """The engine answers for every paper in one pass; another's measure or control of a form that ROSI has too is not ROSI's."""
    before = read_evidence(CONFIG, files)
    for role, form, name in (("measure", "ablate", "theirs"), ("control", "row_mean", "theirs~isotropic-0")):
        for part in ("variants", "judgements", "samples"):
            path = next(path for path in files[part] if path.stem == "weak")
            table = pd.read_parquet(path)
            more = table[table["variant"] == "base"].assign(variant=f"{name}~0badcafe")
            if part == "variants":
                more = more.assign(slug=name, role=role, form=form, family=name, control="isotropic", control_seed=0)
            pd.concat([table, more], ignore_index=True).to_parquet(path)
    after = read_evidence(CONFIG, files)
    pd.testing.assert_frame_equal(after.rates, before.rates)
    pd.testing.assert_frame_equal(after.scores, before.scores)
    method = find_variant(after.tables, "weak", VariantSelector("method", "row_mean"), "test")
    assert find_controls(after.tables, method) == find_controls(before.tables, method) != []
    whole = read_tables({"variants": files["variants"]})
    assert find_variant(whole, "weak", ABLATE, "test")["family"] == "ablate", "a selector names the family besides"


def test_bars_of_all_seeds_stand_in_one_table(files, tmp_path):
    paths = []
    for seed in (0, 1):
        path = tmp_path / f"s{seed}.csv"
        path.write_text(f"seed,member,bar,value,n,low,high,target,held\n{seed},weak,refused,0.5,10,0.2,0.8,,\n")
        paths.append(path)
    bars = read_evidence(CONFIG, {**files, "bars": paths}).bars
    assert list(bars["seed"]) == [0, 1] and bars["held"].isna().all()


@pytest.mark.parametrize("empty", ["no files", "files without rows"])
def test_a_run_without_benchmarks_has_no_scores_and_no_error(files, empty, tmp_path):
    if empty == "no files":
        without = {**files, "samples": [], "tasks": []}
    else:
        path = tmp_path / "none.parquet"
        pd.read_parquet(files["samples"][0]).iloc[:0].to_parquet(path)
        without = {**files, "samples": [path], "tasks": []}
    found = read_evidence(CONFIG, without)
    assert found.scores.empty and {"model", "task", "rate", "role", "family"} <= set(found.scores.columns)
    assert found.chance == {}


def test_notes_of_model_judges_become_one_table(files, tmp_path):
    path = tmp_path / "judge" / "mine" / "test.guard.v2.notes.json"
    write_json(
        path,
        {
            "judge": "guard.v2",
            "asked": 5,
            "withheld": 2,
            "cut": 0,
            "too_long": 0,
            "unended_reasoning": 0,
            "parse_failures": {"guard.v2": 1},
        },
    )
    notes = read_evidence(CONFIG, {**files, "judge_notes": [path]}).judge_notes
    assert notes[["model", "pass", "judge", "withheld"]].to_numpy().tolist() == [["mine", "test", "guard.v2", 2]]
    assert notes["parse_failures"].tolist() == ["1 of guard.v2"]
    assert read_evidence(CONFIG, files).judge_notes.empty
