"""Strategies: how one human prefix becomes the prompt of a base model and of an aligned model.

PASTA (arXiv 2605.30526, released code) defines nine and reports A; the ideas are its own, the wordings here are ours:

====  ====================  =================================================================================
A     naturalistic          base: one line of framing and the prefix; aligned: a request, with the prefix's opening
B1    matched completion    both read A's base prompt as plain text
B2    matched instruction   both read the request and the prefix as plain text
B3    minimal seed          both read the bare prefix
C1    one exemplar, short   as A without framing, after a whole human document of the domain
C2    one exemplar, full    as A, after a whole human document of the domain
D     persona               base: a line on who wrote it; aligned: a system prompt that says who writes
E     detailed              as A with a list of requirements
F     continuation          both read the prefix and the beginning of the human continuation as plain text
====  ====================  =================================================================================
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import pandas as pd

from anatomy.errors import ConfigError
from anatomy.models.rendering import Rendering
from anatomy.sources.prompts.split import hash_fraction

Side = Literal["base", "aligned"]
STRATEGIES = ("A", "B1", "B2", "B3", "C1", "C2", "D", "E", "F")
MATCHED = ("B1", "B2", "B3", "F")
"""Both models read the same plain text."""
OPENING_TOKENS = 50
CONTINUATION_WORDS = 60
"""Words of the human continuation that strategy F shows; ours (the released code shows about 150 words with the prefix)."""


@dataclass(frozen=True)
class DomainWording:
    """What prompts of one domain say.

    Attributes:
        requests: (cue, wordings): the first whose cue stands in the prefix is used, an empty cue fits all; the row's id draws one
            of its wordings. ``{opening}`` is the prefix's beginning, ``{subject}`` the row's group.
        framing: before the prefix in the base's prompt.
        kind: what one document is called.
        writer: strategy D: framing that says who wrote the document; empty where there is none.
        persona: strategy D: the aligned model's system prompt.
        requirements: strategy E: what the document must be.
    """

    requests: tuple[tuple[str, tuple[str, ...]], ...]
    framing: str = ""
    kind: str = ""
    writer: str = ""
    persona: str = ""
    requirements: tuple[str, ...] = field(default_factory=tuple)


def _published(kind: str, framing: str, writer: str, persona: str, requirements: tuple[str, ...]) -> DomainWording:
    request = f'Write {kind}. Its first words are: "{{opening}}"'
    return DomainWording((("", (request,)),), framing, kind, writer, persona, requirements)


WORDINGS: Mapping[str, DomainWording] = {
    "essays": _published(
        "an academic essay",
        "This is an academic essay.\n\n",
        "A student wrote this essay for a course at a university.\n\n",
        "You are a student who writes an essay for a course at a university.",
        ("formal style", "one thesis", "examples"),
    ),
    "fiction": _published(
        "a short story",
        "This is a short story.\n\n",
        "A writer of fiction wrote this story.\n\n",
        "You are a writer of fiction.",
        ("details that can be seen and heard", "dialogue", "one narrator's voice"),
    ),
    "news": _published(
        "a news article",
        "",
        "A reporter wrote this article.\n\n",
        "You are a reporter who writes a news article.",
        ("the most important first", "a source for every claim", "a neutral tone"),
    ),
    "opinion": _published(
        "an opinion piece",
        "This is an opinion piece.\n\n",
        "A columnist wrote this piece.\n\n",
        "You are a columnist who writes for a broad public.",
        ("one thesis", "reasons", "an answer to objections"),
    ),
    "science": _published(
        "the abstract of a research paper",
        "Abstract:\n",
        "A researcher wrote this abstract.\n\n",
        "You are a researcher who writes an abstract.",
        ("question, method, result, conclusion", "formal English", "numbers"),
    ),
}
"""Our wordings for the published domains. The released code also names each document's topic or title in the request."""


@dataclass(frozen=True)
class Prompted:
    """One side's prompts: the prefix table with the model's prompt in ``prompt``, and how it is rendered."""

    table: pd.DataFrame
    renderings: dict[str, Rendering]
    """For each category: strategy D writes a system prompt a domain."""


def opening_of(prefix: str, tokenizer: Any, tokens: int) -> str:
    """The first words of a prefix, at most so many tokens."""
    offsets = tokenizer(prefix, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    if len(offsets) <= tokens:
        return prefix
    end = offsets[tokens - 1][1] if tokens else 0
    while 0 < end < len(prefix) and not prefix[end].isspace():
        end -= 1
    return prefix[:end].rstrip()


def prompted(
    table: pd.DataFrame,
    strategy: str,
    side: Side,
    wordings: Mapping[str, DomainWording],
    tokenizer: Any,
    *,
    opening_tokens: int = OPENING_TOKENS,
    exemplars: Mapping[str, str] | None = None,
) -> Prompted:
    """Prompts of one side under a strategy.

    Args:
        table: prefix table (`prompt` the prefix, `response` the human continuation, `category` the domain).
        wordings: by domain.
        tokenizer: counts the opening's tokens.
        exemplars: for C1 and C2 a human document of each domain, from the training split.

    Raises:
        ConfigError: an unknown strategy, a domain without a wording, or a wording that the strategy's part is missing in.
    """
    if strategy not in STRATEGIES:
        raise ConfigError(found=f"strategy {strategy!r}", expected=f"one of {', '.join(STRATEGIES)}", where="the strategies")
    texts = []
    for row in table.itertuples():
        if row.category not in wordings:
            raise ConfigError(
                found=f"domain {row.category!r}",
                expected=f"one of {sorted(wordings)}",
                where="the wordings",
                remedy="write a wording for the domain",
            )
        wording = wordings[row.category]
        _check(wording, strategy, row.category, exemplars)
        opening = opening_of(row.prompt, tokenizer, opening_tokens)
        request = _request(wording, row.prompt, opening, str(row.group), row.category, str(row.id))
        exemplar = (exemplars or {}).get(row.category, "")
        write = _base if side == "base" or strategy in MATCHED else _aligned
        texts.append(write(strategy, wording, row.prompt, str(row.response), request, exemplar))
    template = side == "aligned" and strategy not in MATCHED
    personas = {
        category: wordings[category].persona if template and strategy == "D" else None
        for category in sorted(table["category"].unique())
    }
    renderings = {category: Rendering(template=template, system=persona) for category, persona in personas.items()}
    return Prompted(table.assign(prompt=pd.Series(texts, index=table.index, dtype="str")), renderings)


def _request(wording: DomainWording, prefix: str, opening: str, subject: str, domain: str, name: str) -> str:
    for cue, wordings in wording.requests:
        if cue in prefix:
            request = wordings[int(hash_fraction(0, f"request of {name}") * len(wordings))]
            return request.replace("{opening}", opening).replace("{subject}", subject).rstrip()
    raise ConfigError(
        found=f"the prefix {prefix!r}",
        expected=f"one of the cues {[cue for cue, _ in wording.requests]}",
        where=f"requests of domain {domain!r}",
        remedy="add a request with an empty cue",
    )


def _base(strategy: str, wording: DomainWording, prefix: str, continuation: str, request: str, exemplar: str) -> str:
    """The base's plain text, and the aligned model's under a matched strategy."""
    match strategy:
        case "A" | "B1":
            return wording.framing + prefix
        case "B2":
            return f"{request}\n\n{prefix}"
        case "B3":
            return prefix
        case "C1":
            return f"{exemplar}\n\n{prefix}"
        case "C2":
            return f"{exemplar}\n\n{wording.framing}{prefix}"
        case "D":
            return wording.writer + prefix
        case "E":
            return f"{wording.framing}({'; '.join(wording.requirements)})\n\n{prefix}"
        case _:
            return prefix + _first_words(continuation)


def _aligned(strategy: str, wording: DomainWording, prefix: str, continuation: str, request: str, exemplar: str) -> str:
    if strategy in ("C1", "C2"):
        return f"Here is an example:\n\n{exemplar}\n\n{request}"
    if strategy == "E":
        return f"{request}\n\nIt must have:\n" + "\n".join(f"- {requirement}" for requirement in wording.requirements)
    return request


def _first_words(continuation: str) -> str:
    """Half of the continuation's words, at most ``CONTINUATION_WORDS``, so that something is left to write."""
    words = continuation.split()
    return "".join(f" {word}" for word in words[: min(CONTINUATION_WORDS, len(words) // 2)])


def _check(wording: DomainWording, strategy: str, domain: str, exemplars: Mapping[str, str] | None) -> None:
    parts = {
        "C1": (exemplars or {}).get(domain),
        "C2": (exemplars or {}).get(domain),
        "D": wording.writer or wording.persona,
        "E": wording.requirements,
    }
    if strategy in parts and not parts[strategy]:
        names = {"D": "writer or persona", "E": "requirements"}
        raise ConfigError(
            found=f"no {names.get(strategy, 'exemplar')}",
            expected=f"one for strategy {strategy}",
            where=f"domain {domain!r}",
            remedy="give it, or choose another strategy",
        )
