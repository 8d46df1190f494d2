"""Look at the registry, or fetch sets of it by hand.

python3 envs/bootstrap.py python -m anatomy.sources.registry status
python3 envs/bootstrap.py python -m anatomy.sources.registry fetch advbench xstest [--mirror folder] [--allow-unpinned]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from anatomy.config.data import Data
from anatomy.errors import AnatomyError
from anatomy.progress.terminal import let_output_go
from anatomy.sources.registry.catalogue import find_entry, load_catalogue
from anatomy.sources.registry.fetch import fetch_entry
from anatomy.sources.registry.table import status_table

CHECKOUT = Path(__file__).resolve().parents[4]


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m anatomy.sources.registry", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("status", "fetch"))
    parser.add_argument("names", nargs="*", help="data sets of config/datasets.yaml; status: all where none is named")
    parser.add_argument("--folder", default=str(CHECKOUT / "data"), help="local copies (default: data in the checkout)")
    parser.add_argument("--mirror", help="folder that stands in for the network")
    parser.add_argument("--registry", help="file with further data sets")
    parser.add_argument("--allow-unpinned", action="store_true", help="fetch sets whose commit is unknown, as they are today")
    options = parser.parse_args(arguments)
    data = Data(folder=options.folder, mirror=options.mirror, registry=options.registry, allow_unpinned=options.allow_unpinned)
    try:
        catalogue = load_catalogue(options.registry)
        chosen = {name: find_entry(catalogue, name, "the command line")[0] for name in options.names}
    except AnatomyError as error:
        print(error, file=sys.stderr)
        return 2
    failed = False
    for name, entry in chosen.items() if options.command == "fetch" else ():
        try:
            fetch_entry(data, name, entry, print)
        except AnatomyError as error:
            print(error, file=sys.stderr)
            failed = True
    print(status_table(data, chosen or catalogue))
    return int(failed)


if __name__ == "__main__":
    let_output_go()
    sys.exit(main(sys.argv[1:]))
