"""A paper is a recipe: no other place knows it by name, and a whole one runs from a folder of its own."""

import io
import re
import shutil
import tokenize
import zipfile
from pathlib import Path

import pytest
import yaml
from quick_run import ROOT

from anatomy.config.places import seen_from
from anatomy.errors import ConfigError
from anatomy.recipes.configuration import check_config
from anatomy.recipes.registry import built_in, known, recipe, rules_file
from anatomy.store.fingerprint import modules_reached

TOY = ROOT / "tests" / "toy_paper" / "toy"
OPTIONS = {
    "recipes": [str(TOY)],
    "judges": ["rules", "truth"],
    "toy": {"layer": 2, "share": 0.05},
}
DATA_SETS = tuple(yaml.safe_load((ROOT / "config" / "datasets.yaml").read_text(encoding="utf-8")))
DEFAULT = re.compile(r'^\s*\["rosi"\],\n', re.MULTILINE)
"""The one default that names a paper: which one a run makes where nothing is said."""


def named_in(source: str) -> set[str]:
    """Papers that code names, in names or strings; docstrings and comments may cite whom they will."""
    for name in DATA_SETS:
        source = source.replace(f'"{name}"', '""')
    found, line_begins = set(), True
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        statement = token.type == tokenize.STRING and line_begins  # a string that stands alone is prose
        if token.type in (tokenize.NAME, tokenize.STRING) and not statement:
            found |= set(re.findall(rf"(?<![a-z])({'|'.join(built_in())})(?![a-z])", token.string))
        if token.type not in (tokenize.COMMENT, tokenize.NL):
            line_begins = token.type in (tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENCODING)
    return found


def places():
    """Code that belongs to no paper."""
    kinds = [*(ROOT / "workflow").rglob("*.py"), *(ROOT / "workflow" / "rules").glob("*.smk"), ROOT / "Snakefile"]
    return [path for path in kinds if not any(part in built_in() for part in path.relative_to(ROOT).parts)]


def test_a_papers_name_is_found_where_it_stands():
    assert named_in("from anatomy.recipes.pasta import x\n") == {"pasta"} and named_in('x = ["rosi.json"]\n') == {"rosi"}
    assert not named_in('"""As rosi does."""\nx = 1  # rosi\n"""And pasta."""\n') and not named_in("prosiness = 1\n")


@pytest.mark.parametrize("path", places(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_paper_is_named_outside_its_own_files(path):
    source = path.read_text(encoding="utf-8")
    assert not named_in(DEFAULT.sub("\n", source) if path.name == "schema.py" else source)


def test_a_folder_that_holds_no_paper_is_told_before_anything_runs(tmp_path):
    with pytest.raises(ConfigError, match=r"no recipe\.py and no rules\.smk") as caught:
        check_config({"recipes": [f"{tmp_path}/none"]}, "mine.yaml")
    assert "relative to the folder of the run" in caught.value.remedy
    with pytest.raises(ConfigError, match="paper 'rossi'"):
        check_config({"recipes": ["rossi"]}, "mine.yaml")


def copied(folder, name="toy", **changed):
    """The toy in a folder of another name, with some words of its recipe changed."""
    shutil.copytree(TOY, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    path = folder / name / "recipe.py"
    text = path.read_text(encoding="utf-8")
    for old, new in changed.items():
        text = text.replace(old, new)
    path.write_text(text, encoding="utf-8")
    return str(folder / name)


@pytest.mark.parametrize("name", ["store", "models", "registry", "page", "judge", "rosi", "Toy", "a b"])
def test_a_name_that_means_something_else_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match="a folder called"):
        recipe(copied(tmp_path, name))


def test_a_recipe_of_another_name_and_one_that_cannot_be_imported_are_told(tmp_path):
    with pytest.raises(ConfigError, match="a recipe called 'toy'"):
        recipe(copied(tmp_path, "other", **{"anatomy.recipes.toy.options": "anatomy.recipes.other.options"}))
    with pytest.raises(ConfigError, match="ModuleNotFoundError"):
        recipe(copied(tmp_path, "broken", **{"from anatomy.costs": "from anatomy.costz"}))
    with pytest.raises(ConfigError, match="two papers called 'toy'"):
        known([str(TOY), copied(tmp_path)])


def test_a_linked_folder_is_the_paper_by_its_own_name(tmp_path):
    (tmp_path / "toy").symlink_to(TOY)
    assert recipe(f"{tmp_path}/toy").name == "toy" and rules_file("toy", tmp_path) == tmp_path / "toy" / "rules.smk"


def test_a_folder_on_a_command_line_is_where_the_caller_stands(tmp_path):
    given = seen_from({"recipes": ["rosi", "./toy", "../theirs/toy"]}, tmp_path / "run", tmp_path / "run")
    assert given == {"recipes": ["rosi", "./toy", f"{tmp_path}/theirs/toy"]}


def test_code_reached_by_relative_imports_counts(tmp_path):
    folder = copied(
        tmp_path, "near", **{'name="toy"': 'name="near"', "anatomy.recipes.toy.options": "anatomy.recipes.near.options"}
    )
    (tmp_path / "near" / "maker.py").write_text("from .scores import score\n")
    (tmp_path / "near" / "scores.py").write_text("def score(): ...\n")
    recipe(folder)
    assert "anatomy.recipes.near.scores" in modules_reached(["anatomy.recipes.near.maker"])


def test_a_paper_in_a_folder_brings_its_section():
    config = check_config(OPTIONS, "toy.yaml")
    assert config.toy.share == 0.05 and recipe(str(TOY)).name == "toy"
    with pytest.raises(ConfigError, match=r"toy\.shares: unknown key"):
        check_config({**OPTIONS, "toy": {"shares": 0.1}}, "toy.yaml")


@pytest.mark.long  # tests/runs/planning/test_plan.py plans it
@pytest.mark.workflow
def test_the_toy_paper_runs_from_prompt_pairs_to_a_figure(finished, tmp_path):
    """Planned, run, drawn, listed and cleaned through the real Snakefile, on the organism of the quick run."""
    run, own, folder = finished.copy(tmp_path / "run"), tmp_path / "toy.yaml", Path(copied(tmp_path))
    own.write_text(yaml.safe_dump({**OPTIONS, "recipes": [str(folder)]}), encoding="utf-8")
    planned = run.call("--dry-run", configs=(own,))
    assert "toy_make_edit" in planned.stdout + planned.stderr
    status = run.call("status", configs=(own,))
    assert "toy_make_edit" in status.stdout + status.stderr
    told = run.call("plan", configs=(own,))
    assert "toy_make_edit" in told.stdout + told.stderr
    run.call(configs=(own,))
    ledger = (run.results / "claims" / "ledger.csv").read_text()
    assert "toy.falls" in ledger and "toy.stays" in ledger and "rosi." not in ledger
    assert (run.results / "toy" / "figures" / "pruned.aligned.s0.svg").exists()
    assert "weights gone that write along" in (run.results / "report.html").read_text(encoding="utf-8")
    run.call("--report", str(tmp_path / "snakemake.zip"), configs=(own,))
    with zipfile.ZipFile(tmp_path / "snakemake.zip") as report:
        (listing,) = [report.read(name).decode() for name in report.namelist() if re.fullmatch(r"[^/]+/report\.html", name)]
    assert "weights gone that write along" in listing
    assert "Pruning lowers the refusal" in (run.results / "report.html").read_text(encoding="utf-8")
    done = run.call(configs=(own,))
    assert "Nothing to be done" in done.stdout + done.stderr
    assert "along the directions of 2 models" in (run.results / "edit" / "aligned.s0" / "toy.pruned.log").read_text()
    recipe_before = (folder / "recipe.py").read_text(encoding="utf-8")
    (folder / "recipe.py").write_text(recipe_before.replace('form="pruned")', 'form="cut")'), encoding="utf-8")
    status = run.call("status", configs=(own,))
    assert "code changed: anatomy.recipes.toy.recipe:on_test" in status.stdout + status.stderr
    (folder / "recipe.py").write_text(recipe_before, encoding="utf-8")
    run.call("clean_toy", configs=(own,))
    assert not (run.results / "toy").exists() and not (run.results / "report.html").exists()
    run.call("toy", configs=(own,))
    assert (run.results / "report.html").exists() and (run.results / "claims" / "ledger.csv").read_text() == ledger
