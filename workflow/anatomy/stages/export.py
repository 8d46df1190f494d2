"""The pick of a family, one edit or a stack, as a checkpoint of its own, outside results: gate, stream, verify, describe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TypedDict

import pandas as pd

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.errors import ConfigError, EditError, GateError
from anatomy.evidence.claims.resampling import Resampling
from anatomy.evidence.claims.tables import read_tables
from anatomy.evidence.gate.card import claims_about, model_card
from anatomy.evidence.gate.decide import Decision, decide
from anatomy.interventions.edits.adapter import CARD, read_adapter
from anatomy.interventions.edits.apply import applied
from anatomy.interventions.edits.low_rank import LowRankEdit
from anatomy.interventions.edits.saved import SavedEdit, saved_edit
from anatomy.interventions.edits.spec import SAVED, Edit, acts_on_activations, intent, stack_intent
from anatomy.interventions.export.folder import MARKER, whole_folder
from anatomy.interventions.export.stack import stack_rewrites
from anatomy.interventions.export.stream import stream_checkpoint
from anatomy.interventions.export.verify import compare_logits, compare_untouched
from anatomy.models.card import ModelCard
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.machine.devices import device_name
from anatomy.stages.kept_adapters import KeptAdapter
from anatomy.stages.task_facts import read_tasks
from anatomy.store.digest import canonical_json
from anatomy.store.files import read_json, write_json, write_text
from anatomy.store.json_objects import JsonObject

PINS: tuple[str, ...] = ("scipy", "torch", "transformers")

TABLES = ("completions", "judgements", "samples", "variants")


class ExportedBase(TypedDict):
    """What may be told of the model that an export was made from."""

    id: str
    kind: str
    digest: str
    hub: str | None
    revision: str | None
    converted: str | None
    tuned: str | None


class ExportRecord(TypedDict):
    """``export.json``, in the exported folder.

    Attributes:
        edits: the card of each edit of the stack with its digest, first edit first.
        gate: what the gate decided, on which numbers.
        written, untouched, logits: what was written (``export.stream``) and what was compared (``export.verify``).
        digest: of the exported checkpoint.
    """

    model: str
    family: str
    base: ExportedBase
    edits: list[JsonObject]
    gate: JsonObject
    written: JsonObject
    surviving_share: float
    untouched: JsonObject
    logits: JsonObject | None
    digest: str


class Exported(ExportRecord):
    """The record, and the folder."""

    folder: str


def export_pick(
    config: Config,
    subject: Subject,
    family: str,
    model: ModelCard,
    adapters: list[KeptAdapter],
    files: dict[str, list[Path]],
    ledger: pd.DataFrame,
    say: Callable[[str], None],
) -> Exported:
    """Export one family's pick, if the gate lets it pass.

    Args:
        model: the model's card.
        adapters: what the edit stage kept, one row a method.
        files: the test phase's ``completions, judgements, samples, variants, tasks``.
        ledger: every claim of the run.

    Returns:
        The record that also lies in the exported folder, as ``export.json``, and the folder.

    Raises:
        ConfigError: no folder is named.
        GateError: the edit may not leave results.
        EditError: the search ended without a pick, or adapter, tables and model do not belong together.
        ExportError: the result is not what it should be. Nothing is left of it.
    """
    target = config.export.folder(subject.id, family)
    if target is None:
        raise ConfigError(
            found="export.to: null",
            expected="a folder outside results",
            where="the configuration",
            remedy="name one: --config 'export={to: ../exports}'",
        )
    decision = gate_of(config, subject, family, files)
    if not decision.specs and not any(row["family"] == family for row in adapters):
        raise EditError(
            found="no pick",
            expected="a search that ended with one",
            where=f"{subject.id}, {family}",
            remedy="see edit/<model>/picks.parquet for the reason, and choose another family",
        )
    decision.require()
    bounds = [change.low for change in decision.changes if change.role == "harmful refused"]
    say(f"the gate is open: lowest bound of {len(bounds)} changes in refusal of harmful requests {min(bounds):+.3f}")
    checkpoint = Checkpoint(Path(model["folder"]))
    edits = the_edits(family, adapters, decision, checkpoint)
    rewrites = stack_rewrites(edits)
    with whole_folder(target) as folder:
        streamed = stream_checkpoint(checkpoint, rewrites, folder)
        say(f"{streamed.size} bytes written; {streamed.surviving_share:.4f} of the edit survives the cast")
        untouched = compare_untouched(checkpoint, Checkpoint(folder), set(rewrites))
        logits = (
            compare_logits(checkpoint.folder, folder, lambda loaded: applied(loaded, *edits), device_name())
            if config.export.reload
            else None
        )
        record: ExportRecord = {
            "model": subject.id,
            "family": family,
            "base": base_of(model),
            "edits": [{**edit.card.as_json(), "digest": edit.digest()} for edit in edits],
            "gate": decision.as_json() | {"specs": [_without_place(spec) for spec in decision.specs]},
            "written": asdict(streamed),
            "surviving_share": streamed.surviving_share,
            "untouched": asdict(untouched),
            "logits": None if logits is None else asdict(logits),
            "digest": Checkpoint(folder).digest(),
        }
        write_text(
            folder / "README.md",
            model_card(
                base=model,
                edits=[(edit.card, edit.digest()) for edit in edits],
                streamed=streamed,
                untouched=untouched,
                logits=logits,
                decision=decision,
                claims=claims_about(ledger, subject.id, family),
            ),
        )
        write_json(folder / MARKER, record)
    return {"folder": str(target), **record}


def _without_place(spec: Edit) -> JsonObject:
    """A spec without the folder that a saved edit lay in on this machine: its digest says which edit it is."""
    return {name: value for name, value in spec.items() if name != "folder"}


def base_of(model: ModelCard) -> ExportedBase:
    """What may be told of the base: not where it lay on this machine."""
    source, converted, tuned = model["source"], model["converted"], model["tuned"]
    return {
        "id": model["id"],
        "kind": model["kind"],
        "digest": model["digest"],
        "hub": None if source is None else source.get("hub"),
        "revision": None if source is None else source.get("revision"),
        "converted": None if converted is None else f"{converted['file']}, {converted['in words']}",
        "tuned": None if tuned is None else str(tuned["in_words"]),
    }


def gate_of(config: Config, subject: Subject, family: str, files: dict[str, list[Path]]) -> Decision:
    """What the gate says of a family's pick; reads tables only."""
    wanted = config.statistics
    return decide(
        read_tables({name: files[name] for name in TABLES if files.get(name)}),
        model=subject.id,
        family=family,
        judges=config.judges,
        harmful=config.evaluation.harmful,
        harmless=config.evaluation.benign,
        metrics={entry["task"]: entry["metric"] for path in files["tasks"] for entry in read_tasks(path)},
        tolerance=config.export.tolerance,
        resampling=Resampling(wanted.confidence, wanted.seed, wanted.bootstrap),
    )


def the_edits(family: str, adapters: Sequence[KeptAdapter], decision: Decision, checkpoint: Checkpoint) -> list[SavedEdit]:
    """The stack that the gate's numbers are about, first edit first: adapters that the edit stage kept, and saved edits.

    Raises:
        GateError: an edit's own card says ``measure``, or its adapter was not kept.
        EditError: another model's edit, another edit than the one that was measured, or one that acts on activations.
    """
    where = f"{decision.model}, {decision.family}"
    found: list[SavedEdit] = []
    for spec in decision.specs:
        if acts_on_activations(spec):
            raise EditError(
                found=f"{spec['method']}, an edit of activations",
                expected="edits of weights",
                where=where,
                remedy="no checkpoint can hold it: serve the stack in memory or in the engine",
            )
        if spec["method"] == SAVED:
            found.append(saved_edit(spec, checkpoint))
        else:
            found.append(_kept_adapter(spec, _row_of(spec, family, adapters, where), decision, checkpoint))
    intents = [stack_intent(decision.specs), *(edit.card.intent for edit in found)]
    if set(intents) != {"amplify"}:
        raise GateError(
            found=f"intent {' and '.join(sorted(set(intents) - {'amplify'}))}",
            expected="intent amplify",
            where=where,
            remedy="controls, and edits that take a direction away or turn it round, never leave results",
        )
    return found


def _row_of(spec: Edit, family: str, adapters: Sequence[KeptAdapter], where: str) -> KeptAdapter:
    """What the edit stage wrote of a spec: where several picks are stacked, the one whose card says so; else the family's."""
    for row in adapters:
        card = Path(row["adapter"]) / CARD
        if card.is_file() and canonical_json(read_json(card)["spec"]) == canonical_json(spec):
            return row
    own = next((row for row in adapters if row["family"] == family), None)
    if own is None:
        raise EditError(
            found="no adapter", expected=f"one of {canonical_json(spec)}", where=where, remedy="run the edit stage of this model"
        )
    return own


def _kept_adapter(spec: Edit, row: KeptAdapter, decision: Decision, checkpoint: Checkpoint) -> LowRankEdit:
    where = f"{decision.model}, {decision.family}"
    folder = Path(row["adapter"])
    if not folder.is_dir():
        raise GateError(
            found=f"adapter: {row['adapter']}",
            expected="an adapter that the edit stage kept",
            where=where,
            remedy="edits that lowered refusal on the select split are not kept; choose another family",
        )
    edit = read_adapter(folder, checkpoint)
    intents = {edit.card.intent, intent(edit.card.spec)}
    if intents != {"amplify"}:
        raise GateError(
            found=f"intent {' and '.join(sorted(intents - {'amplify'}))}",
            expected="intent amplify",
            where=where,
            remedy="controls, and edits that take a direction away or turn it round, never leave results",
        )
    if canonical_json(edit.card.spec) != canonical_json(spec) or edit.digest()[:16] != row["digest"]:
        raise EditError(
            found=f"adapter {edit.digest()[:16]} of {canonical_json(edit.card.spec)}",
            expected=f"the edit that was evaluated: {canonical_json(list(decision.specs))}",
            where=where,
            remedy="remove the model's folder in results/edit and run again",
        )
    return edit
