"""Ids of variants: digests of what they are, which nothing takes apart."""

import re
from pathlib import Path

import pytest
from small_study import make_subject

from anatomy.interventions.variant import BASE, Variant
from anatomy.recipes.pasta.unedited import template_control, unedited
from anatomy.stages.phase import Phase, describe
from anatomy.store.digest import named_digest

LIBRARY = Path(__file__).resolve().parents[2] / "workflow"
EDIT = {"method": "ablate", "direction": {"contrast": "plain", "position": -1, "layer": 2, "control": None}}
OTHER = {**EDIT, "direction": {**EDIT["direction"], "layer": 3}}


def variant(slug="v", edits=(EDIT,), **more):
    return Variant(slug, "method", edits, ("prompts",), **more)


def test_equal_specs_have_equal_ids_whatever_else_is_known_of_a_variant():
    alike = variant(family="f", form="ablate", control="orthogonal", control_seed=1, benchmarked=True)
    assert variant().id == alike.id == named_digest("v", [EDIT])


@pytest.mark.parametrize(
    "other", [variant(edits=(OTHER,)), variant(edits=(EDIT, OTHER)), variant(edits=()), variant(manner="chat")]
)
def test_other_specs_have_other_ids(other):
    assert other.id != variant().id


def test_order_of_edits_counts_and_an_unedited_model_in_another_manner_is_another_variant():
    assert variant(edits=(EDIT, OTHER)).id != variant(edits=(OTHER, EDIT)).id
    assert unedited().id == BASE
    assert len({template_control("chat").id, template_control("document").id, BASE}) == 3
    assert template_control("chat").spec != template_control("document").spec


def test_the_table_has_the_slug_beside_the_id():
    table = describe(make_subject(), Phase("test", [(variant("some~name"), [EDIT]), (unedited(("prompts",)), [])]))
    assert list(table["slug"]) == ["some~name", "base"] and list(table["variant"]) == [variant("some~name").id, "base"]


SEARCH_NAMES = {"evidence/figures/rates.py", "recipes/rosi/tried.py", "runs/provenance/ingredients.py"}
"""They read names of searches (`row_mean~isotropic-3` is a control of `row_mean`), which are not ids."""


def test_no_module_takes_an_id_apart():
    pulled = re.compile(
        r"""(partition|split|startswith|endswith|removeprefix|find|index)\(\s*f?["'][^"']*~|["']~["'] (not )?in """
    )
    found = {
        str(path.relative_to(LIBRARY / "anatomy"))
        for path in (LIBRARY / "anatomy").rglob("*.py")
        if pulled.search(path.read_text(encoding="utf-8"))
    }
    assert found == SEARCH_NAMES
    assert not [
        path for path in [*LIBRARY.glob("rules/**/*.smk"), *LIBRARY.glob("scripts/*.py")] if pulled.search(path.read_text())
    ]
