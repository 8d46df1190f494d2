"""The configuration of a study of one model with a user's own pairs."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from anatomy.config.section import Identifier
from anatomy.errors import ConfigError
from anatomy.quickstart.effort import choose_effort
from anatomy.recipes.effort import LEFT_OUT, Choice, Effort, put
from anatomy.recipes.registry import known
from anatomy.store.files import write_text

HEAD = """\
# A study of one model with prompt pairs of one's own, written by `python -m anatomy.quickstart`. Only what differs from
# config/config.yaml stands here; every option is documented there.
"""
WIDTH = 118
"""Letters of a line, where a value can be broken."""


def check_name(name: str) -> str:
    """The name, which becomes part of paths.

    Raises:
        ConfigError: it is no identifier.
    """
    try:
        return TypeAdapter(Identifier).validate_python(name)
    except ValidationError:
        raise ConfigError(
            found=repr(name),
            expected="small letters, digits, dot, hyphen and underscore, a letter or digit first",
            where="--name",
            remedy="choose another name",
        ) from None


@dataclass(frozen=True)
class Study:
    """The configuration of a study: its options, and comments by option."""

    options: dict[str, Any]
    comments: dict[str, str]

    def with_choices(self, choices: tuple[Choice, ...]) -> Study:
        """The same with further options."""
        options = copy.deepcopy(self.options)
        return Study(options, {**self.comments, **put(options, choices)})


def compose(
    name: str,
    model: dict[str, Any],
    sets: dict[str, Path],
    benchmarks: str | None,
    effort: Effort,
    num_layers: int | None = None,
) -> Study:
    """A study of one model.

    Args:
        name: of the study: results go to ``results/<name>``.
        model: entry of ``models``.
        sets: files of the harmful and the harmless prompts.
        benchmarks: folder with local copies of benchmarks; None leaves benchmarks out.
        effort: how much it asks for.
        num_layers: blocks of the model; None where it is not here yet.
    """
    options: dict[str, Any] = {
        "results": f"results/{name}",
        "organism": {"members": []},
        "models": {name: model},
        "prompt_sets": {
            "harmful_requests": {"file": str(sets["harmful"]), "label": "harmful"},
            "benign_requests": {"file": str(sets["harmless"]), "label": "benign"},
        },
        "extraction": {"contrasts": {model["kind"]: ["plain"]}},
        "selection": {"headline": [name]},
        "evaluation": {"lookalikes": [], "jailbreaks": []},
        **{paper.name: paper.study(name) for paper in known().values() if paper.study(name)},
        "judges": ["rules", "coherence"],
        "serving": {"threads": "auto"},
        "benchmarks": {"data": benchmarks, "edited_kinds": [model["kind"]]} if benchmarks else {"tasks": []},
    }
    return Study(options, choose_effort(options, effort, num_layers, benchmarks is not None))


def write_study(study: Study, path: Path, effort: Effort) -> None:
    """Write the configuration file, with the reason for each option that the size of the study set."""
    lines = [HEAD + f"# Its size is `--effort {effort}`: {LEFT_OUT[effort]}.\n", *_written(study.options, study.comments, ())]
    write_text(path, "".join(lines))


def _written(options: dict[str, Any], comments: dict[str, str], above: tuple[str, ...]) -> Iterator[str]:
    """YAML, section by section; whole values on one line where nothing inside them has a comment."""
    indent = "  " * len(above)
    for name, value in options.items():
        place = (*above, name)
        option = ".".join(place)
        if option in comments:
            yield f"{indent}# {comments[option]}\n"
        if isinstance(value, dict) and value and option not in comments:
            yield f"{indent}{yaml.safe_dump(name, allow_unicode=True).splitlines()[0]}:\n"
            yield from _written(value, comments, place)
        else:
            style = None if isinstance(value, (dict, list)) else False
            text = yaml.safe_dump({name: value}, sort_keys=False, allow_unicode=True, default_flow_style=style, width=WIDTH)
            yield "".join(f"{indent}{line}\n" for line in text.splitlines())
