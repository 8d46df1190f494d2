"""Measure every promise of speed side by side and print the table.

    python3 envs/bootstrap.py python tests/speed [--rows extraction,export] [--quick] [--model-size 100m] [--out FILE]

Each row runs in a process of its own, one after the other, because a process can hold one engine only and because memory
left by one row must not slow the next. Nothing is asserted: a number that misses its target is printed as missed. A row that
fails, dies or takes longer than --limit costs no other. With --out the records are written after each row, and the same
command takes up where it was stopped: rows measured there stay, those that failed are measured again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import traceback
from importlib import import_module
from pathlib import Path

from speed.machine import machine
from speed.random_model import SIZES
from speed.rows import ROWS
from speed.setting import Setting
from speed.skipped import Skipped
from speed.table import render


def measure_row(row: str, setting: Setting) -> dict:
    """One row in this process."""
    from anatomy.serving.environment import prepare_environment

    prepare_environment(setting.threads)
    try:
        comparisons = import_module(f"speed.rows.{row}").measure(setting)
    except Skipped as why:
        return {"row": row, "skipped": str(why)}
    return {"row": row, "comparisons": [one.as_json() for one in comparisons]}


def row_apart(row: str, options: argparse.Namespace, scratch: Path) -> dict:
    """One row in a process of its own; a row that dies costs no other."""
    record = scratch / f"{row}.json"
    command = [
        sys.executable,
        str(Path(__file__).parent),
        "--rows",
        row,
        "--record",
        str(record),
        "--scratch",
        str(scratch),
        "--model-size",
        options.model_size,
        "--threads",
        str(options.threads),
        "--repeats",
        str(options.repeats),
    ]
    record.unlink(missing_ok=True)
    try:
        done = subprocess.run([*command, *(["--quick"] if options.quick else [])], check=False, timeout=60 * options.limit)
    except subprocess.TimeoutExpired:
        return {"row": row, "failed": f"not done after {options.limit:g} minutes"}
    if not record.is_file():
        return {"row": row, "failed": f"the process ended with status {done.returncode} and no record"}
    return json.loads(record.read_text())


def measured_before(out: Path | None, settings: dict) -> dict[str, dict]:
    """Records in ``out`` of rows that gave numbers under the same settings."""
    if out is None or not out.is_file():
        return {}
    written = json.loads(out.read_text())
    if written.get("settings") != settings:
        raise SystemExit(f"{out} was measured with {written.get('settings')}, and this is {settings}: give another --out")
    return {record["row"]: record for record in written["records"] if "comparisons" in record}


def write_records(out: Path, about: dict, settings: dict, records: list[dict]) -> None:
    """Aside and renamed, so that a kill leaves the records before."""
    aside = out.with_name(f".{out.name}.part")
    aside.write_text(json.dumps({"machine": about, "settings": settings, "records": records}, indent=1))
    aside.replace(out)


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests/speed", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--rows", default=",".join(ROWS), help="which, comma-separated; all by default")
    parser.add_argument("--quick", action="store_true", help="few items on the tiny model: does everything run?")
    parser.add_argument("--model-size", choices=SIZES, help="of the random model; 100m where not --quick")
    parser.add_argument("--threads", type=int, default=1, help="of torch and of vLLM's CPU backend")
    parser.add_argument("--repeats", type=int, help="alternated repeats a side; 3, or 1 with --quick")
    parser.add_argument("--out", type=Path, help="also write the records there, as JSON; rows measured there are not repeated")
    parser.add_argument("--limit", type=float, default=30, help="minutes after which a row is given up; 30")
    parser.add_argument("--scratch", type=Path, help="folder for models and exports; a temporary one where not given")
    parser.add_argument("--record", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.model_size = options.model_size or ("tiny" if options.quick else "100m")
    options.repeats = options.repeats or (1 if options.quick else 3)
    rows = options.rows.split(",")
    if unknown := [row for row in rows if row not in ROWS]:
        parser.error(f"no row {unknown[0]!r}; there are {', '.join(ROWS)}")
    if options.record is not None:
        setting = Setting(options.scratch, options.model_size, options.repeats, options.quick, options.threads)
        try:
            record = measure_row(rows[0], setting)
        except Exception as error:
            traceback.print_exc()
            record = {"row": rows[0], "failed": f"{type(error).__name__}: {error}".splitlines()[0]}
        options.record.write_text(json.dumps(record))
        return 0
    with tempfile.TemporaryDirectory(prefix="speed-") as temporary:
        scratch = options.scratch or Path(temporary)
        about = machine(Setting(scratch, quick=options.quick, threads=options.threads))
        settings = {name: getattr(options, name) for name in ("model_size", "threads", "repeats", "quick")}
        found = measured_before(options.out, settings)
        for row in rows:
            if row in found:
                print(f"speed: {row}: measured before", file=sys.stderr, flush=True)
                continue
            print(f"speed: {row} ...", file=sys.stderr, flush=True)
            found[row] = row_apart(row, options, scratch)
            if options.out is not None:
                write_records(options.out, about, settings, [found[row] for row in ROWS if row in found])
    print(render(about, [found[row] for row in rows]))
    return 0
