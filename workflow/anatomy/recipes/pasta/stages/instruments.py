"""Detectors ready to score texts: on the organism those of another family, for models of one's own those of the configuration.

What a score depends on is known before a model is opened (``Instrument.key``), so that a text scored already costs nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from anatomy.config.detecting import Detector as Options
from anatomy.config.schema import Config
from anatomy.errors import DataError
from anatomy.models.card import ModelCard
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.machine.devices import device_name
from anatomy.models.machine.formats import resolved, warn_if_slow
from anatomy.models.scorer import open_scorer
from anatomy.store.digest import digest, file_digest
from anatomy.store.json_objects import JsonObject
from anatomy.texts.authors import ALIGNED, HUMAN
from anatomy.texts.continuations.post_processing import PUBLISHED_RULES, SHORT_RULES, post_process
from anatomy.texts.detectors.build import build_detectors
from anatomy.texts.detectors.detection import Detector, fit_calibration
from anatomy.texts.detectors.family import ORGANISM_READING, TINY_TUNING, family_detectors
from anatomy.texts.detectors.ngram_classifier import train_ngram_classifier

PINS: tuple[str, ...] = ("peft", "scikit-learn", "torch", "transformers")

SEED = 0
"""Of the tuning of ImBD's form and the folds of the n-gram classifier."""


@dataclass(frozen=True)
class Instrument:
    """One detector.

    Attributes:
        key: everything its scores depend on besides code and text.
        open: the detector; opens models, those that several share once.
    """

    name: str
    key: JsonObject
    open: Callable[[], Detector]


def measured_texts(config: Config, completions: pd.DataFrame, organism: bool) -> pd.DataFrame:
    """Continuations of prefixes as detectors and measures read them: cut at their last sentence, ``degenerate`` the reason."""
    texts = completions[completions["set"] == config.pasta.prefixes]
    return post_process(texts, SHORT_RULES if organism else PUBLISHED_RULES).reset_index(drop=True)


def fitting_texts(config: Config, aligned: pd.DataFrame, humans: pd.DataFrame, organism: bool) -> pd.DataFrame:
    """Texts whose writer is known, to fit detectors on: ``variant`` is human or aligned.

    Args:
        aligned: completions of an aligned model; its unedited answers to prefixes put in its own manner are taken.
        humans: completions among which the humans' own continuations stand.
    """
    sides = [humans[humans["variant"] == HUMAN], aligned[aligned["variant"] == "base"].assign(variant=ALIGNED)]
    return measured_texts(config, pd.concat(sides, ignore_index=True), organism)


def family_instruments(config: Config, scorers: Sequence[ModelCard], texts: pd.DataFrame) -> list[Instrument]:
    """The organism's detectors.

    Args:
        scorers: cards of the family's base and aligned model.
        texts: the family's ``fitting_texts``.
    """
    key = {"scorers": [card["digest"] for card in scorers], "texts": _texts_key(texts), "seed": SEED}

    @cache
    def family() -> dict[str, Detector]:
        base, aligned = (open_scorer(Path(card["folder"]), torch.float32, device_name()) for card in scorers)
        found = family_detectors(base, aligned, texts, ORGANISM_READING, seed=SEED, tuning=TINY_TUNING)
        return {one.name: one for one in found}

    def member(name: str) -> Detector:
        return family()[name]

    return [Instrument(name, {"detector": name, **key}, partial(member, name)) for name in config.pasta.detectors]


def own_instruments(
    options: Mapping[str, Options], models: Mapping[str, ModelCard], texts: pd.DataFrame, say: Callable[[str], None] = print
) -> list[Instrument]:
    """Detectors of the configuration.

    Args:
        options: by name.
        models: cards of the models that options name by id.
        texts: ``fitting_texts`` of the pair, for detectors whose calibration is fitted.
        say: told where the format asked for is slow on this machine.
    """
    placed = {name: _placed(one, models) for name, one in options.items()}
    for name, one in placed.items():
        if one.scorer is not None:
            warn_if_slow(resolved(one.dtype), f"pasta.own_detectors.{name}.dtype", say)

    def opened(name: str) -> Detector:
        one, fitted = {name: placed[name]}, {}
        if placed[name].kind == "ngrams":
            return _classifier(name, texts)
        if placed[name].calibration == "fitted" and placed[name].kind != "score_file":
            fitted = {name: _calibration(build_detectors(one, device_name())[0], texts)}
        return build_detectors(one, device_name(), fitted)[0]

    return [Instrument(name, _own_key(name, one, texts), partial(opened, name)) for name, one in placed.items()]


def _classifier(name: str, texts: pd.DataFrame) -> Detector:
    fit = texts[texts["degenerate"] == ""]
    sides = [fit[fit["variant"] == variant] for variant in (HUMAN, ALIGNED)]
    columns = [list(side[column]) for column in ("response", "group") for side in sides]
    return replace(train_ngram_classifier(*columns, seed=SEED), name=name)


def _calibration(detector: Detector, texts: pd.DataFrame) -> Any:
    fit = texts[texts["degenerate"] == ""]
    human, machine = (
        np.array([one.score for one in detector.detect(list(fit.loc[fit["variant"] == variant, "response"])) if not one.excluded])
        for variant in (HUMAN, ALIGNED)
    )
    if min(len(human), len(machine)) < 2:
        raise DataError(
            found=f"{len(human)} human and {len(machine)} aligned texts with a score",
            expected="at least 2 of each",
            where=f"the calibration of {detector.name}",
            remedy="lower reading.min_tokens, or take a published threshold",
        )
    return fit_calibration(human, machine, f"fitted on {len(human)} human and {len(machine)} aligned texts of training prefixes")


def _placed(one: Options, models: Mapping[str, ModelCard]) -> Options:
    """The options with folders for ids of models, and the number format that runs fast here where none is named."""
    folders = {name: models[value]["folder"] for name in ("reference", "scorer") if (value := getattr(one, name)) in models}
    return one.model_copy(update={**folders, "dtype": resolved(one.dtype)})


def _own_key(name: str, one: Options, texts: pd.DataFrame) -> JsonObject:
    key = {"detector": name, **one.model_dump(mode="json", exclude={"reference", "scorer", "adapter", "file"})}
    key["scorers"] = [Checkpoint(Path(folder)).digest() for folder in (one.reference, one.scorer) if folder is not None]
    if one.adapter is not None:
        key["adapter"] = file_digest(Path(one.adapter) / "adapter_model.safetensors")
    if one.file is not None:
        key["file"] = file_digest(Path(one.file))
    elif one.calibration == "fitted":
        key["texts"] = _texts_key(texts)
    return key


def _texts_key(texts: pd.DataFrame) -> str:
    return digest({"texts": sorted(map(list, zip(texts["id"], texts["variant"], texts["response"], strict=True)))})
