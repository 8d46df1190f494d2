"""Give a run's numbers, directions and exports to other tools, or look at directions that another tool made.

python3 envs/bootstrap.py python -m anatomy.formats lm-eval weak.s0 --to ../lm-eval
python3 envs/bootstrap.py python -m anatomy.formats vector weak.s0 --to ../refusal.gguf
python3 envs/bootstrap.py python -m anatomy.formats compare ../theirs.gguf weak.s0
python3 envs/bootstrap.py python -m anatomy.formats task-vector ../exports/weak.s0 --original models/weak --to ../vector
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from anatomy.errors import AnatomyError, DataError
from anatomy.formats.beside import beside
from anatomy.formats.lm_eval_results import write_results
from anatomy.formats.task_vector import write_task_vector
from anatomy.interventions.directions.vector_files import Vectors, made_for, write_vectors
from anatomy.models.card import ModelCard, checked_card
from anatomy.models.config_file import read_config, text_config
from anatomy.progress.terminal import let_output_go
from anatomy.runs.provenance.names import configured_results, run_folder
from anatomy.stages.foreign_directions import fitting_vectors
from anatomy.stages.model_directions import ModelDirections
from anatomy.store.files import read_json
from anatomy.store.writable import require_folder


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    options = parser().parse_args(arguments)
    try:
        options.run(options)
    except AnatomyError as error:
        print(f"formats: {error}", file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    """The command's words and options."""
    whole = argparse.ArgumentParser(
        prog="python -m anatomy.formats", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = whole.add_subparsers(required=True, metavar="COMMAND")
    numbers = commands.add_parser("lm-eval", help="benchmarks of each variant as lm-eval's results and samples")
    vector = commands.add_parser("vector", help="a model's direction at every layer: .gguf (repeng, llama.cpp) or .safetensors")
    compare = commands.add_parser("compare", help="how directions of another tool lie to a model's own")
    task_vector = commands.add_parser("task-vector", help="what an export changed, under the names of the checkpoint")
    compare.add_argument("file", type=Path, help=".gguf of repeng or llama.cpp, or .safetensors with one tensor [layer, d_model]")
    for command in (numbers, vector, compare):
        command.add_argument("model", help="a model of the run, such as weak.s0")
        command.add_argument("--results", type=Path, default=Path("results"), help="folder of the run (default: %(default)s)")
    for command in (vector, compare):
        command.add_argument("--contrast", default="plain", help="what the direction was extracted under (default: %(default)s)")
        command.add_argument("--position", type=int, default=-1, help="from the end of the prompt (default: %(default)s)")
    numbers.add_argument("--phase", default="test", choices=("select", "test"), help="default: %(default)s")
    numbers.add_argument("--to", type=Path, required=True, help="folder that takes a folder for each variant")
    vector.add_argument("--to", type=Path, required=True, help="the file")
    task_vector.add_argument("exported", type=Path, help="a folder that an export has written")
    task_vector.add_argument("--original", type=Path, required=True, help="folder of the model that was edited")
    task_vector.add_argument("--to", type=Path, required=True, help="folder of the differences")
    numbers.set_defaults(run=_lm_eval)
    vector.set_defaults(run=_vector)
    compare.set_defaults(run=_compare)
    task_vector.set_defaults(run=_task_vector)
    return whole


def own_vectors(results: Path, model: str, contrast: str, position: int) -> Vectors:
    """A model's difference in means at one position, by layer; a layer where the two sides do not differ is left out."""
    found = ModelDirections(results / "extract" / model).directions(contrast, None)
    if position not in found.positions:
        raise DataError(
            found=f"position {position}",
            expected=f"one of {list(found.positions)}",
            where=str(results / "extract" / model / contrast),
            remedy="say one with --position",
        )
    vectors = {layer: found.vector(position, layer) for layer in found.layers}
    return {layer: vector for layer, vector in vectors.items() if vector.any()}


def _lm_eval(options: argparse.Namespace) -> None:
    require_folder(options.to, "--to")
    write_results(options.results, options.model, options.to, print, options.phase)


def _task_vector(options: argparse.Namespace) -> None:
    require_folder(options.to, "--to")
    write_task_vector(options.exported, options.original, options.to, print)


def _vector(options: argparse.Namespace) -> None:
    vectors = own_vectors(options.results, options.model, options.contrast, options.position)
    hint = str(text_config(read_config(Path(_card(options)["folder"]))).get("model_type", ""))
    facts = {
        "model": options.model,
        "contrast": options.contrast,
        "position": str(options.position),
        "scale": "difference in means",
    }
    layers = write_vectors(vectors, options.to, hint, facts)
    print(f"{options.to}: layers {', '.join(map(str, layers))} (layer l is the input of block l)")


def _compare(options: argparse.Namespace) -> None:
    own = own_vectors(options.results, options.model, options.contrast, options.position)
    card = _card(options)
    theirs = fitting_vectors(options.file.name, options.file, card, sorted(own))
    said, known = made_for(options.file), _model_types(card["folder"])
    if said and known and said not in known:
        print(f"{options.file} says that it was made for a model of type {said!r}; {options.model} is of type {known[0]!r}")
    print(beside(theirs, own, str(options.file)).to_string(index=False, float_format="{:.3f}".format))


def _card(options: argparse.Namespace) -> ModelCard:
    """The model's card, its folder as seen from here; a card names it as seen from the folder of the run."""
    path = options.results / "models" / f"{options.model}.json"
    card = checked_card(read_json(path), str(path))
    run = options.results.parent if configured_results(options.results) is None else run_folder(options.results)
    return {**card, "folder": str(run / card["folder"])}


def _model_types(folder: str) -> list[str]:
    """What the configuration of a model calls its type, its language model's first; empty where the folder is not here."""
    if not Path(folder).is_dir():
        return []
    config = read_config(Path(folder))
    return [str(one["model_type"]) for one in (text_config(config), config) if "model_type" in one]


if __name__ == "__main__":
    let_output_go()
    raise SystemExit(main())
