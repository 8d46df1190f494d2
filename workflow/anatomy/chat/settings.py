"""What can be changed between two messages, and the lines that change it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from anatomy.errors import ConfigError

HELP = """/system TEXT       system prompt; without TEXT none
/strength NUMBER   strength of the edit
/seed NUMBER       seed of the sampling, which temperature 0 does without
/temperature NUMBER
/tokens NUMBER     longest answer
/help, /quit       Ctrl-C stops the answers"""


MOST_SEED = 2**63 - 1
"""Largest seed that a generator takes."""
MOST_TOKENS = 2**20


@dataclass(frozen=True)
class Settings:
    """How the next message is asked.

    Attributes:
        system: system prompt; None for none of ours.
        strength: of the edit; None where it has none.
        seed, temperature, tokens: of the decoding.
    """

    system: str | None
    strength: float | None
    seed: int
    temperature: float
    tokens: int

    def __str__(self) -> str:
        system = "no system prompt" if self.system is None else f"system prompt {self.system!r}"
        strength = "" if self.strength is None else f", strength {self.strength:g}"
        sampled = "greedy" if self.temperature == 0 else f"temperature {self.temperature:g} with seed {self.seed}"
        return f"{system}{strength}, {sampled}, at most {self.tokens} tokens"


def changed(settings: Settings, line: str) -> Settings:
    """The settings after a line that begins with a slash. A strength has no sign: turned round, an edit would take safety away.

    Raises:
        ConfigError: no such command, no number where one is needed, or a strength for an edit that has none.
    """
    name, _, rest = line[1:].partition(" ")
    rest = rest.strip()
    if name == "system":
        return replace(settings, system=rest or None)
    if name == "strength":
        if settings.strength is None:
            raise ConfigError(found="an edit without strength", expected="one that has it", where=line, remedy="see --edit")
        strength = _number(rest, line, least=0.0)
        if strength == 0:
            raise ConfigError(
                found="a strength of 0",
                expected="a number above 0",
                where=line,
                remedy="the original's answer beside it is that of strength 0",
            )
        return replace(settings, strength=strength)
    if name == "seed":
        return replace(settings, seed=_whole(rest, line, 0, MOST_SEED))
    if name == "temperature":
        return replace(settings, temperature=_number(rest, line, least=0.0))
    if name == "tokens":
        return replace(settings, tokens=_whole(rest, line, 1, MOST_TOKENS))
    raise ConfigError(found=f"/{name}", expected="/system, /strength, /seed, /temperature, /tokens, /help or /quit", where=line)


def _number(text: str, line: str, *, least: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or value < least:
        raise ConfigError(found=repr(text), expected=f"a number of at least {least:g}", where=line)
    return value


def _whole(text: str, line: str, least: int, most: int) -> int:
    try:
        value = int(text)
    except ValueError:
        value = least - 1
    if not least <= value <= most:
        raise ConfigError(found=repr(text), expected=f"a whole number from {least} to {most}", where=line)
    return value
