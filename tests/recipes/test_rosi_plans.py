"""What ROSI shows, as data."""

from pathlib import Path

import pytest
from rosi_study import organism, own_models

from anatomy.config.study import subjects
from anatomy.evidence.report.figure_plan import CAPTIONS, FigurePlan
from anatomy.recipes.rosi.figures import DRAWERS
from anatomy.recipes.rosi.page import SECTIONS
from anatomy.recipes.rosi.plans import TABLE_PLANS, detailed, figure_plans, groups

CONFIGS = {"own models": own_models, "two seeds": organism, "one seed": lambda: organism((0,))}


@pytest.fixture(params=list(CONFIGS))
def config(request):
    return CONFIGS[request.param]()


def test_every_kind_has_a_drawer_and_a_caption(config):
    for plan in figure_plans(config):
        assert plan.kind in DRAWERS and len(plan.caption) > 40, plan.kind


def test_every_drawer_is_planned_somewhere_and_has_a_caption_file():
    planned = {plan.kind for make in CONFIGS.values() for plan in figure_plans(make())}
    assert planned == set(DRAWERS)
    assert {path.stem for path in Path(CAPTIONS).glob("*.rst")} >= planned


def test_names_are_unique_and_plain_file_names(config):
    names = [plan.name for plan in (*figure_plans(config), *TABLE_PLANS)]
    assert len(set(names)) == len(names) and not any("/" in name or "~" in name for name in names)


def test_every_plan_stands_in_a_section_of_the_page(config):
    sections = {name for name, _, _ in SECTIONS}
    assert {plan.section for plan in (*figure_plans(config), *TABLE_PLANS)} <= sections


def test_plans_name_models_of_the_study(config):
    known = {subject.id for subject in subjects(config)}
    assert all(plan.models and set(plan.models) <= known for plan in figure_plans(config))


def test_seeds_share_no_figure_but_the_one_that_compares_them():
    for plan in figure_plans(organism((0, 1))):
        if plan.kind == "across_seeds":  # one point a seed
            continue
        assert len({model.rsplit(".", 1)[1] for model in plan.models}) == 1, plan.name


def test_own_models_have_no_figures_of_an_organism():
    config = own_models()
    assert list(groups(config)) == ["models"]
    assert not {"organism_bars", "realignment"} & {plan.kind for plan in figure_plans(config)}
    assert [subject.id for subject in detailed(config)] == ["weak"]


def test_a_kind_of_a_papers_own_has_its_caption_in_the_papers_folder(tmp_path):
    (tmp_path / "theirs.rst").write_text("What they show.\n")
    plan = FigurePlan("a", "theirs", "s", "t", ("m",), captions=tmp_path)
    assert plan.caption_file == tmp_path / "theirs.rst" and plan.caption == "What they show."
    plain = FigurePlan("a", "theirs", "s", "t", ("m",))
    assert plain.caption_file is None and plain.caption == ""
