"""Lines by which a program of ours says how far it is; the standard library alone, since it is imported in any environment."""

import json
from typing import Any

SEARCH, PICKED, RESULT = "peers: the search begins", "peers: an edit is picked", "peers: result "


def say(text: str) -> None:
    print(text, flush=True)


def say_result(result: dict[str, Any]) -> None:
    """The last line: what the program found, as JSON."""
    say(RESULT + json.dumps(result))


def result_in(lines: list[str]) -> dict[str, Any]:
    """What ``say_result`` printed.

    Raises:
        ValueError: nothing.
    """
    for line in reversed(lines):
        if line.startswith(RESULT):
            return json.loads(line.removeprefix(RESULT))
    raise ValueError("no result")
