"""One record a job: what went in, what came out, under which options, code, versions and machine, and what it cost.

Records lie in ``results/provenance/jobs``, one small JSON file a job, named by its rule and wildcards; a job that runs again
replaces its own. They say nothing that a job did not do: a table assembled from the store alone has computed no rows.
"""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NotRequired, TypedDict

from anatomy.errors import StoreError
from anatomy.models.machine.surroundings import Hardware, hardware, software
from anatomy.store.digest import file_digest
from anatomy.store.files import read_json, write_json
from anatomy.store.journal import read_journal
from anatomy.store.json_objects import JsonObject

FOLDER = "provenance"
JOBS = "provenance/jobs"
LARGEST = 64 * 2**20
"""Files beyond this many bytes are told by their size: weights are hashed once, in the card of their model."""


class Cost(TypedDict):
    """What a job took.

    Attributes:
        started: in UTC.
        seconds: by the clock on the wall.
        cpu_seconds: of processors; records of older runs have none.
        peak_mb: memory of the process or of its largest child.
        rows, tokens, starts: what the store journalled: rows computed, tokens generated, models and engines started.
    """

    started: str
    seconds: float
    cpu_seconds: NotRequired[float]
    peak_mb: float
    rows: int
    tokens: int
    starts: int


class Record(TypedDict):
    """One job.

    Attributes:
        outputs, inputs: digest of each file (``digests``).
        parameters: options, the model under study, fingerprints of code: what its rule names.
        seeds: every option called a seed, by its dotted name.
        software: packages and their versions.
    """

    rule: str
    wildcards: dict[str, str]
    outputs: dict[str, str]
    inputs: dict[str, str]
    parameters: JsonObject
    seeds: JsonObject
    software: dict[str, str]
    hardware: Hardware
    threads: int
    cost: Cost


class Clock:
    """Wall time, processor time and what the store journalled since it was started."""

    def __init__(self) -> None:
        self.started, self._ticks, self._processor = time.time(), time.perf_counter(), processor_seconds()

    def cost(self, store: Path) -> Cost:
        """Seconds, those of processors (of this process and its children), peak memory in MB (of this process or its largest
        child), rows, tokens and starts of this process."""
        journal = read_journal(store)
        own = journal[(journal["pid"] == os.getpid()) & (journal["time"] >= self.started - 1)]
        peak = max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
        return {
            "started": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.started)),
            "seconds": round(time.perf_counter() - self._ticks, 2),
            "cpu_seconds": round(processor_seconds() - self._processor, 2),
            "peak_mb": round(peak / 1024, 1),
            "rows": int(own["rows"].sum()),
            "tokens": int(own["tokens"].sum()),
            "starts": int((own["event"] == "start").sum()),
        }


def processor_seconds() -> float:
    """Seconds of processors that this process and its finished children have used."""
    usage = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in usage)


def write_record(
    results: Path,
    rule: str,
    wildcards: Mapping[str, str],
    *,
    inputs: Iterable[str],
    outputs: Iterable[str],
    parameters: Mapping[str, Any],
    threads: int,
    clock: Clock,
) -> Path:
    """Write a finished job's record.

    Args:
        results: the run's folder.
        inputs: files the job read, as declared.
        outputs: files it made, as declared.
        parameters: its parameters: options, the model under study, code fingerprints.

    Returns:
        The record's path.
    """
    path = results / JOBS / f"{'.'.join([rule, *map(str, wildcards.values())])}.json"
    record: Record = {
        "rule": rule,
        "wildcards": dict(wildcards),
        "outputs": digests(outputs),
        "inputs": digests(inputs),
        "parameters": plain(parameters),
        "seeds": seeds(parameters),
        "software": software(),
        "hardware": hardware(),
        "threads": threads,
        "cost": clock.cost(results / "store"),
    }
    write_json(path, record)
    return path


def digests(files: Iterable[str]) -> dict[str, str]:
    """SHA-256 of each file, or its size where it is large; a file that is gone says so."""
    found = {}
    for file in sorted(set(map(str, files))):
        path = Path(file)
        if not path.is_file():
            found[file] = "no file"
        elif (size := path.stat().st_size) > LARGEST:
            found[file] = f"{size} bytes"
        else:
            found[file] = file_digest(path)
    return found


def seeds(parameters: Any, path: str = "") -> JsonObject:
    """Every option called a seed, by its dotted name."""
    if isinstance(parameters, Mapping):
        return {
            name: value
            for key, part in parameters.items()
            for name, value in seeds(part, f"{path}.{key}" if path else str(key)).items()
        }
    return {path: parameters} if path.rpartition(".")[2] in ("seed", "seeds") and parameters is not None else {}


def plain(value: Any) -> Any:
    """Parameters as JSON."""
    if isinstance(value, Mapping):
        return {str(key): plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(part) for part in value]
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)


FIELDS = {
    "rule": str,
    "wildcards": dict,
    "outputs": dict,
    "inputs": dict,
    "parameters": dict,
    "seeds": dict,
    "software": dict,
    "hardware": dict,
    "threads": int,
    "cost": dict,
}
COSTS = ("seconds", "peak_mb", "rows", "tokens", "starts")


def read_records(results: Path) -> list[Record]:
    """All records of a run.

    Raises:
        StoreError: a record that no job wrote.
    """
    return [checked(path, read_json(path)) for path in sorted((Path(results) / JOBS).glob("*.json"))]


def checked(path: Path, record: Any) -> Record:
    """A record with every field that its readers take from it."""
    wrong = [name for name, kind in FIELDS.items() if not isinstance(record, dict) or not isinstance(record.get(name), kind)]
    if not wrong:
        texts = [*record["wildcards"].values(), *record["inputs"].values(), *record["outputs"].values()]
        wrong = [f"cost.{name}" for name in COSTS if type(record["cost"].get(name)) not in (int, float)]
        wrong += [] if all(isinstance(text, str) for text in texts) else ["wildcards or digests"]
    if wrong:
        raise StoreError(
            found=f"a record without proper {', '.join(wrong)}",
            expected="a job's record",
            where=str(path),
            remedy="delete the file: it only tells where a result comes from",
        )
    found: Record = record
    return found
