"""Model folders with more than one set of weights, or with parts of them: each function does it to a copy of a tiny model.

``other``: tensors of another model of the same shape.
"""

import json

import torch
from safetensors.torch import load_file, save_file

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
TENSOR = "model.layers.1.mlp.down_proj.weight"


def write(tensors, path):
    save_file(tensors, path, metadata={"format": "pt"})


def shard(folder, tensors, of=2, index=True, **changes):
    """Write shards and their index, in the index with changes of the places of tensors."""
    names, place = sorted(tensors), {}
    for number in range(of):
        part = names[number::of]
        file = f"model-{number + 1:05d}-of-{of:05d}.safetensors"
        write({name: tensors[name] for name in part}, folder / file)
        place |= dict.fromkeys(part, file)
    if index:
        (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": place | changes}))


def own(folder):
    return load_file(folder / SINGLE)


def sharded(folder, other):
    shard(folder, own(folder))
    (folder / SINGLE).unlink()


def single_and_sharded(folder, other):
    shard(folder, other)


def single_and_index_without_shards(folder, other):
    shard(folder, other)
    for path in folder.glob("model-*"):
        path.unlink()


def single_and_shards_without_index(folder, other):
    shard(folder, other, index=False)


def single_under_an_index(folder, other):
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": dict.fromkeys(own(folder), SINGLE)}))


def shards_without_index(folder, other):
    sharded(folder, other)
    (folder / INDEX).unlink()


def a_shard_gone(folder, other):
    sharded(folder, other)
    (folder / "model-00002-of-00002.safetensors").unlink()


def older_shards_beside(folder, other):
    shard(folder, other, of=3, index=False)
    sharded(folder, other)


def another_single(folder, other):
    write(other, folder / "merged.safetensors")


def only_another_name(folder, other):
    (folder / SINGLE).rename(folder / "consolidated.safetensors")


def only_a_variant(folder, other):
    (folder / SINGLE).rename(folder / "model.fp16.safetensors")


def several_names(folder, other):
    write(other, folder / "b.safetensors")
    (folder / SINGLE).rename(folder / "a.safetensors")


def variant_beside(folder, other):
    write(other, folder / "model.fp16.safetensors")


def consolidated_beside(folder, other):
    write(other, folder / "consolidated.safetensors")


def consolidated_beside_shards(folder, other):
    sharded(folder, other)
    write(other, folder / "consolidated.safetensors")


def optimizer_beside(folder, other):
    write({f"exp_avg.{name}": tensor for name, tensor in other.items()}, folder / "optimizer.safetensors")


def adapter_weights_beside(folder, other):
    write({f"base_model.model.{TENSOR}": other[TENSOR]}, folder / "adapter_model.safetensors")


def damaged_beside(folder, other):
    (folder / "scratch.safetensors").write_bytes(b"nothing")


def pickles_beside(folder, other):
    torch.save(other, folder / "pytorch_model.bin")


def in_a_subfolder(folder, other):
    (folder / "original").mkdir()
    write(other, folder / "original" / "consolidated.00.safetensors")
    write(other, folder / "original" / SINGLE)


def index_names_less(folder, other):
    sharded(folder, other)
    found = json.loads((folder / INDEX).read_text())
    del found["weight_map"][TENSOR]
    (folder / INDEX).write_text(json.dumps(found))


def index_names_more(folder, other):
    shard(folder, own(folder), nothing="model-00001-of-00002.safetensors")
    (folder / SINGLE).unlink()


def index_names_another_place(folder, other):
    shard(folder, own(folder), **{name: "model-00001-of-00002.safetensors" for name in own(folder)})
    (folder / SINGLE).unlink()


def index_of_nothing(folder, other):
    (folder / INDEX).write_text('{"metadata": {}, "weight_map": {}}')


def index_without_metadata(folder, other):
    sharded(folder, other)
    (folder / INDEX).write_text(json.dumps({"weight_map": json.loads((folder / INDEX).read_text())["weight_map"]}))


def a_tensor_in_two_shards(folder, other):
    sharded(folder, other)
    for path in sorted(folder.glob("model-*")):
        write(load_file(path) | {TENSOR: other[TENSOR] * len(path.name)}, path)


def state(folder, **stated):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | stated))


def a_name_in_config(folder, other):
    write(other, folder / "x.safetensors")
    state(folder, transformers_weights="x.safetensors")


def the_usual_name_in_config(folder, other):
    state(folder, transformers_weights=SINGLE)


def an_adapter(folder, other):
    (folder / "adapter_config.json").write_text('{"base_model_name_or_path": "org/base", "peft_type": "LORA"}')


def only_an_adapter(folder, other):
    an_adapter(folder, other)
    for name in (SINGLE, "config.json"):
        (folder / name).unlink()


TAKEN = [
    sharded,
    single_under_an_index,
    variant_beside,
    consolidated_beside,
    consolidated_beside_shards,
    optimizer_beside,
    adapter_weights_beside,
    damaged_beside,
    pickles_beside,
    in_a_subfolder,
    index_names_less,
    the_usual_name_in_config,
]
"""Folders of which every library takes the model's own weights."""
