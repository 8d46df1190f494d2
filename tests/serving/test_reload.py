"""What goes wrong in silence when weights change under a running engine, each caught."""

from contextlib import ExitStack

import pytest
import torch
from edit_kinds import head, pruned
from shared_engine import served_model

from anatomy.errors import EngineError
from anatomy.interventions.edits.apply import applied
from anatomy.models.checkpoint import Checkpoint
from anatomy.serving import reload
from anatomy.serving.decoding import Decoding
from anatomy.serving.likelihood import continuation_likelihoods
from anatomy.serving.proof import Fingerprint, checksums
from anatomy.serving.reload import with_siblings

pytestmark = pytest.mark.engine
GREEDY = Decoding(max_new_tokens=12, temperature=0.0)


@pytest.fixture(scope="module")
def checkpoint():
    return Checkpoint(served_model())


@pytest.fixture
def healed(engine):
    """The shared engine, put right again after a test that breaks it on purpose."""
    yield engine
    heal(engine)


def heal(engine):
    engine._poisoned, engine.weights._failed = "", False
    engine.weights._reload(Checkpoint(served_model()).names(), ())
    engine.weights._current, engine.weights._touched = reload.stack_digest(()), ()


def test_a_prefix_cache_that_was_not_emptied_fails_the_proof(healed, checkpoint, prompts, monkeypatch):
    """Keys and values of other weights would answer every prompt longer than a block: the edit's of the base, or back."""
    for edits in ([pruned(checkpoint)], []):
        with pytest.raises(EngineError, match=r"tokens of a prompt still come from the prefix cache"), ExitStack() as stack:
            if not edits:
                stack.enter_context(healed.under([pruned(checkpoint, seed=7)]))
            monkeypatch.setattr(healed._llm, "reset_prefix_cache", lambda: True)
            if edits:
                stack.enter_context(healed.under(edits))
                pytest.fail("the body must not run")
        with pytest.raises(EngineError, match="nothing more is answered"):
            healed.generate(prompts[:1], GREEDY)
        monkeypatch.undo()
        heal(healed)


def test_a_prefix_cache_that_cannot_be_emptied_is_an_error(healed, checkpoint, monkeypatch):
    monkeypatch.setattr(healed._llm, "reset_prefix_cache", lambda: False)
    with pytest.raises(EngineError, match="could not be emptied"), healed.under([pruned(checkpoint)]):
        pytest.fail("the body must not run")


def test_originals_that_are_not_the_originals_fail_the_proof(healed, checkpoint, prompts, monkeypatch):
    """One number of one matrix, changed by a tenth."""
    tensor = reload.Reloader._tensor

    def off(self, name, edits):
        found = tensor(self, name, edits)
        if not edits and name.endswith("0.mlp.down_proj.weight"):
            found = found.clone()
            found.view(-1)[5] *= 1.1
        return found

    monkeypatch.setattr(reload.Reloader, "_tensor", off)
    edits = [pruned(checkpoint)]
    with pytest.raises(EngineError, match=r"log-probabilities by up to .* differ from before"), healed.under(edits):
        pass
    with pytest.raises(EngineError, match="nothing more is answered"), healed.under([]):
        healed.generate(prompts[:1], GREEDY)
    monkeypatch.undo()


def test_a_reload_that_stops_half_way_ends_the_engine(healed, checkpoint, prompts, monkeypatch):
    tensor, calls = reload.Reloader._tensor, []

    def breaks(self, name, edits):
        calls.append(name)
        if len(calls) == 4:
            raise OSError("the disk went away")
        return tensor(self, name, edits)

    monkeypatch.setattr(reload.Reloader, "_tensor", breaks)
    with pytest.raises(OSError, match="went away"), healed.under([pruned(checkpoint)]):
        pytest.fail("the body must not run")
    monkeypatch.undo()
    with pytest.raises(EngineError, match="a reload stopped"):
        healed.generate(prompts[:1], GREEDY)


def test_matrices_fused_with_an_edited_one_stay_what_they_were(engine, base, checkpoint, prompts):
    """vLLM builds q, k and v anew from what it is given, the rest of it uninitialised memory."""
    for site in ("self_attn.k_proj", "mlp.up_proj"):
        edit, ids = pruned(checkpoint, sites=(site,)), prompts[-1]
        with engine.under([edit]) as adapter:
            (found,) = continuation_likelihoods(engine, [ids[:1]], [ids[1:]], adapter)
        with applied(base, edit) as edited, torch.inference_mode():
            rows = edited.model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
        assert found.logprob == pytest.approx(float(rows[:-1].gather(1, torch.tensor(ids[1:])[:, None]).sum()), rel=1e-5)


def test_a_checkpoint_that_changes_under_its_engine_is_found(healed, checkpoint, monkeypatch):
    original = Checkpoint.tensor
    with pytest.raises(EngineError, match=r"another lm_head\.weight than was read before"), healed.under([head(checkpoint)]):
        monkeypatch.setattr(Checkpoint, "tensor", lambda self, name: original(self, name) * 2)
    monkeypatch.undo()


def test_parameters_that_hold_numbers_are_summed_and_a_swap_shows(engine):
    """Most matrices are packed away on the CPU: numbers written to their parameters would change nothing."""
    (sums,) = engine._llm.apply_model(checksums)
    assert any("embed_tokens" in name for name in sums)
    model = torch.nn.Linear(3, 2, bias=False)
    before = checksums(model)
    with torch.no_grad():
        model.weight.copy_(model.weight.flip(0))
    after = checksums(model)
    assert before["weight"][0] == after["weight"][0] and before != after
    one, other = Fingerprint([[0.5]], [{3: 0.1}], before), Fingerprint([[0.5]], [{3: 0.1}], after)
    assert one.differs(one, 0.0) == "" and "1 parameters, such as weight" in one.differs(other, 0.0)
    assert "nats" in one.differs(Fingerprint([[float("nan")]], [{3: 0.1}], before), 1e-3)
    assert "prefix cache" in one.differs(Fingerprint([[0.5]], [{4: 0.1}], before), 1e-3)


def test_siblings_are_named_by_vllms_own_list():
    packed = {"qkv_proj": ["q_proj", "k_proj", "v_proj"], "gate_up_proj": ["gate_proj", "up_proj"]}
    names = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "mlp.up_proj")
    known = {f"model.layers.0.{name}.weight" for name in names}
    found = with_siblings(["model.layers.0.self_attn.k_proj.weight", "lm_head.weight"], packed, known)
    assert set(found) == {"lm_head.weight", *(name for name in known if "self_attn" in name)} and len(found) == 4
