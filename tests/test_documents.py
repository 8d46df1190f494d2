"""Pages for readers: what they point at is there, and the first of them is short."""

import importlib.util
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from quick_run import ROOT

TOP = {"Snakefile", "workflow", "config", "envs", "results", "tests", "README.md", "pyproject.toml", "LICENSE", "CITATION.cff"}
"""What a visitor sees first; everything else is hidden, or lies deeper."""


def tracked(*patterns: str) -> list[Path]:
    """Files that git keeps, or would."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *patterns]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip("not a checkout of git")
    return [ROOT / name for name in done.stdout.splitlines()]


def pages() -> list[Path]:
    return tracked("*.md")


def test_the_first_page_is_short():
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150


def test_nothing_else_is_visible_at_the_top():
    first = {path.relative_to(ROOT).parts[0] for path in tracked()}
    assert {name for name in first if not name.startswith(".")} == TOP


def test_links_and_pictures_are_there():
    missing = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in pages()
        for found in re.finditer(r'\]\(([^)#]+)\)|(?:src|href)="([^"]+)"', page.read_text(encoding="utf-8"))
        for target in found.groups()
        if target and "://" not in target and not (page.parent / target).exists()
    ]
    assert pages() and not missing


def test_modules_that_pages_call_are_there():
    called = {
        (page.relative_to(ROOT), name)
        for page in pages()
        for name in re.findall(r"python -m (anatomy(?:\.\w+)+)", page.read_text(encoding="utf-8"))
    }
    assert called and not [pair for pair in called if importlib.util.find_spec(pair[1]) is None]


def test_the_checks_run_the_test_command_of_the_readme():
    steps = yaml.safe_load((ROOT / ".github" / "workflows" / "tests.yml").read_text(encoding="utf-8"))["jobs"]["tests"]["steps"]
    command = next(step["run"] for step in steps if "run" in step)
    assert re.search(rf"^{re.escape(command)} +#", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.M)


def test_the_citation_names_the_version_and_the_papers():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert f'version = "{citation["version"]}"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    cited = {one["value"].partition(":")[2] for paper in citation["references"] for one in paper["identifiers"]}
    assert cited == set(re.findall(r"\d{4}\.\d{5}", (ROOT / "README.md").read_text(encoding="utf-8")))
