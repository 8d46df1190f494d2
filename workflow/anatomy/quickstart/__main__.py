"""Write a study of one model with prompt pairs of one's own, check it, and say what it will cost.

    python3 envs/bootstrap.py python -m anatomy.quickstart --name mine --model models/mine --pairs pairs.csv
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from anatomy.errors import AnatomyError
from anatomy.progress.terminal import let_output_go
from anatomy.quickstart.check import check_study
from anatomy.quickstart.pairs import read_pairs, write_sets
from anatomy.quickstart.study import compose, write_study


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(prog="python -m anatomy.quickstart", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", required=True, help="of the study and its model: small letters, digits, - and .")
    parser.add_argument("--model", required=True, help="a folder with safetensors, or a hub id such as org/name")
    parser.add_argument("--revision", help="commit of the hub repository (40 digits); needed for a hub id")
    parser.add_argument("--pairs", required=True, type=Path, help="CSV, TSV, JSONL or Parquet: columns harmful, harmless; "
                        "or prompt, label")
    parser.add_argument("--kind", choices=("aligned", "base"), default="aligned", help="base: no chat template is used")
    parser.add_argument("--dtype", choices=("auto", "bfloat16", "float16", "float32"), default="auto",
                        help="number format; auto: what this machine multiplies fast")
    parser.add_argument("--date", help="ISO day shown to chat templates that print today's date")
    parser.add_argument("--benchmarks", type=Path, help="folder with local copies of lm-eval's benchmarks")
    parser.add_argument("--overwrite", action="store_true", help="replace a study of this name")
    options = parser.parse_args(arguments)
    try:
        return write(options)
    except AnatomyError as error:
        print(f"quickstart: {error}", file=sys.stderr)
        return 1


def write(options: argparse.Namespace) -> int:
    """Write the study's prompt sets and configuration, check them, print the plan."""
    path = Path("config") / f"{options.name}.yaml"
    if path.exists() and not options.overwrite:
        print(f"quickstart: {path} exists; choose another --name, or --overwrite it", file=sys.stderr)
        return 1
    sets = write_sets(read_pairs(options.pairs), Path("data") / options.name)
    study = compose(options.name, model_entry(options), sets, options.benchmarks)
    for line in check_study(study, str(path)):
        print(line)
    write_study(study, path)
    print(f"\nwrote {path}, {' and '.join(map(str, sets.values()))}\n\nrun it:\n"
          f"  python3 envs/bootstrap.py snakemake --configfile {path}\n"
          f"the report will be results/{options.name}/report.html")
    return 0


def model_entry(options: argparse.Namespace) -> dict:
    """The model's entry in the configuration."""
    local = Path(options.model).is_dir()
    source = {"folder": options.model} if local else {"hub": options.model, "revision": options.revision}
    entry = {**source, "kind": options.kind, "dtype": options.dtype}
    if options.kind == "base":
        entry["template"] = False
    if options.date:
        entry["date"] = options.date
    return entry


if __name__ == "__main__":
    let_output_go()
    raise SystemExit(main())
