"""Whether the options that name a layer, a rank or a file of features fit the models, as far as that is known before a run."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from anatomy.config.schema import Config
from anatomy.config.study import Subject
from anatomy.errors import AnatomyError, ModelError
from anatomy.interventions.instruments.autoencoder_file import autoencoder_shape
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


def require_fitting_shapes(config: Config, subjects: list[Subject]) -> None:
    """Refuse a layer that a model lacks, a subspace wider than its stream, and a file that is no autoencoder of its width.

    Jobs refuse what is not known here: the shape of a model, and a file, that is not on this disk yet.

    Raises:
        ValueError: an option does not fit a model.
    """
    options, rank = config.mechanisms.features, config.mechanisms.interchange.rank
    layer = None if options is None else options.layer
    width = None if options is None or options.file is None else _width(Path(options.file), options.active)
    for subject in subjects:
        shape = known_shape(config, subject)
        if shape is None:
            continue
        if layer is not None and layer >= shape.layers:
            raise ValueError(
                f"mechanisms.features.layer is {layer}, but {subject.id} has the layers 0 to {shape.layers - 1}; lower it, or "
                "leave it out for the layer of the picked direction"
            )
        if rank > shape.width:
            raise ValueError(
                f"mechanisms.interchange.rank is {rank}, but the stream of {subject.id} is {shape.width} wide; lower it"
            )
        if width is not None and width != shape.width:
            raise ValueError(
                f"mechanisms.features.file {options.file} is for a stream of width {width}, but that of {subject.id} is "
                f"{shape.width} wide; name an autoencoder of this model, or leave it out to train one"
            )


def _width(path: Path, active: int) -> int | None:
    """Width of the stream that an autoencoder rebuilds; None for a file that is not there yet, for which a run asks."""
    if not path.exists():
        return None
    try:
        found = autoencoder_shape(path)
    except ModelError as error:
        raise ValueError(f"mechanisms.features.file {path}: found {error.found}; expected {error.expected}") from error
    if active > found.features:
        raise ValueError(
            f"mechanisms.features.active is {active}, more than the {found.features} features of mechanisms.features.file {path}"
        )
    return found.width
