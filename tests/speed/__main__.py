"""``python3 envs/bootstrap.py python tests/speed``: the table of speeds (see ``command``)."""

import sys
from importlib import import_module
from pathlib import Path

# The folder of a script comes first; the package around it is what its modules are imported from.
sys.path[0] = str(Path(__file__).resolve().parent.parent)

if __name__ == "__main__":
    sys.exit(import_module("speed.command").main())
