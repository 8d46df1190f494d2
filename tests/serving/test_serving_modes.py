"""Which way an edit is served, and why not a cheaper one."""

import pytest
import torch
from edit_kinds import every_kind, low_rank

from anatomy.errors import EditError
from anatomy.interventions.edits.rank_one import build_edit
from anatomy.models.activations.interventions import Intervention
from anatomy.models.checkpoint import Checkpoint
from anatomy.serving.serving_modes import Abilities, choose_mode

PLAIN = Abilities(True, "", 1, ("o_proj", "down_proj"))


@pytest.fixture(scope="module")
def checkpoint(tiny_folder):
    return Checkpoint(tiny_folder)


def test_the_cheapest_right_way(checkpoint):
    ways = {name: choose_mode(edits, PLAIN) for name, edits in every_kind(checkpoint).items()}
    assert {name: way.kind for name, way in ways.items() if way.kind != "reload"} == {"adapter": "adapter"}
    assert "SparseEdit is not of low rank" in ways["sparse"].reason and "rank 2 is above" in ways["stack of adapters"].reason
    wider = Abilities(True, "", 8, PLAIN.target_modules)
    assert choose_mode(every_kind(checkpoint)["stack of adapters"], wider).kind == "adapter"
    assert choose_mode([], PLAIN).kind == "base"


def test_what_an_engine_lacks_is_the_reason(checkpoint):
    edits = [low_rank(checkpoint)]
    assert "without adapters" in choose_mode(edits, Abilities(False, "", 1, PLAIN.target_modules)).reason
    lacking = choose_mode(edits, Abilities(False, "no Triton", 1, PLAIN.target_modules))
    assert (lacking.kind, lacking.reason) == ("reload", "no Triton")
    spec = {"method": "projection", "strength": 0.5, "sites": ["embed_tokens", "o_proj"]}
    embedding = [build_edit(spec, checkpoint, torch.nn.functional.normalize(torch.ones(64), dim=0))]
    assert "embed_tokens is none of" in choose_mode(embedding, PLAIN).reason


def test_interventions_go_to_hooks_where_there_are_any(checkpoint):
    unit = torch.nn.functional.normalize(torch.ones(1, 1, 64), dim=-1)
    hooks = Intervention("ablate", (0,), unit, None, 1.0, ("block_input",), "all")
    able = Abilities(True, "", 1, PLAIN.target_modules, hooks=True)
    assert choose_mode([hooks], able).kind == "hooks" and choose_mode([hooks], PLAIN).kind == "transformers"
    assert choose_mode([hooks, low_rank(checkpoint)], able).kind == "reload and hooks"
    assert choose_mode([hooks, low_rank(checkpoint)], PLAIN).kind == "transformers"
    with pytest.raises(EditError, match="a weight edit or an intervention"):
        choose_mode([{"method": "row_mean"}], PLAIN)
