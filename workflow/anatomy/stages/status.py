"""The state of a run in words: Snakemake's own plan, grouped by stage."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any


def plan(snakefile: str, config: dict[str, Any]) -> list[dict[str, str]]:
    """One row an output file: ``output_file, rule, status, plan``, as ``snakemake --summary`` sees it."""
    import yaml

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "config.yaml"
        path.write_text(yaml.safe_dump(config))
        done = subprocess.run(
            [sys.executable, "-m", "snakemake", "--snakefile", snakefile, "--configfile", str(path), "--summary", "--nolock",
             "--workflow-profile", "none", "--rerun-triggers", "mtime", "params", "input"],
            capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return list(csv.DictReader(io.StringIO(done.stdout), delimiter="\t"))


def print_status(snakefile: str, config: dict[str, Any]) -> None:
    """Print done, missing and stale files by rule, with the reason for what would run."""
    by_rule: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in plan(snakefile, config):
        by_rule[row["rule"]].append(row)
    print(f"{'rule':<22}{'done':>6}{'missing':>9}{'stale':>7}  why")
    for rule, rows in by_rule.items():
        missing = [row for row in rows if row["status"] == "missing"]
        stale = [row for row in rows if row["plan"] != "no update" and row["status"] != "missing"]
        reasons = sorted({row["status"] if row["status"] != "ok" else row["plan"] for row in stale})
        print(f"{rule:<22}{len(rows) - len(missing) - len(stale):>6}{len(missing):>9}{len(stale):>7}  {', '.join(reasons)}")
        for row in stale:
            print(f"    {row['output_file']}: {row['status']}, {row['plan']}")
