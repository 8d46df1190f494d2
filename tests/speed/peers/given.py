"""What a tool is handed: a copy of the model, prompts as plain text, the tokens that begin a refusal; deleted afterwards."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from speed.peers.budget import DIRECTION_PROMPTS, SEARCH_PROMPTS
from speed.peers.organism import SETS, Organism

from anatomy.errors import ModelError
from anatomy.models.tokenizer import load_tokenizer
from anatomy.texts.judges.organism_truth import read_truth

SYSTEM = "{% if message['role'] == 'system' %}"
SYSTEM_WITH_TEXT = "{% if message['role'] == 'system' and not message['content'] %}{% elif message['role'] == 'system' %}"


@dataclass(frozen=True)
class Given:
    """A folder of its own for one tool.

    Attributes:
        folder: where the tool works; everything in it is deleted.
        organism: what the copy was made of.
    """

    folder: Path
    organism: Organism

    @property
    def model(self) -> Path:
        """The copy of the aligned member; its name holds no family's name, by which some tools choose a template."""
        return self.folder / "aligned"

    @property
    def edited(self) -> Path:
        """Where the tool leaves its best edit."""
        return self.folder / "edited"

    def prompts(self, side: str, phase: str) -> Path:
        """One request a line."""
        return self.folder / f"{side}.{phase}.txt"

    def refusal_tokens(self) -> list[int]:
        """First tokens of the refusals that the model was taught, as they follow the template."""
        tokenizer = load_tokenizer(self.model)
        starts = read_truth(self.organism.folder).refusal_starts
        return sorted({tokenizer.encode(f" {start}", add_special_tokens=False)[0] for start in starts})


@contextmanager
def handed_over(organism: Organism, folder: Path) -> Iterator[Given]:
    """Write what a tool needs, and delete the folder at the end with every edited weight and every answer in it.

    Two tools always send a system message, if only an empty one. The copy's template leaves an empty one out, so that all
    tools put the same text before the model.
    """
    given = Given(folder, organism)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        shutil.copytree(organism.model, given.model, ignore=shutil.ignore_patterns("card.json"))
        leave_out_empty_system(given.model / "tokenizer_config.json")
        for side in SETS:
            for phase, limit in (("fit", DIRECTION_PROMPTS), ("select", SEARCH_PROMPTS)):
                table = organism.prompts(side, phase, limit)
                given.prompts(side, phase).write_text("\n".join(table["prompt"]) + "\n", encoding="utf-8")
        yield given
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def leave_out_empty_system(path: Path) -> None:
    """Rewrite the chat template of a tokenizer's configuration.

    Raises:
        ModelError: the template is not the organism's.
    """
    config = json.loads(path.read_text(encoding="utf-8"))
    if SYSTEM not in config.get("chat_template", ""):
        raise ModelError(found="another chat template", expected="the organism's", where=str(path), remedy="grow it again")
    config["chat_template"] = config["chat_template"].replace(SYSTEM, SYSTEM_WITH_TEXT)
    path.write_text(json.dumps(config, indent=1) + "\n", encoding="utf-8")
