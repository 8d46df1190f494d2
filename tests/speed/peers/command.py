"""Measure tools that edit refusal side by side, on the organism alone, each in a throwaway environment.

    python3 envs/bootstrap.py python tests/speed/peers --folder FOLDER --results RESULTS [--refusal-direction CHECKOUT] --out FILE

Every tool gets the same model, prompts and budget in fp32 on one thread, runs as a command of its own, and leaves its best edit
in FOLDER; all edits are scored by one ruler on test requests that no tool saw. Edited weights and whatever a tool wrote are
deleted after its score: aggregate numbers alone are kept. Nothing is asserted. Needs a package registry, and 1.5 GB for each
environment. Stopped and started again, it goes on with the tools that have no number yet.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import traceback
from datetime import date
from importlib import import_module
from pathlib import Path
from typing import Any

from speed.machine import hardware
from speed.peers.environments import TORCH, environment, surroundings
from speed.peers.given import handed_over
from speed.peers.organism import Organism, grown_organism
from speed.peers.table import render
from speed.peers.tool import Place, Tool
from speed.peers.tools import NAMES
from speed.peers.watched import PeerFailed

from anatomy.errors import ConfigError

TESTS = Path(__file__).resolve().parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="tests/speed/peers", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--folder", type=Path, required=True, help="for environments, and for what tools write while they run")
    parser.add_argument("--results", type=Path, required=True, help="results in which the organism's aligned member was grown")
    parser.add_argument("--seed", type=int, default=0, help="of the organism; 0")
    parser.add_argument("--refusal-direction", type=Path, help="checkout of andyrdt/refusal_direction; left out where not given")
    parser.add_argument("--tools", default=",".join(NAMES), help="which, comma-separated; all by default")
    parser.add_argument("--out", type=Path, required=True, help="records, as JSON; tools measured there are not run again")
    options = parser.parse_args()
    names = options.tools.split(",")
    if unknown := [name for name in names if name not in NAMES]:
        parser.error(f"no tool {unknown[0]!r}; there are {', '.join(NAMES)}")
    organism = grown_organism(options.results.resolve(), options.seed)
    tools: dict[str, Tool] = {name: import_module(f"speed.peers.tools.{name}").TOOL for name in NAMES}
    about = conditions()
    found = measured_before(options.out)
    for name in names:
        if "failed" in found.get(name, {"failed": ""}):
            print(f"peers: {name} ...", file=sys.stderr, flush=True)
            found[name] = attempted(tools[name], name, organism, options)
            options.out.write_text(json.dumps({"about": about, "records": found}, indent=1))
    print(render(about, [{**found[name], **described(tools[name])} for name in NAMES if name in found]))
    return 0


def described(tool: Tool) -> dict[str, Any]:
    """What of a tool's line is known without a run."""
    return {"tool": tool.name, "version": tool.version, "judged_by": tool.judged_by, "features": tool.features}


def measured_before(out: Path) -> dict[str, dict[str, Any]]:
    return json.loads(out.read_text())["records"] if out.is_file() else {}


def conditions() -> dict[str, str]:
    """What the numbers were measured on."""
    return {"date": date.today().isoformat(), "hardware": hardware("cpu"), "versions": ", ".join(TORCH)}


def attempted(tool: Tool, name: str, organism: Organism, options: argparse.Namespace) -> dict[str, Any]:
    """A tool's record; one that fails costs no other."""
    try:
        return measured(tool, name, organism, options)
    except Exception as error:
        traceback.print_exc()
        return {"failed": " ".join(f"{type(error).__name__}: {error}".split())}


def measured(tool: Tool, name: str, organism: Organism, options: argparse.Namespace) -> dict[str, Any]:
    """Run a tool, score its best edit, delete all that it wrote."""
    folder, load = options.folder.resolve(), os.getloadavg()[0]
    place = place_of(tool, name, folder, options.refusal_direction)
    with handed_over(organism, folder / "work" / name) as given:
        try:
            ran = tool.run(given, place)
            score = ran.told if tool.ours else scored_folder(organism, given.edited)
        finally:
            shutil.rmtree(folder / "home", ignore_errors=True)
    kept = {key: score[key] for key in ("refusal", "kl", "controls") if key in score}
    told = {key: ran.told[key] for key in ("within limits", "edit") if key in ran.told}
    costs = {"search": ran.search, "picked": ran.picked, "whole": ran.whole}
    spent = {key: cost.as_json() for key, cost in costs.items() if cost is not None}
    return {"load": load, "candidates": ran.candidates, **spent, **kept, **told}


def place_of(tool: Tool, name: str, folder: Path, checkout: Path | None) -> Place:
    """Where a tool runs.

    Raises:
        ConfigError: its source is not named.
    """
    if tool.ours:
        python = Path(sys.executable)
        paths = {"PYTHONPATH": os.pathsep.join([str(TESTS.parent / "workflow"), str(TESTS)])}
        return Place(python, {**surroundings(folder, python), **paths})
    if tool.needs_checkout and checkout is None:
        raise ConfigError(
            found="no checkout", expected="the folder of its source", where=tool.name, remedy=f"--{name.replace('_', '-')} FOLDER"
        )
    python = environment(folder, name, tool.requirements)
    paths = {"PYTHONPATH": str(checkout.resolve())} if tool.needs_checkout and checkout is not None else {}
    return Place(python, {**surroundings(folder, python), **paths})


def scored_folder(organism: Organism, edited: Path) -> dict[str, Any]:
    """The score of edited weights, opened beside the unedited ones.

    Raises:
        PeerFailed: the tool left none.
    """
    import torch
    from speed.peers.scoring import ruler_of, scored

    from anatomy.models.loading import load_model

    if not list(edited.glob("*.safetensors")):
        raise PeerFailed(found="no weights", expected="safetensors", where=str(edited))
    torch.set_num_threads(1)
    ruler = ruler_of(organism, load_model(organism.model, torch.float32, "cpu"))
    return dict(scored(load_model(edited, torch.float32, "cpu"), ruler))
