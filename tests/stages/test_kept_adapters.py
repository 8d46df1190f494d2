"""Which picks become adapters that a person can load."""

from dataclasses import replace

import pandas as pd
import pytest
from small_study import make_subject

from anatomy.interventions.edits.adapter import read_adapter
from anatomy.recipes.rosi.families import families
from anatomy.recipes.rosi.stages.adapters import keep_adapters
from anatomy.stages.kept_adapters import read_kept_adapters
from anatomy.store.files import write_json


def pick(form, layer=2, sign=1, strength=5.0, control=None):
    return {
        "method": form,
        "strength": strength,
        "sign": sign,
        "sites": ["o_proj", "down_proj"],
        "direction": {"contrast": "plain", "position": -1, "layer": layer, "control": control},
    }


def tried(rise=0.1, families=("row_mean", "row_mean_signed", "projection")):
    """What the picks did on the select split."""
    return pd.DataFrame({"family": list(families), "picked": True, "harmful_rise": rise})


@pytest.fixture
def picks(config, subject):
    found = {
        family.name: pick(family.form, control=[family.control, family.control_seed] if family.control else None)
        for family in families(config, subject)
    }
    return {**found, "row_mean_signed": pick("row_mean", sign=-1), "projection": None}


def test_amplifying_picks_of_methods_are_kept_and_nothing_else(config, subject, model_edits, picks, tmp_path):
    rows = keep_adapters(config, subject, model_edits, picks, tried(), tmp_path / "adapters")
    assert [(row["family"], row["intent"]) for row in rows] == [("row_mean", "amplify"), ("row_mean_signed", "measure")]
    assert sorted(path.name for path in (tmp_path / "adapters").iterdir()) == ["row_mean"]
    assert rows[1]["adapter"] == "not kept"
    edit = read_adapter(tmp_path / "adapters" / "row_mean", model_edits.checkpoint)
    assert rows[0]["digest"] == edit.digest()[:16] and rows[0]["matrices"] == 8
    write_json(tmp_path / "adapters.json", rows)
    assert read_kept_adapters(tmp_path / "adapters.json") == rows
    # the strength of row_mean is per cent of each matrix's Frobenius norm
    assert rows[0]["relative norm"] == pytest.approx(0.05, rel=1e-4) and 0 < rows[0]["survives bfloat16"] <= 1


def test_the_organisms_weakening_edits_are_kept_since_its_harm_is_invented(config, subject, model_edits, picks, tmp_path):
    grown = replace(subject, seed=0, member="weak")
    rows = keep_adapters(config, grown, model_edits, picks, tried(), tmp_path / "adapters")
    assert {row["family"] for row in rows if row["adapter"] != "not kept"} == {"row_mean", "row_mean_signed"}


def test_adapters_of_an_earlier_pick_do_not_stay(config, subject, model_edits, picks, tmp_path):
    keep_adapters(config, subject, model_edits, picks, tried(), tmp_path)
    assert keep_adapters(config, subject, model_edits, dict.fromkeys(picks), tried(), tmp_path) == []
    assert not tmp_path.exists() or list(tmp_path.iterdir()) == []


def test_a_subject_with_other_controls_has_the_same_methods(config, model_edits, picks, tmp_path):
    rows = keep_adapters(config, make_subject(headline=False), model_edits, picks, tried(), tmp_path)
    assert [row["family"] for row in rows] == ["row_mean", "row_mean_signed"]


def test_a_pick_that_lowered_refusal_is_not_kept_whatever_its_sign(config, subject, model_edits, picks, tmp_path):
    rows = keep_adapters(config, subject, model_edits, picks, tried(rise=-0.1), tmp_path / "adapters")
    assert {row["adapter"] for row in rows} == {"not kept"}
    assert not (tmp_path / "adapters").exists()
