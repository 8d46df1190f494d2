"""Where a result comes from, and whether it can be had again.

python3 envs/bootstrap.py python -m anatomy.runs.provenance show results/figures/headline.s0.csv
python3 envs/bootstrap.py python -m anatomy.runs.provenance reproduce results/tables/selection.csv --to ../again
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from anatomy.errors import AnatomyError
from anatomy.progress.terminal import let_output_go
from anatomy.runs.provenance.chain import chain, print_chain
from anatomy.runs.provenance.comparison import Comparison
from anatomy.runs.provenance.names import name_in_run
from anatomy.runs.provenance.record import JOBS
from anatomy.runs.provenance.reproduction import reproduce


def main(arguments: list[str] | None = None) -> int:
    """Run the command. Exit status: 0 the same, 3 explained by versions or hardware, 4 other numbers, 2 an error."""
    parser = argparse.ArgumentParser(
        prog="python -m anatomy.runs.provenance", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("show", "reproduce"))
    parser.add_argument("file", help="a figure or table, such as results/figures/headline.s0.csv")
    parser.add_argument("--results", type=Path, help="the run's folder (default: the nearest above the file that holds records)")
    parser.add_argument("--to", type=Path, help="a fresh folder for the result made again")
    parser.add_argument("--relative", type=float, default=1e-6, help="tolerance relative to the stored number (default 1e-6)")
    parser.add_argument("--absolute", type=float, default=1e-9, help="tolerance beside it (default 1e-9)")
    parser.add_argument("--cores", type=int, default=os.cpu_count())
    options = parser.parse_args(arguments)
    results = options.results or run_of(Path(options.file))
    try:
        if options.command == "show":
            print_chain(chain(results, name_in_run(Path(options.file), results)))
            return 0
        if options.to is None:
            parser.error("reproduce needs --to, a fresh folder")
        found = reproduce(
            options.file, results, options.to, relative=options.relative, absolute=options.absolute, cores=options.cores
        )
    except AnatomyError as error:
        print(error, file=sys.stderr)
        return 2
    print_comparison(found)
    return {"same": 0, "numbers": 4}.get(found.grade, 3)


def run_of(file: Path) -> Path:
    """The nearest folder above a file that holds records of jobs; the first of its name where none does."""
    return next((folder for folder in Path(os.path.abspath(file)).parents if (folder / JOBS).is_dir()), Path(file.parts[0]))


def print_comparison(found: Comparison) -> None:
    """The grade, then what differs."""
    print(f"{found.grade}: {found.compared - found.differing} of {found.compared} cells agree")
    for line in [*found.cells, *(["..."] if found.differing > len(found.cells) > 1 else []), *found.surroundings]:
        print(f"    {line}")


if __name__ == "__main__":
    let_output_go()
    raise SystemExit(main())
