"""Write a study of one model with prompt pairs of one's own, check it, and say what it will cost.

python3 envs/bootstrap.py python -m anatomy.quickstart --name mine --model models/mine --pairs pairs.csv
"""

from __future__ import annotations

import argparse
import contextlib
import shlex
import sys
from pathlib import Path

from anatomy.config.places import placed
from anatomy.errors import AnatomyError
from anatomy.models.machine.gpu_locks import visible_gpus
from anatomy.models.machine.memory import this_machine
from anatomy.progress.terminal import let_output_go
from anatomy.quickstart.check import check_study, prompt_tables
from anatomy.quickstart.model import folder_of, model_entry
from anatomy.quickstart.pair_options import add_pair_options
from anatomy.quickstart.pairs import read_pairs, write_sets
from anatomy.quickstart.place import mark_folder, study_file
from anatomy.quickstart.serving import blocks_of, with_room
from anatomy.quickstart.study import compose, write_study
from anatomy.quickstart.weak_models import OURS, system_prompt_choices
from anatomy.recipes.effort import EFFORTS

CHECKOUT = Path(__file__).resolve().parents[3]


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m anatomy.quickstart", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--name", required=True, help="of the study and its model: small letters, digits, - and .")
    parser.add_argument("--model", required=True, help="a folder with safetensors, a GGUF file, or a hub id such as org/name")
    parser.add_argument("--revision", help="commit of the hub repository (40 digits); needed for a hub id")
    parser.add_argument(
        "--pairs",
        required=True,
        nargs="+",
        type=Path,
        metavar="FILE",
        help="CSV, TSV, JSON, JSONL, Parquet or a workbook: columns harmful, harmless; or prompt, label. Or two .txt files with "
        "a prompt a line, the harmful ones first",
    )
    add_pair_options(parser)
    parser.add_argument("--kind", choices=("aligned", "base"), default="aligned", help="base: no chat template is used")
    parser.add_argument(
        "--dtype",
        choices=("auto", "bfloat16", "float16", "float32"),
        default="auto",
        help="number format; auto: what this machine multiplies fast",
    )
    parser.add_argument("--date", help="ISO day shown to chat templates that print today's date")
    parser.add_argument("--benchmarks", type=Path, help="folder with local copies of lm-eval's benchmarks")
    parser.add_argument(
        "--directory",
        type=Path,
        default=CHECKOUT,
        help="folder of the run, which takes configuration, prompt sets and results (default: the checkout)",
    )
    parser.add_argument(
        "--effort",
        choices=EFFORTS,
        default="look",
        help="look: minutes, and says what it cannot decide; standard: with ranks among control directions; paper: the papers' "
        "numbers. The hours of each are printed before anything runs",
    )
    parser.add_argument(
        "--system-prompt",
        nargs="?",
        const=OURS,
        metavar="FILE",
        help="for a model that does not refuse: extract directions under a safety system prompt, as ROSI does for uncensored "
        "models, and evaluate without it. FILE holds your own text; without one, ours",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace a study of this name that this command wrote")
    options = parser.parse_args(arguments)
    try:
        return write(options)
    except AnatomyError as error:
        print(f"quickstart: {error}", file=sys.stderr)
        return 1


def write(options: argparse.Namespace) -> int:
    """Write the study's prompt sets and configuration, check them, print the plan.

    What is written lies in the folder of the run, and so do paths in the configuration; those of the command line are read
    from where its caller stands.
    """
    here, run = Path.cwd(), options.directory.resolve()
    path = study_file(options.name, run, CHECKOUT, overwrite=options.overwrite)
    pairs, model = read_pairs(options.pairs, options.near_duplicate, options.columns), model_entry(options, here, run)
    spoken = system_prompt_choices(options.system_prompt, here)
    if spoken:
        model |= {"kind": "uncensored"}
    benchmarks = placed(str(options.benchmarks), here, run) if options.benchmarks else None
    mark_folder(options.name, run)
    with contextlib.chdir(run):
        sets = write_sets(pairs, Path("data") / options.name)
        folder = folder_of(options.name, model)
        studies = {
            one: compose(options.name, model, sets, benchmarks, one, blocks_of(folder)).with_choices(spoken) for one in EFFORTS
        }
        for study in studies.values():
            for prompt_set in study.options["prompt_sets"].values():
                prompt_set |= pairs.options
        for note in pairs.notes:
            print(f"pairs: {note}")
        prompts = prompt_tables(studies[options.effort].options, str(path))
        texts = {name: list(table["prompt"]) for name, table in prompts.items()}
        machine = this_machine(len(visible_gpus()))
        for one, study in studies.items():
            asked = [here / file for file in options.pairs] if one == options.effort else []
            studies[one] = with_room(study, str(path), folder, texts, machine, asked)
        for line in check_study(studies, options.effort, folder, prompts, str(path)):
            print(line)
        write_study(studies[options.effort], path, options.effort)
        results = studies[options.effort].options["results"]
    report = placed(str(run / results / "report.html"), run, here)
    print(
        f"\nwrote {path}, {' and '.join(map(str, sets.values()))}{'' if here == run else f' in {run}'}\n\nrun it:\n"
        f"  {run_command(here, run, path)}\nthe report will be {report}"
    )
    return 0


def run_command(here: Path, run: Path, config: Path) -> str:
    """The call that runs the study, to be given from the same folder."""
    words = ["python3", placed(str(CHECKOUT / "envs" / "bootstrap.py"), CHECKOUT, here), "snakemake"]
    words += [] if run == CHECKOUT else ["--directory", placed(str(run), run, here)]
    return shlex.join([*words, "--configfile", placed(str(run / config), run, here)])


if __name__ == "__main__":
    let_output_go()
    raise SystemExit(main())
