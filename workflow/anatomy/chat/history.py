"""What was asked and answered, a line of JSON for each message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from anatomy.chat.screen import Answer
from anatomy.chat.settings import Settings
from anatomy.errors import ConfigError
from anatomy.store.json_objects import JsonObject
from anatomy.texts.judges.refusal_rules import judge_refusal


def require_writable(path: Path) -> None:
    """Refuse (``ConfigError``) a history that could not be written once there are answers."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("a", encoding="utf-8").close()
    except OSError as error:
        raise ConfigError(
            found=f"{path}, which cannot be written: {error.strerror}",
            expected="a file, or the name of one that can be made",
            where="--history",
        ) from None


def write_turn(path: Path, prompt: str, settings: Settings, answers: Mapping[str, Answer], about: JsonObject) -> None:
    """Append one message with its answers, their verdicts by rules and the projections of their tokens.

    Args:
        answers: by side, ``original`` and ``edited``.
        about: model, digest and edits.
    """
    line = {**about, "prompt": prompt, **asdict(settings)}
    for side, answer in answers.items():
        line[side] = {
            "response": answer.text,
            "refusal": judge_refusal(answer.text).label,
            "end": answer.end or "stopped by hand",
            "projections": [piece.projection for piece in answer.pieces],
        }
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as stream:
        stream.write(json.dumps(line, ensure_ascii=False) + "\n")
