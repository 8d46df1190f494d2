"""Say what was done to a checkpoint, and what that does.

python3 envs/bootstrap.py python -m anatomy.audit --original models/a --edited models/b --pairs pairs.csv
"""

from __future__ import annotations

import argparse
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from anatomy.audit.direction_files import named_file, read_references
from anatomy.audit.measured import Measured
from anatomy.audit.page import write_page
from anatomy.audit.verdict import Verdict, verdicts
from anatomy.audit.weights import audit_weights
from anatomy.errors import AnatomyError, ConfigError
from anatomy.models.checkpoint import Checkpoint
from anatomy.progress.terminal import let_output_go
from anatomy.quickstart.pair_options import add_pair_options
from anatomy.store.writable import require_folder

TEST_PROMPTS, ANSWER, FORCED, CONTROLS, ITEMS = 48, 32, 8, 4, 96


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="python -m anatomy.audit", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--original", required=True, type=Path, help="folder of the checkpoint that the other was made from")
    parser.add_argument("--edited", required=True, type=Path, help="folder of the checkpoint that is audited")
    parser.add_argument(
        "--pairs",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="prompts, as quickstart takes them (columns harmful, harmless; or prompt, label; or two .txt files): the original's "
        "refusal direction is taken from some, and both models are asked others. Without them only weights are compared",
    )
    add_pair_options(parser)
    parser.add_argument(
        "--direction",
        action="append",
        type=named_file,
        default=[],
        metavar="[NAME=]FILE",
        help="directions of the original, .safetensors or a control vector (.gguf): a file alone takes the place of its refusal "
        "direction from --pairs, one with a name (style=style.safetensors) stands beside it; may be given several times",
    )
    parser.add_argument(
        "--to", type=Path, help="folder that takes audit.html and its tables (default: audit-<name of the edited>)"
    )
    parser.add_argument("--kind", choices=("aligned", "base"), default="aligned", help="base: no chat template is used")
    parser.add_argument("--date", help="ISO day shown to chat templates that print today's date")
    parser.add_argument(
        "--dtype",
        choices=("auto", "bfloat16", "float16", "float32"),
        default="auto",
        help="number format in which models are asked; auto: what this machine multiplies fast. Weights are compared as stored",
    )
    parser.add_argument("--prompts", type=_positive, default=TEST_PROMPTS, help="most test prompts a side (default: %(default)s)")
    parser.add_argument("--tokens", type=_positive, default=ANSWER, help="longest answer, in tokens (default: %(default)s)")
    parser.add_argument(
        "--kl-tokens",
        type=_positive,
        default=FORCED,
        help="tokens of the original's own greedy answers to harmless prompts over which predictions are compared, at most as "
        "many as an answer has (default: %(default)s); the first token's divergence stands beside it",
    )
    parser.add_argument(
        "--benchmarks",
        type=Path,
        help="folder with local data: lm-eval task files of your own, or copies of published benchmarks as benchmarks.data of a "
        "configuration has them. With --pairs every state of the model is asked these too",
    )
    parser.add_argument("--tasks", nargs="+", help="benchmarks of that folder (default: all whose data are there)")
    parser.add_argument("--items", type=_positive, default=ITEMS, help="most items of a benchmark (default: %(default)s)")
    parser.add_argument(
        "--shots", type=_not_negative, default=0, help="solved examples before each question (default: %(default)s)"
    )
    parser.add_argument(
        "--controls",
        type=_not_negative,
        default=CONTROLS,
        help="changes of equal norm and rank that stand beside the audited one (default: %(default)s); with n of them no rank p "
        "is below 2 / (n + 1), and each costs as much time as the model",
    )
    options = parser.parse_args(arguments)
    try:
        found, page = run(options)
    except AnatomyError as error:
        print(f"audit: {error}", file=sys.stderr)
        return 1
    _show(found)
    print(f"\nwrote {page}")
    return 0


def run(options: argparse.Namespace) -> tuple[list[Verdict], Path]:
    """Audit, write the page and its tables; returns the lines of the verdict and the page.

    Raises:
        AnatomyError: checkpoints that cannot be compared, malformed pairs or directions, a folder that is in use.
    """
    folder = options.to or Path(f"audit-{options.edited.resolve().name}")
    if folder.exists() and (not folder.is_dir() or (any(folder.iterdir()) and not (folder / "audit.html").is_file())):
        raise ConfigError(
            found="files that are no audit",
            expected="an empty folder, or that of an earlier audit",
            where=str(folder),
            remedy="choose another folder with --to",
        )
    if options.benchmarks and not options.pairs:
        raise ConfigError(
            found="--benchmarks without --pairs",
            expected="both",
            where="the command line",
            remedy="give pairs of prompts too: without them only weights are compared, and no model is opened",
        )
    if options.columns and not options.pairs:
        raise ConfigError(found="--columns without --pairs", expected="the file that they are of", where="the command line")
    if options.tasks and not options.benchmarks:
        raise ConfigError(found="--tasks without --benchmarks", expected="the folder of their data", where="the command line")
    original, edited = _opened(options.original, "--original"), _opened(options.edited, "--edited")
    require_folder(folder, "--to")
    references = read_references(options.direction, original.d_model)
    measured: list[Measured] = []
    notes: tuple[str, ...] = ()
    if options.pairs:
        from anatomy.audit.asking import asked_audit  # here, because opening a model takes seconds

        audit, measured, notes = asked_audit(original, edited, references, options, _progress)
    else:
        audit = audit_weights(original, edited, references)
    found = verdicts(audit, measured)
    folder.mkdir(parents=True, exist_ok=True)
    facts: dict[str, dict[str, object]] = {
        "audit": {
            "original": str(options.original),
            "edited": str(options.edited),
            "pairs": ", ".join(map(str, options.pairs or ["none"])),
            "directions": {one.name: one.source for one in audit.standings} or "none",
            "benchmarks": str(options.benchmarks or "none"),
            "controls": options.controls if measured else 0,
            "number format of answers": options.dtype if measured else "no answers",
            "notes on the pairs": list(notes),
        }
    }
    names = options.original.resolve().name, options.edited.resolve().name
    return found, write_page(audit, found, measured, names, facts, folder)


def _opened(folder: Path, option: str) -> Checkpoint:
    if folder.is_file() and folder.suffix.lower() == ".gguf":
        raise ConfigError(
            found=f"a GGUF file, {folder}",
            expected="a folder with config.json and safetensors",
            where=option,
            remedy="a study whose model it is (quickstart --model) converts it into results/converted/: give that "
            "folder, for an edit is told beneath the errors of quantisation too",
        )
    return Checkpoint(folder)


def _show(found: Sequence[Verdict]) -> None:
    """Print the verdict: what was asked on the left, the answer with its evidence below it on the right."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE, show_header=False, pad_edge=False, show_lines=True)
    table.add_column("asked", style="bold", ratio=1)
    table.add_column("answer", ratio=3)
    for one in found:
        below = f"\n{one.evidence}" if one.evidence else ""
        table.add_row(Text(one.question), Text.assemble((one.answer, "bold cyan"), (below, "dim")))
    Console(file=sys.stdout).print(table)


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return value


def _not_negative(text: str) -> int:
    value = int(text)
    if value < 0:
        raise argparse.ArgumentTypeError(f"{text} is below 0")
    return value


if __name__ == "__main__":
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    let_output_go()
    raise SystemExit(main())
