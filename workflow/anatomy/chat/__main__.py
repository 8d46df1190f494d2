"""Ask a model and its edited version the same, and see both answer.

python3 envs/bootstrap.py python -m anatomy.chat --configfile config/mine.yaml --edit projection
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.live import Live

from anatomy.chat.history import write_turn
from anatomy.chat.screen import beside, scale
from anatomy.chat.session import Session
from anatomy.chat.settings import HELP, Settings, changed
from anatomy.errors import AnatomyError, ConfigError
from anatomy.notebook.run_edits import but_controls
from anatomy.notebook.study import open_study
from anatomy.notebook.study_model import StudyModel
from anatomy.progress.terminal import let_output_go
from anatomy.recipes.configuration import load_config
from anatomy.recipes.documentation import FOLDER
from anatomy.store.writable import require_file

REDRAWN = 12
"""Times a second that answers are drawn anew."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m anatomy.chat", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--configfile", required=True, nargs="+", type=Path, help="of a finished run, as snakemake was given it")
    parser.add_argument(
        "--edit",
        required=True,
        action="append",
        help="family of the edit, such as projection, as the run's search picked it: one",
    )
    parser.add_argument("--model", help="id of the model, such as mine or weak.s0; needed where several have that edit")
    parser.add_argument("--system", help="system prompt (default: the run's)")
    parser.add_argument("--history", type=Path, help="file that takes each message with its answers as a line of JSON")
    options = parser.parse_args(arguments)
    if len(options.edit) > 1:
        parser.error(f"--edit {' --edit '.join(options.edit)}: one edit at a time; a notebook asks a model under a stack of them")
    (options.edit,) = options.edit
    let_output_go()
    console = Console()
    try:
        if options.history is not None:
            require_file(options.history, "--history")
        with Session(_chosen(options), options.edit) as session:
            settings = session.settings
            if options.system is not None:
                settings = changed(settings, f"/system {options.system}")
            _talk(session, settings, console, options.history)
    except AnatomyError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _chosen(options: argparse.Namespace) -> StudyModel:
    """The model that is asked.

    Raises:
        ConfigError: none has such an edit, or several have and none is named.
    """
    study = open_study(load_config(FOLDER / "config.yaml", *options.configfile).results)
    if options.model is not None:
        return study.model(options.model)
    able = [model for name in study.models if options.edit in (model := study.model(name)).edits]
    if len(able) == 1:
        return able[0]
    every = sorted({family for name in study.models for family in but_controls(study.model(name).edits)})
    named = f"one: name it with --model ({', '.join(model.name for model in able)})"
    raise ConfigError(
        found=f"{len(able)} models with an edit {options.edit!r}",
        expected=named if able else f"one of {', '.join(every) or 'none, since no search ended with an edit'}",
        where="--edit",
    )


def _talk(session: Session, settings: Settings, console: Console, history: Path | None) -> None:
    with console.status(f"opening {session.model.name}"):
        session.open(settings)
    if session.place is not None:
        console.print(scale(session.place))
    console.print(f"{settings}. Every message is asked afresh, as in the run; /help lists what can be changed.", style="dim")
    about = {"model": session.model.name, "digest": session.model.card["digest"]}
    for line in _lines(console):
        if line in ("/quit", "/exit"):
            return
        if line == "/help":
            console.print(HELP, highlight=False)
            continue
        try:
            if line.startswith("/"):
                settings = changed(settings, line)
                console.print(str(settings), style="dim", highlight=False)
                continue
            answers = _shown(session, line, settings, console)
        except AnatomyError as error:
            console.print(str(error), style="red", markup=False, highlight=False)
            continue
        if history is not None and answers:
            edits = [dict(edit) for edit in session.edits(settings)]
            write_turn(history, line, settings, answers, {**about, "edits": edits})


def _shown(session: Session, prompt: str, settings: Settings, console: Console) -> dict:
    """Both answers, drawn as they come; what there is of them where they are stopped by hand."""
    answers: dict = {}
    with Live(console=console, refresh_per_second=REDRAWN, transient=False) as live:
        try:
            for answers in session.ask(prompt, settings):
                live.update(beside(list(answers.values()), session.place, console.width))
        except KeyboardInterrupt:
            console.print("stopped", style="dim")
    return answers


def _lines(console: Console) -> Iterator[str]:
    """Lines that are not empty, until the input ends."""
    while True:
        try:
            line = console.input("[bold]> [/bold]").strip()
        except (EOFError, KeyboardInterrupt):
            return
        if line:
            yield line


if __name__ == "__main__":
    sys.exit(main())
