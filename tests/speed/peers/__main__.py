"""``python3 envs/bootstrap.py python tests/speed/peers``: the table of peers (see ``command``)."""

import sys
from importlib import import_module
from pathlib import Path

# The folder of a script comes first; the folder that holds the package ``speed`` is what its modules are imported from.
sys.path[0] = str(Path(__file__).resolve().parents[2])

if __name__ == "__main__":
    sys.exit(import_module("speed.peers.command").main())
