"""A model opened as its card says: for jobs that read it with instruments of their own, and for those that measure directions."""

from __future__ import annotations

from pathlib import Path

import torch

from anatomy.models.card import ModelCard, measured_in_4bit
from anatomy.models.loading import LoadedModel, load_model
from anatomy.models.machine.devices import device_name


def opened(card: ModelCard) -> LoadedModel:
    """The model of a card whose content was checked (``sound_model``), in the card's number format, on this process's device.

    Raises: as ``load_model``.
    """
    return load_model(Path(card["folder"]), getattr(torch, card["dtype"]), device_name())


def opened_to_measure(card: ModelCard) -> LoadedModel:
    """The same, in four bits where the configuration asks for that: what answers and is read there is never edited or exported.

    Raises: as ``load_model``.
    """
    return load_model(Path(card["folder"]), getattr(torch, card["dtype"]), device_name(), in_4bit=measured_in_4bit(card))
