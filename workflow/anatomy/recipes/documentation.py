"""The documented default file and the JSON schema, both generated from the typed model.

python -m anatomy.recipes.documentation      writes config/config.yaml and config/config.schema.json
"""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from anatomy.recipes.configuration import Config

FOLDER = Path(__file__).resolve().parents[3] / "config"
WIDTH = 118
HEAD = """\
# The default run, and the one place that documents every option. Generated from workflow/anatomy/config:
# change the model there, then run  python3 envs/bootstrap.py python -m anatomy.recipes.documentation
#
# Another run is a file with only what differs:  snakemake --configfile config/quick.yaml
# Unknown keys are errors. Paths in it are relative to the folder of the run: the checkout, or what --directory names.
# Paths on a command line, those of --config among them, are relative to where you stand.
"""


def default_file() -> str:
    """Text of config/config.yaml."""
    return HEAD + "\n".join(_section(Config(), 0)) + "\n"


def schema_file() -> str:
    """Text of the JSON schema, for editors."""
    return json.dumps(Config.model_json_schema(), indent=2) + "\n"


def _section(section: BaseModel, depth: int) -> list[str]:
    lines: list[str] = []
    indent = "  " * depth
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if depth == 0:
            lines.append("")
        lines += [f"{indent}# {line}" for line in textwrap.wrap(field.description or "", WIDTH - len(indent) - 2)]
        if isinstance(value, BaseModel):
            lines += [f"{indent}{name}:", *_section(value, depth + 1)]
        else:
            lines += _value(name, value, indent)
    return lines


def _value(name: str, value: Any, indent: str) -> list[str]:
    """One option; a mapping of lists is spread over lines, everything else fits on one."""
    if isinstance(value, dict) and value:
        return [f"{indent}{name}:", *(f"{indent}  {key}: {json.dumps(item)}" for key, item in value.items())]
    line = f"{indent}{name}: {json.dumps(value)}"
    if len(line) <= WIDTH or not isinstance(value, list):
        return [line]
    return [f"{indent}{name}:", *(f"{indent}  - {json.dumps(item)}" for item in value)]


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "config.yaml").write_text(default_file(), encoding="utf-8")
    (FOLDER / "config.schema.json").write_text(schema_file(), encoding="utf-8")


if __name__ == "__main__":
    main()
