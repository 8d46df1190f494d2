"""Every stage says which packages shape its numbers, and says it of all that it imports."""

import ast
import re
import sys

import pytest
from quick_run import ROOT

from anatomy.errors import ConfigError
from anatomy.recipes.registry import known
from anatomy.stages import fingerprints
from anatomy.stages.fingerprints import CELLS, cell_fingerprint, constant, declared_pins, stage_fingerprint, stages
from anatomy.store import fingerprint as code
from anatomy.store.fingerprint import module_path, modules_reached

SHAPING = {
    "torch": "torch",
    "transformers": "transformers",
    "tokenizers": "tokenizers",
    "gguf": "gguf",
    "vllm": "vllm",
    "lm_eval": "lm_eval",
    "peft": "peft",
    "sklearn": "scikit-learn",
    "scipy": "scipy",
    "sacrebleu": "sacrebleu",
    "altair": "altair",
    "vl_convert": "vl-convert-python",
}
"""Packages that numbers or pictures come from, by the name they are imported under."""
OTHERS = {
    "numpy": "sums and elementwise arithmetic, which releases keep; with it every row would go stale at every release",
    "pandas": "tables: rows are joined and grouped, and every release would make everything stale",
    "pyarrow": "reads and writes tables",
    "safetensors": "reads and writes tensors, bit by bit",
    "python_calamine": "reads cells of spreadsheets",
    "datasets": "reads rows of benchmarks, which are keyed by their content",
    "huggingface_hub": "fetches files, which are named by their content",
    "httpx2": "errors of that fetching",
    "requests": "errors of that fetching",
    "jinja2": "renders templates, whose text golden renderings hold (tests/models); and the page",
    "markupsafe": "escapes the page's text",
    "jaxtyping": "shapes in signatures",
    "pydantic": "the configuration's types",
    "psutil": "how much memory is free",
    "accelerate": "moves a model's blocks onto several GPUs; what a block computes is torch's",
}
"""Packages that shape none, and why."""
RULES = "\n".join(path.read_text() for path in sorted((ROOT / "workflow" / "rules").rglob("*.smk")))
MODULES = sorted({f"anatomy.stages.{stage}" for stage in stages()} | {module for entries in CELLS.values() for module in entries})


def packages_reached(module):
    """Third-party packages that the module, or what it imports, imports."""
    found = set()
    for name in modules_reached([module]):
        for node in ast.walk(ast.parse(module_path(name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
                found.add(node.module.split(".")[0])
    return found - {"anatomy", *sys.stdlib_module_names}


@pytest.mark.parametrize("module", MODULES)
def test_what_a_stage_imports_is_pinned_or_excused_with_a_reason(module):
    reached = packages_reached(module)
    assert not reached - set(SHAPING) - set(OTHERS), "say in SHAPING or OTHERS what these packages do"
    path = module_path(module)
    pins, excused = set(constant(path, "PINS")), constant(path, "NOT_PINNED") or {}
    assert pins | set(excused) == {SHAPING[name] for name in reached & set(SHAPING)}
    assert not pins & set(excused) and all(excused.values())


def test_every_rule_names_a_stage_that_declares_its_pins():
    named = set(re.findall(r'stage_fingerprint\("(\w+)"\)', RULES))
    assert {"extract", "evaluate", "generate", "make_edit", "judge", "claims", "draw", "page"} <= named <= set(stages())
    own = set(re.findall(r'stage_fingerprint\("(anatomy[\w.]+)"\)', RULES)) | {paper.report for paper in known().values()}
    assert len(own) > 8 and all(len(stage_fingerprint(module)) == 16 for module in own)
    for stage in stages():
        assert len(stage_fingerprint(stage)) == 16


@pytest.mark.parametrize("cell", CELLS)
def test_every_cell_has_a_fingerprint(cell):
    assert len(cell_fingerprint(cell, False)) == len(cell_fingerprint(cell, True)) == 16


@pytest.mark.parametrize("cell", ["generate", "benchmark"])
def test_the_code_of_edits_counts_for_edited_rows_alone(cell):
    assert cell_fingerprint(cell, True) != cell_fingerprint(cell, False)


@pytest.fixture
def stage(tmp_path, monkeypatch):
    """A stage of a package of its own, with locks of its own."""
    folder = tmp_path / "workflow" / "anatomy" / "stages"
    folder.mkdir(parents=True)
    locks = tmp_path / "envs"
    locks.mkdir()
    (locks / "cpu.lock").write_text("torch==2.13.0+cpu\nvllm-cpu==0.32.0\n")
    (locks / "cuda.lock").write_text("torch==2.13.0\nvllm==0.32.0\n")
    monkeypatch.setattr(code, "ROOT", tmp_path / "workflow")
    monkeypatch.setattr(code, "LOCKS", locks)
    monkeypatch.setenv("ANATOMY_SET", "cpu")

    def forget():
        for cached in (declared_pins, code._read, code.locked_packages):
            cached.cache_clear()

    def write(text):
        (folder / "toy.py").write_text(text)
        forget()

    forget()
    yield write
    monkeypatch.undo()
    forget()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (None, "no such module"),
        ("X = 1\n", "no PINS"),
        ("PINS = None\n", "no PINS"),
        ('PINS: tuple[str, ...] = ("torch", "sklearn")\n', "PINS names sklearn"),
        ('PINS = ("vlm",)\n', "PINS names vlm"),
    ],
)
def test_absent_and_unknown_pins_are_errors(stage, text, found):
    if text is not None:
        stage(text)
    with pytest.raises(ConfigError, match=found) as caught:
        stage_fingerprint("toy")
    assert "anatomy.stages.toy" in str(caught.value) or "toy.py" in str(caught.value)


def test_a_pinned_version_counts_and_another_does_not(stage, tmp_path):
    lock = tmp_path / "envs" / "cpu.lock"

    def at(text):
        lock.write_text(text)
        return stage_fingerprint("toy")

    stage('PINS: tuple[str, ...] = ("torch",)\n')
    assert at("torch==1\nvllm-cpu==1\n") == at("torch==1\nvllm-cpu==2\n") != at("torch==2\nvllm-cpu==2\n")
    stage('PINS: tuple[str, ...] = ("torch", "vllm")\n')
    assert at("torch==1\nvllm-cpu==1\n") != at("torch==1\nvllm-cpu==2\n"), "by the name of the set in use"
    stage("PINS: tuple[str, ...] = ()\n")
    assert at("torch==1\n") == at("torch==2\n")


def test_planning_imports_no_stage():
    """The Snakefile computes fingerprints: a change there would show in every dry run."""
    tree = ast.parse(module_path(fingerprints.__name__).read_text())
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    own = {name for name in imported if name.startswith("anatomy.")}
    assert own == {"anatomy.errors", "anatomy.store.fingerprint", "anatomy.store.code_parts"}
