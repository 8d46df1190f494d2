"""The layer that each detector chooses for the signature, and the operating point: the edit that takes it out within limits."""

from __future__ import annotations

from pathlib import Path

from anatomy.recipes.pasta.selected import read_signature_card
from anatomy.recipes.pasta.stages.localize_signature import localize_signature
from anatomy.stages.running import Files, Running, written
from anatomy.store.files import read_table, write_json, write_table

PINS: tuple[str, ...] = ("scipy",)


def run(job: Running, files: Files) -> None:
    """From the select split's texts, scored and judged, to one layer for each detector, and an operating point."""
    tables = {name: read_table(Path(files.input[name])) for name in ("completions", "variants", "judgements", "detectors")}
    found = localize_signature(
        job.config, job.subject, read_signature_card(Path(files.input["signature"])), **tables, say=job.say
    )
    write_json(written(files, "selected"), found.selected)
    for name, table in found.tables.items():
        write_table(written(files, name), table)
