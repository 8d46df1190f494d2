"""The card of a model judge: where its weights lie and what they contain."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypedDict

from anatomy.config.subjects import Dtype
from anatomy.errors import ConfigError, ModelError
from anatomy.models.card import ModelSource
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.machine.formats import Format, resolved, warn_if_slow
from anatomy.models.preflight.number_format import refused_formats, require_format
from anatomy.stages.card import find
from anatomy.store.files import write_json
from anatomy.store.json_objects import checked_fields

PINS: tuple[str, ...] = ()
NOT_PINNED = {
    "torch": "names, shapes and configurations are read; nothing is computed",
    "transformers": "names, shapes and configurations are read; nothing is computed",
}


class JudgeEntry(ModelSource):
    """A judge's entry in the configuration (``config.judging.ModelJudge``), as far as its card is made from it."""

    kind: str
    dtype: Dtype
    max_model_len: int


class JudgeCard(TypedDict):
    """Where a judge lies and what it contains: as in ``models.card.ModelCard``; ``kind`` is how it is asked."""

    id: str
    kind: str
    folder: str
    digest: str
    dtype: Format
    source: JudgeEntry


def write_judge_card(
    identifier: str, judge: JudgeEntry, out: Path, mirror: str | None = None, say: Callable[[str], None] = print
) -> None:
    """Describe one judge.

    Args:
        judge: its entry in the configuration.
        out: the card's path.
        mirror: folder that stands in for the hub.
        say: told where the format asked for is slow on this machine.

    Raises:
        ModelError: the folder cannot be used.
        ConfigError: the judge was never trained on prompts as long as asked for, or cannot be computed in the format asked for.
    """
    checkpoint = Checkpoint(find(judge, mirror))
    longest = checkpoint.text_config.get("max_position_embeddings")
    stretched = checkpoint.text_config.get("rope_scaling")
    if longest is not None and not stretched and judge["max_model_len"] > longest:
        raise ConfigError(
            found=f"max_model_len {judge['max_model_len']}",
            expected=f"at most {longest}, the model's context",
            where=f"model_judges.{identifier}",
            remedy=f"set max_model_len to {longest} or less",
        )
    dtype = resolved(judge["dtype"], refused_formats(checkpoint.config))
    require_format(dtype, checkpoint.config, f"model_judges.{identifier}.dtype")
    warn_if_slow(dtype, f"model_judges.{identifier}.dtype", say)
    card: JudgeCard = {
        "id": identifier,
        "kind": judge["kind"],
        "folder": str(checkpoint.folder),
        "digest": checkpoint.digest(),
        "dtype": dtype,
        "source": judge,
    }
    write_json(out, card)


def checked_judge_card(values: object, where: str) -> JudgeCard:
    """A card as read from a file.

    Raises:
        ModelError: a field is missing or unknown; ``where`` names the file.
    """
    return checked_fields(JudgeCard, values, "a judge's card", where, ModelError)
