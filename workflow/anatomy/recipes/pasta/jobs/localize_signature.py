"""Which layer holds the signature, by each detector, and at which point to take it out."""

from __future__ import annotations

from pathlib import Path

from anatomy.recipes.pasta.selected import read_signature_card
from anatomy.recipes.pasta.stages.localize_signature import localize_signature
from anatomy.stages.running import Files, Running, written
from anatomy.store.files import read_table, write_json, write_table

PINS: tuple[str, ...] = ("scipy",)


def run(job: Running, files: Files) -> None:
    """From the select split's texts, scored and judged, to a layer a detector and an operating point."""
    tables = {name: read_table(Path(files.input[name])) for name in ("completions", "variants", "judgements", "detectors")}
    found = localize_signature(
        job.config, job.subject, read_signature_card(Path(files.input["signature"])), **tables, say=job.say
    )
    write_json(written(files, "selected"), found.selected)
    for name, table in found.tables.items():
        write_table(written(files, name), table)
