"""A seed's world as files: for training, for methods, and for those who may know what was planted."""

import json
import os
import shutil
from pathlib import Path

from anatomy.organism.prompts import prompt_tables
from anatomy.organism.recipe import OrganismRecipe
from anatomy.organism.tasks import write_tasks
from anatomy.organism.tokenizer import build_tokenizer, write_tokenizer
from anatomy.organism.truth import planted_truth
from anatomy.organism.world import make_world


def write_world(seed: int, recipe: OrganismRecipe, folder: Path) -> None:
    """Write the world of a seed into `folder`, whole or not at all.

    `world.json` and `tokenizer/` are for training, `prompts/*.parquet` and `tasks/` for methods; `truth.json` is the
    manifest of what was planted, for the truth judge and the planted-truth claims only. The task files name their data
    by absolute path: write the world again after moving it.
    """
    folder = Path(folder)
    world = make_world(seed, recipe)
    aside = folder.with_name(f"{folder.name}.aside-{os.getpid()}")
    shutil.rmtree(aside, ignore_errors=True)
    (aside / "prompts").mkdir(parents=True)
    (aside / "world.json").write_text(json.dumps(world.to_json(), indent=1))
    (aside / "truth.json").write_text(json.dumps(planted_truth(world, recipe), indent=1))
    write_tokenizer(build_tokenizer(world, recipe), aside / "tokenizer", recipe.architecture.context)
    for name, table in prompt_tables(world).items():
        table.to_parquet(aside / "prompts" / f"{name}.parquet", index=False)
    write_tasks(world, recipe, aside / "tasks", folder / "tasks")
    for part in aside.iterdir():  # replace part by part: the folder may hold models beside the world
        target = folder / part.name
        if target.is_dir():
            shutil.rmtree(target)
        folder.mkdir(parents=True, exist_ok=True)
        part.replace(target)
    aside.rmdir()
