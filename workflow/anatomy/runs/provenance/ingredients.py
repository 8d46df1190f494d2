"""What a result was made of, by name: models and prompt tables by digest, edits by their parameters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath
from typing import Any

from anatomy.errors import StoreError
from anatomy.runs.provenance.record import Record
from anatomy.store.digest import canonical_json, file_digest
from anatomy.store.files import read_json

CHANGED = "the file has changed since"


def models(records: list[Record]) -> dict[str, str]:
    """Model or judge to the digest of its files, from the cards in a chain."""
    found = {}
    for record in records:
        for name, content in outputs(record, ("model_card", "judge_card")):
            found[PurePath(name).stem] = content.get("digest", CHANGED) if isinstance(content, Mapping) else CHANGED
    return found


def prompt_tables(records: list[Record]) -> dict[str, str]:
    """Prompt table to its digest: every table in a folder of prompts that a job of the chain read or made."""
    return {
        name: digest
        for record in records
        for part in ("inputs", "outputs")
        for name, digest in record[part].items()
        if PurePath(name).parent.name == "prompts" and PurePath(name).suffix == ".parquet"
    }


def edits(records: list[Record]) -> dict[str, str]:
    """``model, family`` to the parameters that its search ended with, controls left out; "nothing" where it found none."""
    found = {}
    for record in records:
        for name, content in outputs(record, ("pick",)):
            if PurePath(name).name != "selected.json":
                continue
            model = record["wildcards"].get("model", "")
            if not isinstance(content, Mapping):
                found[model] = CHANGED
                continue
            found |= {
                f"{model}, {family}": "nothing" if edit is None else canonical_json(edit)
                for family, edit in content.items()
                if "~" not in family
            }
    return found


def outputs(record: Record, rules: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    """JSON files that a job of some rules made, each with its content; None where it is no longer what the job left."""
    if record["rule"] not in rules:
        return
    for name, digest in record["outputs"].items():
        path = Path(name)
        if path.suffix == ".json":
            try:
                yield name, read_json(path) if path.is_file() and file_digest(path) == digest else None
            except StoreError:
                yield name, None
