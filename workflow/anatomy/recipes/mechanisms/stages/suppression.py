"""The one way of steering that claims call targeted suppression, and how rows of the unedited model are named."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a plan reads this too, and opens no model
    from anatomy.interventions.instruments.steering import SteeringMode

CLAIMED: tuple[SteeringMode, str, float] = ("cap", "every", 0.0)
"""No projection above harmless requests' mean, before any block: mode, layers and dose."""
UNEDITED = "none"
