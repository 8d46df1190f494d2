"""An edit made from a model by a paper's own function (scoring weights, or training) and saved as data.

The product is an edit like any other: recipes ask for it with the spec that this stage returns, alone or in a stack.
"""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypedDict

import pandas as pd
import torch

from anatomy.config.options import told
from anatomy.config.schema import Config
from anatomy.config.study import Layout, Subject
from anatomy.errors import ConfigError, DataError, EditError, StoreError
from anatomy.interventions.edits import adapter, saved
from anatomy.interventions.edits.making import Maker, Materials
from anatomy.interventions.edits.saved import SavedEdit, save_edit, saved_edit, spec_of
from anatomy.interventions.edits.spec import SavedSpec
from anatomy.models.card import ModelCard
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.loading import LoadedModel
from anatomy.stages.opening import opened
from anatomy.stages.prompts import phase_prompts
from anatomy.store.digest import digest, file_digest
from anatomy.store.files import read_json, write_json
from anatomy.store.fingerprint import fingerprint, module_path
from anatomy.store.journal import record
from anatomy.store.json_objects import checked_fields

PINS: tuple[str, ...] = ("torch", "transformers")
RECORD = "made.json"
"""What an edit was made from, its spec, and how large it is; written last."""

PHASES = ("fit", "select")


class MakerCode(TypedDict):
    """A maker by name, by its code with everything of this package that the code reaches, and by the values bound to it."""

    maker: str
    code: str
    bound: str


class MadeFrom(MakerCode):
    """What decides an edit, as far as it is known before the maker has run: digests, and what the model is computed in."""

    model: str
    dtype: str
    threads: int
    options: str
    files: dict[str, list[str]]
    seed: int


class EditSize(TypedDict):
    """How large an edit is.

    Attributes:
        kind: class of the edit.
        matrices, rank, parameters: as on its card.
        relative_norm, largest_relative_norm: ||Delta||_F / ||W||_F, mean and largest over matrices.
        surviving_share: what a cast to bfloat16 keeps of it.
    """

    kind: str
    matrices: int
    rank: int | None
    parameters: int
    relative_norm: float
    largest_relative_norm: float
    surviving_share: float


class MadeRecord(TypedDict):
    """``made.json``: what an edit was made from, digests of the prompts that its maker read, its spec, and its size."""

    made_from: MadeFrom
    prompts: dict[str, str]
    spec: SavedSpec
    report: EditSize


def make_edit(
    config: Config,
    subject: Subject,
    model_card: ModelCard,
    maker: Maker,
    out: Path,
    say: Callable[[str], None],
    *,
    files: Mapping[str, Sequence[Path]] | None = None,
    seed: int = 0,
) -> SavedSpec | None:
    """Make an edit and write it into ``out``, or find there that it is made already.

    It is made again when the maker's code, the model, the options, a prompt that the maker read, a file or the seed changed, or
    when what lies in ``out`` is damaged.

    Args:
        config: the sections that the rule named, all of which count (but where results lie).
        model_card: the model's card.
        maker: a function of a module, or a ``functools.partial`` of one with plain values.
        out: folder of the edit; files of an earlier edit in it are replaced.
        files: what the maker reads, by name: every file of each.
        seed: of the maker's random choices.

    Returns:
        The spec by which recipes ask for it: ``{"method": "saved", "folder", "digest", "intent"}``. ``out`` also has a record
        with the relative norm of the change and the share of it that a cast to bfloat16 keeps. None where the maker found no edit
        that may be kept: whatever asks for one goes without.

    Raises:
        EditError: the maker made no edit, one for another model, or for a real model one of intent ``measure``.
        ConfigError: a maker whose code cannot be compared.
        DataError: the maker asks for prompts of the test split, or for a set without rows.
        ModelError: as ``load_model``, of a maker that asks for the model.
    """
    out, checkpoint = Path(out), Checkpoint(Path(model_card["folder"]))
    inputs = made_from(config, model_card, maker, files or {}, seed)
    known = _made_already(config, subject, out, checkpoint, inputs)
    if known is not None:
        say(f"{subject.id}: edit {known['digest'][:12]} is made already")
        return known
    started = time.perf_counter()
    asked = Asking(config, subject)
    record(Path(config.results) / "store", "start", stage="make_edit", model=subject.id)

    def opening() -> LoadedModel:
        with torch.random.fork_rng(devices=[]):  # what opening draws is none of the maker's
            return opened(model_card)

    with (
        torch.random.fork_rng(devices=range(torch.cuda.device_count() if torch.cuda.is_initialized() else 0)),
        torch.enable_grad(),
    ):
        torch.manual_seed(seed)
        generator = torch.Generator().manual_seed(seed)
        materials = Materials(opening, checkpoint, config, subject, asked, dict(files or {}), generator, say)
        edit = maker(materials)
    del materials
    if edit is None:
        _clear(out)
        return None
    if not isinstance(edit, SavedEdit):
        raise EditError(
            found=type(edit).__name__,
            expected="a LowRankEdit, SparseEdit or HeadEdit",
            where=inputs["maker"],
            remedy="build it with low_rank_edit, sparse_edit or head_edit",
        )
    _clear(out)
    save_edit(edit, out, checkpoint, private=subject.is_organism)
    spec = spec_of(edit, out)
    saved_edit(spec, checkpoint)
    report = size_of(edit)
    made: MadeRecord = {"made_from": inputs, "prompts": asked.digests, "spec": spec, "report": report}
    write_json(out / RECORD, made)
    say(
        f"{subject.id}: {report['kind']} {spec['digest'][:12]} to {spec['intent']} in {report['matrices']} matrices, "
        f"{report['relative_norm']:.3g} of their norm, {report['surviving_share']:.3f} of it survives bfloat16; "
        f"{time.perf_counter() - started:.0f} s"
    )
    return spec


def made_from(config: Config, model_card: ModelCard, maker: Maker, files: Mapping[str, Sequence[Path]], seed: int) -> MadeFrom:
    """What decides an edit, as far as it is known before the maker has run.

    Raises:
        ConfigError: a maker whose code cannot be compared.
    """
    return {
        **_code_of(maker),
        "model": model_card["digest"],
        "dtype": model_card["dtype"],
        "threads": model_card["threads"],
        "options": digest(told(config)),
        "files": {name: [file_digest(path) for path in paths] for name, paths in sorted(files.items())},
        "seed": seed,
    }


class Asking:
    """The ``prompts`` of a maker, which keeps on record what was read.

    Attributes:
        digests: of the rows of each set, phase and limit that was asked for.
    """

    def __init__(self, config: Config, subject: Subject) -> None:
        self._config, self._subject = config, subject
        self.digests: dict[str, str] = {}

    def __call__(self, name: str, phase: str, limit: int) -> pd.DataFrame:
        if phase not in PHASES:
            raise DataError(
                found=f"prompts of phase {phase!r} for making an edit",
                expected=f"one of {list(PHASES)}",
                where=f"{self._subject.id}, set {name}",
                remedy="train on fit, choose on select; the test split is read once, by what was made",
            )
        rows = phase_prompts(Layout(self._config.results), self._subject, name, phase, limit)
        self.digests[f"{phase}/{limit}/{name}"] = digest(rows.to_json(orient="split"))
        return rows


def size_of(edit: SavedEdit) -> EditSize:
    """How large an edit is: numbers of its card that a reader asks for first."""
    relative = edit.card.relative_norms.values()
    return {
        "kind": type(edit).__name__,
        "matrices": len(edit.card.edited),
        "rank": edit.card.rank,
        "parameters": edit.card.parameters,
        "relative_norm": sum(relative) / len(relative),
        "largest_relative_norm": max(relative),
        "surviving_share": edit.card.surviving_share,
    }


def _made_already(config: Config, subject: Subject, out: Path, checkpoint: Checkpoint, inputs: MadeFrom) -> SavedSpec | None:
    """The spec of the edit in ``out``, if it is whole and made from these inputs and from prompts as they are now."""
    try:
        kept = checked_fields(MadeRecord, read_json(out / RECORD), "the record of an edit that was made", str(out / RECORD))
        if kept["made_from"] != inputs:
            return None
        again = Asking(config, subject)
        for asked in kept["prompts"]:
            phase, limit, name = asked.split("/", 2)
            again(name, phase, int(limit))
        if again.digests != kept["prompts"]:
            return None
        spec: SavedSpec = {**kept["spec"], "folder": str(out)}
        saved_edit(spec, checkpoint)
        return spec
    except (StoreError, DataError, EditError, KeyError, TypeError, ValueError):
        return None


def _code_of(maker: Maker) -> MakerCode:
    """The maker's name, its code and everything of this package that the code reaches, and values bound to it."""
    bound: list[Any] = []
    while isinstance(maker, functools.partial):
        bound.append([list(maker.args), dict(maker.keywords)])
        maker = maker.func
    module, name = getattr(maker, "__module__", None), getattr(maker, "__qualname__", "")
    source = inspect.getsourcefile(maker) if inspect.isroutine(maker) else None
    if module is None or source is None or "<" in name:
        raise ConfigError(
            found=f"maker {maker!r}",
            expected="a function of a module",
            where="make_edit",
            remedy="define it at the top of a module; bind values with functools.partial",
        )
    inside = module_path(module) is not None
    own = [module] if inside else []
    return {
        "maker": f"{module}.{name}",
        "code": fingerprint(["anatomy.stages.make_edit", *own], PINS) + ("" if inside else file_digest(Path(source))),
        "bound": digest(bound),
    }


def _clear(out: Path) -> None:
    """Take away the files of an earlier edit, the record first: an edit of another kind has other files."""
    for name in (RECORD, adapter.CONFIG, adapter.WEIGHTS, saved.WEIGHTS, saved.CARD):
        (out / name).unlink(missing_ok=True)
