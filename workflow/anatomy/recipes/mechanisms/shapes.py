"""Whether the options that name a layer or a file of features fit the models, as far as that is known before anything runs."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.errors import AnatomyError
from anatomy.organism.recipe import RECIPES


class Shape(NamedTuple):
    """Blocks of a model, and the width of its stream."""

    layers: int
    width: int


def known_shape(config: Config, subject: Subject) -> Shape | None:
    """The shape of a model: of the organism's recipe, or of config.json where the files are on this disk; else None."""
    if subject.is_organism:
        architecture = RECIPES[config.organism.recipe].architecture
        return Shape(architecture.layers, architecture.width)
    from anatomy.models.checkpoint import Checkpoint
    from anatomy.sources.registry.hub_models import HubModel, local_snapshot

    source = config.models[subject.id]
    while source.tuned is not None and source.tuned.from_ in config.models:  # training changes no shape
        source = config.models[source.tuned.from_]
    if source.hub is None and source.folder is None:
        return None
    try:
        folder = source.folder or local_snapshot(HubModel.of(source), config.data.mirror)
        text = Checkpoint(Path(folder)).text_config
        return Shape(int(text["num_hidden_layers"]), int(text["hidden_size"]))
    except (AnatomyError, OSError, KeyError, TypeError, ValueError):  # its card tells what is wrong with it
        return None


def require_fitting_features(config: Config, subjects: list[Subject]) -> None:
    """Refuse a layer that a model lacks, and an autoencoder of another width. Jobs refuse what is not known here.

    Raises:
        ValueError: an option does not fit a model.
    """
    options = config.mechanisms.features
    if options is None or (options.layer is None and options.file is None):
        return
    width = None if options.file is None else _width(Path(options.file))
    for subject in subjects:
        shape = known_shape(config, subject)
        if shape is None:
            continue
        if options.layer is not None and options.layer >= shape.layers:
            raise ValueError(
                f"mechanisms.features.layer is {options.layer}, but {subject.id} has the layers 0 to {shape.layers - 1}; lower "
                "it, or leave it out for the layer of the picked direction"
            )
        if width is not None and width != shape.width:
            raise ValueError(
                f"mechanisms.features.file {options.file} is for a stream of width {width}, but that of {subject.id} is "
                f"{shape.width} wide; name an autoencoder of this model, or leave it out to train one"
            )


def _width(path: Path) -> int | None:
    """Width of the stream that an autoencoder rebuilds; None for a file that is not there or not readable as one."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="numpy") as tensors:
            return int(tensors.get_slice("W_dec").get_shape()[1])
    except (OSError, SafetensorError, IndexError):
        return None
