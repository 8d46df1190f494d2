"""The files of a model folder that are no weights: configuration, tokenizer, template, licence."""

import json
import shutil
from pathlib import Path

from anatomy.models.weight_files import INDEX, PICKLED

SUFFIXES = (".json", ".jinja", ".txt", ".model", ".tiktoken")
LICENCES = ("LICENSE", "LICENCE", "NOTICE", "USE_POLICY")
LEFT = ("card.json", "export.json")
"""Records about the source folder."""


def companions(folder: Path) -> list[Path]:
    """Files that travel with the weights, by name. Code and second copies of the weights stay behind."""
    return sorted(path for path in folder.iterdir() if path.is_file() and _travels(path))


def _travels(path: Path) -> bool:
    of_pickles = any(f"{suffix}.index" in path.name for suffix in PICKLED)
    written_anew = path.name.endswith(".safetensors.index.json")
    kept = path.suffix in SUFFIXES or path.name.upper().startswith(LICENCES)
    return kept and not (of_pickles or written_anew or path.name in LEFT)


def copy_companions(source: Path, target: Path, *, untied: bool) -> list[str]:
    """Copy them; where the head was untied, the configuration says so.

    Returns:
        Names of the files copied.
    """
    copied = companions(source)
    for path in copied:
        shutil.copyfile(path, target / path.name)
    if untied:
        config = json.loads((source / "config.json").read_text(encoding="utf-8"))
        config["tie_word_embeddings"] = False
        if "tie_word_embeddings" in config.get("text_config", {}):
            config["text_config"]["tie_word_embeddings"] = False
        (target / "config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return [path.name for path in copied]


def copy_index(source: Path, target: Path, added: dict[str, tuple[str, int]]) -> None:
    """The index of a sharded checkpoint: byte for byte, or with added tensors (name to its shard and bytes)."""
    if not (source / INDEX).is_file():
        return
    shutil.copyfile(source / INDEX, target / INDEX)
    if added:
        index = json.loads((source / INDEX).read_text(encoding="utf-8"))
        index["weight_map"] |= {name: shard for name, (shard, _) in added.items()}
        if "total_size" in index.get("metadata", {}):
            index["metadata"]["total_size"] += sum(size for _, size in added.values())
        (target / INDEX).write_text(json.dumps(index, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
