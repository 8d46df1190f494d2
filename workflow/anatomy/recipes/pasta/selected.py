"""What PASTA's passes leave for each other as JSON: the card of a signature, and what the selection of layers ended with."""

from __future__ import annotations

from pathlib import Path
from typing import TypedDict

from anatomy.interventions.directions.extraction import WrittenContrast
from anatomy.interventions.edits.spec import HookSpec
from anatomy.store.files import read_json
from anatomy.store.json_objects import checked_fields


class SignatureCard(TypedDict):
    """The card of a pair's signature, beside which its contrasts lie.

    Attributes:
        models: digest of each model of the pair, by role.
        layers: blocks of the models.
        contrasts: the signature and what stands beside it.
        domains: those with enough texts for a signature of their own, in the order of the control family ``domain``.
        texts, empty: texts read on each side, and those left out because nothing was written.
    """

    models: dict[str, str]
    layers: int
    contrasts: dict[str, WrittenContrast]
    domains: list[str]
    texts: dict[str, int]
    empty: dict[str, int]


class SelectedSignature(TypedDict):
    """What the selection on the select split ended with.

    Attributes:
        layer: of the first detector.
        layers: by detector.
        depth: blocks of the model.
        contrasts: those that were extracted beside the signature.
        domain_order, domains: domains in the order of the control family ``domain``, and the layer of each that has one.
        operating: the edit at the operating point; None where no candidate was within the limits.
        reason: why the search for it ended so.
    """

    layer: int
    layers: dict[str, int]
    depth: int
    contrasts: list[str]
    domain_order: list[str]
    domains: dict[str, int]
    operating: HookSpec | None
    reason: str


def read_signature_card(path: Path) -> SignatureCard:
    """The card of a signature.

    Raises:
        StoreError: no JSON, or a field is missing or unknown.
    """
    return checked_fields(SignatureCard, read_json(path), "the card of a signature", str(path))


def read_selected(path: Path) -> SelectedSignature:
    """What the selection ended with.

    Raises:
        StoreError: no JSON, or a field is missing or unknown.
    """
    return checked_fields(SelectedSignature, read_json(path), "the selection of a signature's layers", str(path))
