"""The typed model, the generated file and what a wrong configuration is told."""

import json

import pytest
import yaml

from anatomy.config.study import subjects, target_names
from anatomy.errors import ConfigError
from anatomy.evidence.report.published import read_published
from anatomy.models.rendering import Rendering
from anatomy.recipes import documentation
from anatomy.recipes.configuration import Config, check_config, load_config
from anatomy.stages.rendering import answer_rendering, contrast_rendering


def test_generated_files_match_the_model():
    assert (documentation.FOLDER / "config.yaml").read_text() == documentation.default_file()
    assert (documentation.FOLDER / "config.schema.json").read_text() == documentation.schema_file()


def test_the_default_file_says_exactly_the_defaults():
    assert load_config(documentation.FOLDER / "config.yaml") == Config()


def test_every_option_is_documented():
    def walk(schema):
        for name, part in schema.get("properties", {}).items():
            assert part.get("description") or "$ref" in part, name

    schema = Config.model_json_schema()
    walk(schema)
    for section in schema["$defs"].values():
        walk(section)


ALONE = {"selection": {"headline": []}, "rosi": {"headline": []}}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"rossi": {}}, "rossi: unknown key"),
        ({"rosi": {"strength": 3}}, "rosi.strength: unknown key"),
        ({"seeds": ["one"]}, "seeds.0: .*found 'one'"),
        ({"seeds": [1, 1]}, "name a seed twice"),
        ({"judges": ["oracle"]}, "judges.0: .*found 'oracle'"),
        ({"organism": {"members": ["base", "alinged"]}}, "unknown organism member 'alinged'"),
        ({"organism": {"members": ["aligned"]}}, "lacks 'base'"),
        ({"organism": {"members": ["base", "uncensored-1"]}}, "lacks 'aligned'"),
        ({"organism": {"members": []}}, "nothing to study"),
        ({"organism": {"members": ["base"]}, "judges": ["classifier", "rules"], **ALONE}, "the base alone, which never refuses"),
        ({"rosi": {"headline": ["strong"]}}, "rosi.headline names 'strong'"),
        ({"selection": {"headline": ["strong"]}}, "selection.headline names 'strong'"),
        ({"rosi": {"strengths": {"row_mean": []}}}, "no entry for form 'row_mean'"),
        ({"models": {"m": {"folder": "x", "hub": "a/b"}}}, "exactly one of them"),
        ({"models": {"m": {"hub": "a/b", "revision": "main"}}}, "revision 'main'; expected a commit of 40 digits"),
        ({"models": {"m": {"hub": "a/b"}}}, "revision None; expected a commit of 40 digits"),
        ({"models": {"m": {"hub": "a/b", "revision": "release-2024-11-24-with-a-name-of-40-char"}}}, "commit of 40 digits"),
        ({"models": {"M!": {"folder": "x"}}}, "models.M!"),
        ({"models": {"m": {"folder": "x", "base": "b"}}}, r"models.m.base is 'b'; expected the id of a model of kind base"),
        ({"models": {"m": {"folder": "x", "base": "b"}, "b": {"folder": "y", "kind": "aligned"}}}, "models.m.base is 'b'"),
        ({"models": {"m": {"folder": "x", "template": False, "thinking": False}}}, "thinking is set and template is false"),
        ({"models": {"m": {"folder": "x", "template": False, "fold_system": True}}}, "fold_system is set and template is false"),
        ({"models": {"m": {"folder": "x", "date": "26 Jul 2024"}}}, "expected an ISO day"),
        ({"models": {"m": {"folder": "x"}}}, "prompt_sets lacks"),
        ({"prompt_sets": {"p": {"file": "x", "splits": {"fit": 0.9}}}}, "expected 1"),
        ({"prompt_sets": {"p": {"file": "x", "dataset": "advbench"}}}, "exactly one of them"),
        ({"prompt_sets": {"p": {}}}, "exactly one of them"),
        ({"prompt_sets": {"p": {"dataset": "advbench", "columns": {"goal": "prompt"}}}}, "config/datasets.yaml"),
        ({"data": {"missing": "ignore"}}, "data.missing"),
    ],
)
def test_mistakes_are_named(values, message):
    with pytest.raises(ConfigError, match=message):
        check_config(values, "test.yaml")


SETS = {
    name: {"file": f"{name}.csv"} for name in ("harmful_requests", "benign_requests", "lookalike_requests", "jailbreak_requests")
}
OWN = {"prompt_sets": SETS, "benchmarks": {"tasks": []}, "extraction": {"safety_system_prompt": "Be kind."}}


@pytest.mark.parametrize(
    ("kind", "evaluation", "asked_by"),
    [("aligned", {}, "extraction.contrasts"), ("base", {"system": "Be brief."}, "evaluation.system")],
)
def test_plain_text_has_no_place_for_a_system_prompt(kind, evaluation, asked_by):
    plain = {**OWN, "models": {"m": {"folder": "x", "kind": kind, "template": False}}, "evaluation": evaluation}
    with pytest.raises(ConfigError, match=f"models.m.template is false, and {asked_by} asks for a system prompt"):
        check_config(plain, "-")
    check_config({**plain, "models": {"m": {"folder": "x", "kind": kind}}}, "-")


def test_what_a_model_says_of_its_template_reaches_its_renderings():
    own = {**OWN, "models": {"m": {"folder": "x", "thinking": False, "fold_system": True, "date": "2024-07-26"}}}
    config = check_config(own, "-")
    subject = next(subject for subject in subjects(config) if subject.id == "m")
    assert (subject.thinking, subject.fold_system, subject.date) == (False, True, "2024-07-26")
    system = contrast_rendering(config.extraction, subject, "system")
    assert system == Rendering(system="Be kind.", date="2024-07-26", thinking=False, fold_system=True)
    assert contrast_rendering(config.extraction, subject, "plain").system is None
    assert answer_rendering(config.evaluation, subject).thinking is False


def test_later_files_win_key_by_key(tmp_path):
    first, second = tmp_path / "a.yaml", tmp_path / "b.yaml"
    first.write_text(yaml.safe_dump({"seeds": [0, 1], "evaluation": {"temperature": 0.5}}))
    second.write_text(yaml.safe_dump({"seeds": [2], "evaluation": {"seed": 7}}))
    config = load_config(first, second)
    assert config.seeds == [2]
    assert (config.evaluation.temperature, config.evaluation.seed) == (0.5, 7)


def test_a_seed_is_one_entry():
    one, two = check_config({}, "-"), check_config({"seeds": [0, 5]}, "-")
    assert len(subjects(two)) == 2 * len(subjects(one))
    assert {subject.id for subject in subjects(two)} >= {"weak.s0", "weak.s5"}


def test_missing_and_malformed_files_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"absent\.yaml"):
        load_config(tmp_path / "absent.yaml")
    (tmp_path / "bad.yaml").write_text("a: [1")
    with pytest.raises(ConfigError, match=r"bad\.yaml"):
        load_config(tmp_path / "bad.yaml")


# Others' numbers are of other kinds (tests/recipes/test_pasta_page.py, tests/recipes/superficial).
PAPERS = [documentation.FOLDER / "paper" / f"{name}.yaml" for name in ("refusal_direction", "rosi")]


@pytest.mark.parametrize("path", PAPERS, ids=lambda path: path.stem)
def test_papers_are_whole_configurations_whose_numbers_name_their_models_and_sets(path):
    config = load_config(documentation.FOLDER / "config.yaml", path)
    assert config.models and config.rosi.published
    published = read_published(documentation.FOLDER.parent / config.rosi.published)
    named = set(config.evaluation.test_sets) | set(config.benchmarks.tasks)
    shown = published[published["model"].isin(config.models) & published["arm"].isin(["base", "row_mean"])]
    assert len(shown) >= 20 and len(set(shown["source"]) & named) >= 3


def test_an_unpinned_model_must_be_allowed():
    values = {"organism": {"members": []}, "models": {"m": {"hub": "a/b", "revision": "unpinned"}}}
    with pytest.raises(ConfigError, match="allow_unpinned"):
        check_config(values, "test")


def test_models_whose_names_look_alike_get_targets_of_their_own():
    names = target_names(["a.b", "a-b", "weak.s0"])
    assert names["weak.s0"] == "weak_s0"
    assert len(set(names.values())) == 3 and all(name.startswith("a_b_") for name in (names["a.b"], names["a-b"]))


@pytest.mark.parametrize("name", ["placebo", "uncensored-x", "base-7", "weak-1", "mine"])
@pytest.mark.parametrize(
    "section",
    [{"superficial": {"pairs": {"NAME": "base"}}}, {"pasta": {"pairs": {"NAME": "base"}}}]
    + [{paper: {"models": ["NAME"]}} for paper in ("pruning", "mechanisms")],
)
def test_a_name_that_no_member_can_have_is_refused_wherever_papers_name_models(name, section):
    named = json.loads(json.dumps(section).replace("NAME", name))
    with pytest.raises(ConfigError, match="expected an organism member"):
        check_config(named, "a test")
