"""A model of your own that is made from another one by training, once, into a folder that later jobs open like any other."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import pandas as pd
import torch

from anatomy.config.study import Subject
from anatomy.config.tuning import Tuned
from anatomy.errors import ModelError
from anatomy.models.card import ModelCard
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.machine.formats import resolved, warn_if_slow
from anatomy.models.preflight.number_format import formats_refused_in
from anatomy.models.rendering import Rendering
from anatomy.store.digest import digest, file_digest
from anatomy.store.files import read_json, write_json
from anatomy.store.json_objects import JsonObject
from anatomy.tuning.tuned_model import Setting, tune

PINS: tuple[str, ...] = ("torch", "transformers", "peft")
RECORD = "tuning.json"
"""What is known of the training, in the folder of the model too: Snakemake removes a job's output before the job runs again."""


def tune_model(
    subject: Subject,
    options: Tuned,
    source: ModelCard,
    tables: Mapping[str, Path],
    card: Path,
    *,
    threads: int = 1,
    code: str = "",
    say: Callable[[str], None] = print,
) -> None:
    """Train a model into the folder beside ``card``, which is called as the card is; not again from the same inputs.

    Args:
        subject: the model that is made, for how it is spoken to.
        source: card of the model that the training starts from.
        tables: prompt table of each set of ``options.data``.
        card: what is known of the training, written last.
        threads: of a CPU.
        code: fingerprint of the code that trains.

    Raises:
        ModelError, EditError, DataError, NumericsError, StoreError: as ``anatomy.tuning.tuned_model.tune``.
    """
    from anatomy.models.machine.devices import device_name

    folder, target = Path(source["folder"]), card.with_suffix("")
    dtype = resolved(options.dtype, formats_refused_in(folder))
    rendering = Rendering(
        template=subject.template, date=subject.date, thinking=subject.thinking, fold_system=subject.fold_system
    )
    made_from: JsonObject = {
        "model": source["digest"],
        "tables": {name: file_digest(path) for name, path in tables.items()},
        "options": options.model_dump(mode="json", exclude={"keep_every", "from_"}),
        "rendering": rendering.key(),
        "dtype": dtype,
        "threads": threads,
        "code": code,
    }
    if (known := _made(target, made_from)) is not None:
        say("was made from the same inputs already")
        write_json(card, known)
        return
    warn_if_slow(dtype, f"models.{subject.id}.tuned.dtype", say)
    torch.set_num_threads(threads)
    state = target.with_name(f"{target.name}.training")
    read = {name: pd.read_parquet(path) for name, path in tables.items()}
    fit, held_out = ({name: table[table["split"] == split] for name, table in read.items()} for split in ("fit", "select"))
    done = tune(
        folder,
        target,
        options,
        Setting(source["id"], rendering, dtype, threads, code, state),
        fit,
        held_out,
        device=device_name(),
        say=say,
    )
    say(done["in_words"])
    told: JsonObject = {**done, "made_from": digest(made_from), "digest": Checkpoint(target).digest()}
    write_json(target / RECORD, told)
    write_json(card, told)
    shutil.rmtree(state, ignore_errors=True)


def _made(folder: Path, made_from: JsonObject) -> JsonObject | None:
    """What is known of the model where it is there, whole, and was made from these inputs."""
    if not (folder / RECORD).is_file():
        return None
    known: JsonObject = read_json(folder / RECORD)
    try:
        whole = known.get("digest") == Checkpoint(folder).digest()
    except ModelError:  # files are missing or damaged
        return None
    return known if whole and known.get("made_from") == digest(made_from) else None
