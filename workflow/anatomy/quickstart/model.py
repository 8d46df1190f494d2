"""The entry of a user's model in a configuration: a folder, a GGUF file, or a hub id with its commit; never one for another."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import torch

from anatomy.config.places import placed
from anatomy.config.study import Layout
from anatomy.config.subjects import Model
from anatomy.errors import ModelError
from anatomy.models.gguf.header import read_header
from anatomy.models.gguf.refusals import require_convertible
from anatomy.runs.provenance.record import Clock, write_record
from anatomy.stages.convert import convert_once
from anatomy.stages.fingerprints import stage_fingerprint

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?", re.ASCII)
"""Names that a hub gives out; whatever else somebody types is a path."""

TAKEN = ("sha256", "dtype", "plain_english")
"""What of a model's entry decides its conversion, as the rule ``convert`` names it."""


def model_entry(options: argparse.Namespace, here: Path, run: Path) -> dict[str, object]:
    """The model's entry in the configuration.

    Args:
        options: of the command line.
        here: folder that the caller stands in.
        run: folder of the run, in which paths of the configuration are read.

    Raises:
        ModelError: no such folder or GGUF file, and nothing that a hub could know.
    """
    folder = here / Path(options.model).expanduser()
    if folder.is_dir():
        source = {"folder": placed(str(folder), here, run)}
    elif folder.is_file():
        require_convertible(read_header(folder))
        source = {"gguf": placed(str(folder), here, run)}
    elif options.revision and HUB_ID.fullmatch(options.model) and not folder.exists():
        source = {"hub": options.model, "revision": options.revision}
    else:
        found = "no such folder"
        remedy = "mend the path" + (
            "; a model of a hub needs its commit too (--revision, 40 digits)"
            if HUB_ID.fullmatch(options.model) and not folder.exists()
            else ""
        )
        raise ModelError(
            found=found,
            expected="a folder with safetensors, config.json and tokenizer files, or a GGUF file",
            where=str(folder),
            remedy=remedy,
        )
    entry = {**source, "kind": options.kind, "dtype": options.dtype}
    if options.kind == "base":
        entry["template"] = False
    if options.date:
        entry["date"] = options.date
    return entry


def folder_of(name: str, model: dict[str, object]) -> Path | None:
    """The folder of a study's model: the user's own, or the one that a GGUF file is converted into here, once; None for a hub.

    Paths are read from the folder of the run. The workflow takes the converted folder as it is, so that this leaves the record
    of provenance that its own job would have left.

    Raises:
        ModelError: the GGUF file cannot be converted.
    """
    if "folder" in model:
        return Path(str(model["folder"]))
    if "gguf" not in model:
        return None
    at = Layout(f"results/{name}")
    print(f"{model['gguf']}: converting it into {at.converted_folder(name)}, once")
    source, clock = Model.model_validate(model).model_dump(), Clock()
    if convert_once(Path(str(model["gguf"])), source, Path(at.converted(name))):
        write_record(
            Path(at.results),
            "convert",
            {"model": name},
            inputs=[str(model["gguf"])],
            outputs=[at.converted(name)],
            parameters={"source": {key: source[key] for key in TAKEN}, "code": stage_fingerprint("convert")},
            threads=torch.get_num_threads(),
            clock=clock,
        )
    return Path(at.converted_folder(name))
