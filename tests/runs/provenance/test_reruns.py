"""A comment reruns nothing; a changed formula reruns what reached it, by name. Through the Snakefile of a copied workflow."""

import shutil
import subprocess
import sys

import pytest
from quick_run import ROOT, environment

from anatomy.stages.fingerprints import module_of
from anatomy.store.fingerprint import modules_reached

pytestmark = pytest.mark.workflow

FORMULA = "workflow/anatomy/interventions/edits/rank_one.py"
STAGES = {
    "extract": ("extract",),
    "answers": ("own_answers",),
    "localize": ("localize",),
    "screen": ("anatomy.recipes.rosi.jobs.screen",),
    "evaluate": ("evaluate",),
    "pick": ("anatomy.recipes.rosi.jobs.pick",),
    "measure": ("anatomy.recipes.rosi.jobs.measure",),
    "judge": ("judge",),
    "model_judge": ("model_judge",),
    "prompt_set": ("prompt_set",),
    "judge_card": ("judge_card",),
}
"""Rules with the stages whose code they name, of those that the study has finished."""


@pytest.fixture(scope="module")
def copy(own_run, tmp_path_factory):
    """The repository's workflow beside a copy of the finished study, to be changed freely."""
    folder = tmp_path_factory.mktemp("changed")
    shutil.copytree(own_run, folder / "study", symlinks=True)
    for part in ("workflow", "config", "envs"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "Snakefile", folder)
    return folder


def status(folder) -> dict[str, list[str]]:
    """Rule to its reasons, as ``status`` tells them; {} where there is nothing to do."""
    study = folder / "study"
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "snakemake",
            "status",
            "--snakefile",
            str(folder / "Snakefile"),
            "--directory",
            str(study),
            "--cores",
            "1",
            "--configfile",
            str(study / "mine.yaml"),
        ],
        capture_output=True,
        text=True,
        check=False,
        env=environment(),
    )
    assert done.returncode == 0, done.stderr[-4000:]
    lines, found, rule = done.stdout.splitlines(), {}, ""
    assert any("jobs to run" in line or "Nothing to do" in line for line in lines), done.stdout
    for line in lines if "jobs to run" in done.stdout else ():
        if line.startswith("    ") and rule:
            found[rule].append(line.strip())
        elif line.partition(":")[2].strip().isdigit():
            rule = line.partition(":")[0]
            found[rule] = []
    return found


def test_a_comment_reruns_nothing(copy):
    path = copy / FORMULA
    source = path.read_text(encoding="utf-8")
    path.write_text(f"# Said differently.\n{source}\n# And at the end.\n", encoding="utf-8")
    try:
        assert status(copy) == {}
    finally:
        path.write_text(source, encoding="utf-8")


def test_a_changed_formula_reruns_what_reached_it_and_is_named(copy):
    path = copy / FORMULA
    source = path.read_text(encoding="utf-8")
    name = source.split("\ndef ")[1].split("(")[0]
    head, _, body = source.partition(f"\ndef {name}(")
    end = body.index('"""', body.index('"""') + 3) + 3
    path.write_text(f"{head}\ndef {name}({body[:end]}\n    1 + 1{body[end:]}", encoding="utf-8")
    try:
        reasons = status(copy)
    finally:
        path.write_text(source, encoding="utf-8")
    # Snakemake compares parameters of the first stale jobs only; what comes after them is told as following.
    named = {
        rule for rule, told in reasons.items() if any(f"anatomy.interventions.edits.rank_one:{name}" in reason for reason in told)
    }
    reached = {
        rule
        for rule, stages in STAGES.items()
        if any("anatomy.interventions.edits.rank_one" in modules_reached([module_of(stage)]) for stage in stages)
    }
    assert {"evaluate", "measure"} <= reached
    assert named and named <= reached <= set(reasons), reasons
    assert not {"model_card", "judge_card", "prompt_set", "extract"} & set(reasons), reasons
