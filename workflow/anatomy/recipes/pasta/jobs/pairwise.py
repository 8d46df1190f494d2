"""Edited continuations of a model compared with its unedited ones by a pairwise judge."""

from __future__ import annotations

from anatomy.models.imports import without_unused
from anatomy.stages.inputs import named_files
from anatomy.stages.running import Files, Running, written
from anatomy.stages.soundness import sound_model
from anatomy.store.files import read_table, write_table

PINS: tuple[str, ...] = ("torch", "transformers", "vllm")


def run(job: Running, files: Files) -> None:
    """From continuations of the test split to preferences."""
    from anatomy.serving.environment import prepare_environment

    prepare_environment(job.threads)
    with without_unused():
        from anatomy.recipes.pasta.stages.pairwise import compare
    given = named_files(files.input)
    card = sound_model(given["judge"][0]) if job.config.models else None
    texts, variants = (read_table(given[name][0]) for name in ("completions", "variants"))
    gpus = max(1, len(job.gpus))
    found = compare(job.config, job.subject, texts, variants, card, job.say, threads=job.threads, gpus=gpus)
    write_table(written(files, "table"), found)
