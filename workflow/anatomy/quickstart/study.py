"""The configuration of a study of one model with a user's own pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from pydantic import TypeAdapter, ValidationError

from anatomy.config.section import Identifier
from anatomy.errors import ConfigError
from anatomy.recipes.registry import known
from anatomy.store.files import write_text

HEAD = """\
# A study of one model with prompt pairs of one's own, written by `python -m anatomy.quickstart`. Only what differs from
# config/config.yaml stands here; every option is documented there.
"""


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


def compose(name: str, model: dict[str, Any], sets: dict[str, Path], benchmarks: str | None) -> dict[str, Any]:
    """Options of the study.

    Args:
        name: of the study: results go to ``results/<name>``.
        model: entry of ``models``.
        sets: files of the harmful and the harmless prompts.
        benchmarks: folder with local copies of benchmarks; None leaves benchmarks out.
    """
    return {
        "results": f"results/{name}",
        "organism": {"members": []},
        "models": {name: model},
        "prompt_sets": {
            "harmful_requests": {"file": str(sets["harmful"]), "label": "harmful"},
            "benign_requests": {"file": str(sets["harmless"]), "label": "benign"},
        },
        "extraction": {"contrasts": {model["kind"]: ["plain"]}},
        "selection": {"headline": [name]},
        **{paper.name: paper.study(name) for paper in known().values() if paper.study(name)},
        "evaluation": {"lookalikes": [], "jailbreaks": []},
        "judges": ["rules", "coherence"],
        "benchmarks": {"data": benchmarks, "edited_kinds": [model["kind"]]} if benchmarks else {"tasks": []},
    }


def write_study(options: dict[str, Any], path: Path) -> None:
    """Write the configuration file."""
    write_text(path, HEAD + yaml.safe_dump(options, sort_keys=False, allow_unicode=True))
