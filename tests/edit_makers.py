"""Makers of edits as papers write them, for tests: masks, adapters, heads, and makers that go wrong."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import torch

from anatomy.interventions.edits.adapter_factors import read_peft_adapter
from anatomy.interventions.edits.head import head_edit
from anatomy.interventions.edits.making import Materials
from anatomy.interventions.edits.sparse import sparse_edit
from anatomy.models.checkpoint import Checkpoint
from anatomy.models.rendering import Rendering, render

called: list[str] = []


def texts_of(given: Materials, phase: str = "fit") -> list[list[int]]:
    rows = given.prompts("harmful_requests", phase, 4)
    return render(given.loaded.tokenizer, list(rows["prompt"]), Rendering())


def scored_mask(given: Materials, share: float = 0.1):
    """The places where weight times gradient of the text's loss is largest, set to zero: one look, no training."""
    called.append("mask")
    names = [f"model.layers.{layer}.mlp.up_proj" for layer in range(given.loaded.num_layers)]
    weights = {name: given.loaded.model.get_submodule(name).weight.requires_grad_(True) for name in names}
    for ids in texts_of(given):
        tokens = torch.tensor([ids])
        given.loaded.model(input_ids=tokens, labels=tokens).loss.backward()
    places = {}
    for name, weight in weights.items():
        score = (weight.detach() * weight.grad).abs().view(-1)
        indices = score.topk(int(share * score.numel())).indices.sort().values
        places[name] = indices, torch.zeros(len(indices))
    return sparse_edit({"method": "test_mask", "share": share}, "amplify", given.checkpoint, places, names)


def trained_adapter(given: Materials):
    """A LoRA adapter that makes the texts likelier, through peft: also of matrices that read the stream."""
    import tempfile

    from peft import LoraConfig, get_peft_model

    called.append("adapter")
    model = get_peft_model(given.loaded.model, LoraConfig(r=2, target_modules=["q_proj", "down_proj"], task_type="CAUSAL_LM"))
    optimiser = torch.optim.Adam([part for part in model.parameters() if part.requires_grad], lr=1e-2)
    losses = []
    for _ in range(3):
        optimiser.zero_grad()
        loss = sum(model(input_ids=torch.tensor([ids]), labels=torch.tensor([ids])).loss for ids in texts_of(given))
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    given.say(f"losses {losses}")
    assert losses[-1] < losses[0]
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return read_peft_adapter({"method": "test_lora"}, "amplify", Path(folder), given.checkpoint)


def drawn_head(given: Materials, intent: str = "amplify"):
    """A low-rank residual on the head, drawn from the maker's own generator."""
    called.append("head")
    rows, columns = given.checkpoint.shape("lm_head.weight")
    a, b = torch.randn(2, columns, generator=given.generator), torch.randn(rows, 2, generator=given.generator)
    return head_edit({"method": "test_head"}, intent, given.checkpoint, (a, 0.1 * b))


def careful_reader(given: Materials):
    """Looks at a set, a phase and a file."""
    called.append("reader")
    given.prompts("benign_requests", "select", 2)
    scale = float(pd.read_parquet(given.file("table"))["scale"].iloc[0])
    name = "model.layers.0.mlp.up_proj"
    return sparse_edit({}, "amplify", given.checkpoint, {name: (torch.tensor([3]), torch.tensor([scale]))}, [name])


def peeks_at_the_test_split(given: Materials):
    given.prompts("harmful_requests", "test", 4)


def makes_no_edit(given: Materials):
    return {"method": "row_mean"}


def of_another_model(given: Materials, folder: str):
    return scored_mask(replace(given, checkpoint=Checkpoint(Path(folder))))


def reads_every_file(given: Materials):
    """Values of several files, in order."""
    called.append("every")
    values = [float(pd.read_parquet(path)["scale"].iloc[0]) for path in given.files["tables"]]
    name = "model.layers.0.mlp.up_proj"
    return sparse_edit({}, "amplify", given.checkpoint, {name: (torch.arange(len(values)), torch.tensor(values))}, [name])


def nothing_to_keep(given: Materials):
    return None


MAKERS = {"mask": scored_mask, "adapter": trained_adapter, "head": drawn_head}
