"""What tests ask of a model folder at its first check, and how they harm one."""

import json

from anatomy.models.machine.memory import Machine
from anatomy.models.preflight.report import ModelNeeds
from anatomy.models.rendering import Rendering

LARGE = Machine(2**36, 2**36)
NEEDS = ModelNeeds(
    dtype="float32",
    renderings={"plain": Rendering(), "answers": Rendering(system="Be careful.")},
    prompts={"benign": ["the mill", "a cake"]},
    max_new_tokens=8,
    max_model_len=128,
    kv_cache_bytes=2**20,
    sequences=2,
    step_tokens=64,
)


def state(folder, file="config.json", **stated):
    """Write options into one of the folder's JSON files; None takes one out."""
    path = folder / file
    found = (json.loads(path.read_text()) if path.exists() else {}) | stated
    path.write_text(json.dumps({key: value for key, value in found.items() if value is not None}))
