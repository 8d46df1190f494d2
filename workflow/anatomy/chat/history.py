"""What was asked and answered, a line of JSON for each message."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from anatomy.chat.screen import Answer
from anatomy.chat.settings import Settings
from anatomy.store.json_objects import JsonObject
from anatomy.texts.judges.refusal_rules import judge_refusal


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
