"""From a figure back to the raw prompt pairs: the records of every job in between."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from anatomy.errors import StoreError
from anatomy.runs.provenance.ingredients import edits, models, prompt_tables
from anatomy.runs.provenance.record import Record, read_records


def makers(records: list[Record]) -> dict[str, Record]:
    """The record behind each output."""
    return {output: record for record in records for output in record["outputs"]}


def chain(results: Path, file: str) -> list[Record]:
    """Records of the jobs that a file depends on, its own first, each once, nearest first.

    Raises:
        StoreError: no record names the file.
    """
    known = makers(read_records(results))
    if file not in known:
        raise StoreError(
            found=f"no record of {file}",
            expected=f"a file that a job of this run made, such as {next(iter(known), 'none: there are no records')}",
            where=str(results),
            remedy="give its path from where you stand",
        )
    found: dict[int, Record] = {}
    waiting = [known[file]]
    while waiting:
        record = waiting.pop(0)
        if id(record) not in found:
            found[id(record)] = record
            waiting += [known[name] for name in record["inputs"] if name in known]
    return list(found.values())


def raw_inputs(records: list[Record]) -> dict[str, str]:
    """Files of a chain that no job made, with their digests: raw prompts and models of one's own."""
    made = {name for record in records for name in record["outputs"]}
    return {name: digest for record in records for name, digest in record["inputs"].items() if name not in made}


def print_chain(records: list[Record]) -> None:
    """One line a job, then raw inputs, models, prompt tables and edits, seeds, versions, and what it cost together."""
    for record in records:
        name = ".".join([record["rule"], *record["wildcards"].values()])
        cost = record["cost"]
        code = record["parameters"].get("code", "none")
        print(
            f"{name:<44}{cost['seconds']:>9.1f} s{cost['peak_mb']:>9.0f} MB{cost['rows']:>8} rows{cost['tokens']:>10} tokens  "
            f"code {code if isinstance(code, str) else ','.join(code)}"
        )
    print("raw inputs")
    for name, digest in sorted(raw_inputs(records).items()) or [("none: the organism is grown from its seed", "")]:
        print(f"    {name}  {digest[:16]}")
    for title, named in (("models", models(records)), ("prompt tables", prompt_tables(records))):
        print(title)
        for name, digest in sorted(named.items()):
            print(f"    {name}  {digest[:16] if len(digest) == 64 else digest}")
    print("edits")
    for name, parameters in sorted(edits(records).items()) or [("none", "")]:
        print(f"    {name}  {parameters}".rstrip())
    shared: dict[str, list[Mapping[str, object]]] = {
        "seeds": [record["seeds"] for record in records],
        "software": [record["software"] for record in records],
        "hardware": [record["hardware"] for record in records],
    }
    for title, facts in shared.items():
        values = sorted({f"{key} {value}" for fact in facts for key, value in fact.items()})
        print(f"{title}: {', '.join(values)}")
    total = sum(record["cost"]["seconds"] for record in records)
    print(
        f"{len(records)} jobs, {total:.0f} s together, peak {max(record['cost']['peak_mb'] for record in records):.0f} MB, "
        f"{sum(record['cost']['tokens'] for record in records)} tokens generated"
    )
