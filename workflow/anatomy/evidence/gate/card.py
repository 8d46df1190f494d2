"""The model card of an export: what was changed, what the gate saw, what the ledger says. No dates, no paths."""

import json
from collections.abc import Iterable, Sequence

import pandas as pd

from anatomy.evidence.gate.decide import Decision
from anatomy.interventions.edits.card import EditCard
from anatomy.interventions.edits.spec import LOW_RANK_METHODS, SAVED, MadeBy
from anatomy.interventions.export.stream import Rewritten, Streamed
from anatomy.interventions.export.verify import Logits, Untouched
from anatomy.models.card import ModelCard, hub_of, source_in_words

LICENCE = """\
The licence of the base applies to this copy, with whatever it asks of derived works (a name, a notice, an acceptable-use
policy). It was not looked up: before you pass these weights on, read it, and add `license:` at the top of this page."""

CLAIM_COLUMNS = ["claim", "paper", "sentence", "verdict", "estimate", "low", "high", "n"]


def claims_about(ledger: pd.DataFrame, model: str, family: str) -> pd.DataFrame:
    """Rows of the ledger about the pick of one family: their ids end in its name."""
    named = ledger["claim"].str.rpartition(".")[2] == family
    return ledger.loc[(ledger["subject"] == model) & named, CLAIM_COLUMNS]


def model_card(
    *,
    base: ModelCard,
    edits: Sequence[tuple[EditCard, str]],
    streamed: Streamed,
    untouched: Untouched,
    logits: Logits | None,
    decision: Decision,
    claims: pd.DataFrame,
) -> str:
    """The text of ``README.md``: the same inputs give the same bytes.

    Args:
        base: the base's card: id, digest, source.
        edits: card and digest of each edit of the stack, first edit first.
        claims: rows of the ledger, as ``claims_about``.
    """
    source, cards, hub = source_in_words(base), [edit for edit, _ in edits], hub_of(base["source"])
    saved = any(spec["method"] == SAVED for spec in decision.specs)  # by scoring, or by training
    front = [
        "---",
        *([f"base_model: {hub[0]}"] if hub else []),
        "tags: [alignment-anatomy, edited-weights]",
        "---",
    ]
    return "\n".join(
        [
            *front,
            "",
            f"# {decision.model}, edited: {decision.family}",
            "",
            f"A copy of {source} in which {len(streamed.rewritten)} of its matrices carry an edit; every other tensor is the "
            f"base's, byte for byte.{'' if saved else ' Nothing was trained.'} Written by alignment-anatomy.",
            "",
            "## Base",
            "",
            *_table(["what", "value"], [["model", source], ["digest (SHA-256)", f"`{base['digest']}`"]]),
            "",
            *(line for number in range(len(edits)) for line in _edit(number, edits, streamed)),
            *_table(
                ["tensor", "‖Δ‖", "‖Δ‖ / ‖W‖", "survives the cast"],
                [
                    [
                        f"`{one.name}`",
                        f"{one.norm:.4g}",
                        f"{_relative_norm(one, cards):.4f}",
                        f"{one.surviving:.4f}",
                    ]
                    for one in streamed.rewritten
                ],
            ),
            "",
            "## Gate",
            "",
            f"Exported because refusal of harmful requests has not fallen by more than {decision.tolerance:g}: the lower bound "
            f"of the paired change's {decision.confidence:.0%} interval, clustered by source item, excludes it on every harmful "
            "set and for every judge of refusal (test split). Over-refusal and benchmarks stand beside it and decide nothing. "
            "All numbers were measured with the edit beside the weights, before the cast that is stated above.",
            "",
            *_table(
                ["measure", "read by", "before", "after", "change", "interval", "n", "source items"],
                [
                    [
                        f"{one.role}: {one.measure}" if one.role != "benchmark" else f"benchmark: {one.measure}",
                        one.reader,
                        f"{one.before:.3f}",
                        f"{one.after:.3f}",
                        f"{one.estimate:+.3f}",
                        f"{one.low:+.3f} to {one.high:+.3f}",
                        str(one.n),
                        str(one.clusters),
                    ]
                    for one in decision.changes
                ],
            ),
            "",
            *([f"Not measured: {', '.join(decision.missing)}.", ""] if decision.missing else []),
            *([] if any(one.role == "benchmark" for one in decision.changes) else ["No benchmark was run with this edit.", ""]),
            "## Claims",
            "",
            *_claims(claims),
            "",
            "## Verification",
            "",
            f"{untouched.tensors} untouched tensors ({untouched.size} bytes) were compared with the base's byte by byte; SHA-256 "
            f"over them: `{untouched.digest}`.",
            "",
            *_verification(logits),
            "",
            "## Licence",
            "",
            LICENCE,
            "",
        ]
    )


def _edit(number: int, edits: Sequence[tuple[EditCard, str]], streamed: Streamed) -> list[str]:
    edit, digest = edits[number]
    return [
        "## Edit" if len(edits) == 1 else f"## Edit {number + 1} of {len(edits)}, in the order in which they were made",
        "",
        *_table(["what", "value"], _edit_rows(edit, digest, streamed, len(edits))),
        "",
        "```json",
        json.dumps(edit.spec, indent=2, sort_keys=True),
        "```",
        "",
    ]


def _relative_norm(one: Rewritten, cards: Sequence[EditCard]) -> float:
    """The change of a tensor as a share of what it was: of one edit as its card has it, of several all together."""
    name = one.name.removesuffix(".weight")
    known = [card for card in cards if card.norms.get(name, 0.0) > 0]
    if len(known) == 1:
        return known[0].relative_norms[name]
    return one.norm * known[0].relative_norms[name] / known[0].norms[name]


def _edit_rows(edit: EditCard, digest: str, streamed: Streamed, stacked: int) -> list[list[str]]:
    spec = edit.spec
    direction = spec.get("direction") or {}
    whole = "the edit" if stacked == 1 else "the whole stack"
    layers = sorted({int(part) for name in edit.edited for part in name.split(".") if part.isdigit()})
    rows = [
        ["method", _method(spec)],
        [
            "direction",
            f"layer {direction['layer']}, position {direction['position']}, contrast {direction.get('contrast', '-')}"
            if direction
            else "-",
        ],
        ["layers edited", _ranges(layers)],
        ["matrices", f"{len(edit.edited)}, {'' if edit.rank is None else f'rank {edit.rank}, '}{edit.parameters} numbers"],
        ["survives the cast", f"{streamed.surviving_share:.4f} of {whole}, in {', '.join(_dtypes(streamed))}"],
        ["digest of the edit (SHA-256)", f"`{digest}`"],
        ["intent", edit.intent],
    ]
    if streamed.untied:
        rows.append(["embeddings", "untied: the output head is the base's embedding, in a matrix of its own"])
    if edit.post_norm:
        rows.append(["norms", "a norm follows the edited matrices: this is not an edit of what they write to the stream"])
    return rows


def _method(spec: MadeBy) -> str:
    if spec.get("method") not in LOW_RANK_METHODS:  # a maker's own words
        return str(spec.get("method", "-"))
    return f"{spec['method']}, sign {spec.get('sign', 1)}, strength {spec.get('strength', spec.get('alpha', 1))}"


def _dtypes(streamed: Streamed) -> list[str]:
    return sorted({one.dtype for one in streamed.rewritten})


def _ranges(numbers: Sequence[int]) -> str:
    """``0-3, 5``."""
    groups: list[list[int]] = []
    for number in numbers:
        if groups and number == groups[-1][-1] + 1:
            groups[-1].append(number)
        else:
            groups.append([number])
    return ", ".join(f"{group[0]}-{group[-1]}" if len(group) > 1 else str(group[0]) for group in groups) or "-"


def _claims(claims: pd.DataFrame) -> list[str]:
    if claims.empty:
        return ["The ledger of the run holds no claim about this edit."]
    rows = [
        [
            row.sentence,
            row.paper,
            row.verdict,
            "-" if row.estimate != row.estimate else f"{row.estimate:+.3f}",
            "-" if row.low != row.low else f"{row.low:+.3f} to {row.high:+.3f}",
            str(row.n),
        ]
        for row in claims.itertuples(index=False)
    ]
    return _table(["claim", "paper", "verdict", "estimate", "interval", "n"], rows)


def _verification(logits: Logits | None) -> list[str]:
    if logits is None:
        return ["The result was not opened again (export.reload was off)."]
    return [
        f"Opened again with transformers in {logits.dtype}: its logits agree with those of the edit in memory to within "
        f"{logits.tolerance:.2g} of the largest."
    ]


def _table(head: list[str], rows: Iterable[list[str]]) -> list[str]:
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in (head, ["---"] * len(head), *rows)]
