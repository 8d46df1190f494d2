"""The pipeline of Arditi et al. 2024 on any model whose template is in its tokenizer; runs in an environment of its own.

Their functions compute: directions, selection, orthogonalisation. What is ours is the thin model class that their selection
needs for a family that they have none for. Their checkout is on the path, and nothing of it is in this repository.

    python refusal_direction.py <folder with model, prompts; where the edit is left> <refusal tokens>
"""

import json
import sys
from functools import partial
from pathlib import Path

import torch
from marks import PICKED, SEARCH, say, say_result
from pipeline.model_utils.model_base import ModelBase
from pipeline.submodules.generate_directions import generate_directions
from pipeline.submodules.select_direction import get_refusal_scores, select_direction
from pipeline.utils.utils import get_orthogonalized_matrix
from transformers import AutoModelForCausalLM, AutoTokenizer


class OwnTemplateModel(ModelBase):
    """A Llama whose chat template and refusal tokens are given."""

    def __init__(self, folder: str, refusal_tokens: list[int]) -> None:
        self.given_tokens = refusal_tokens
        super().__init__(folder)

    def _load_model(self, model_name_or_path):
        return AutoModelForCausalLM.from_pretrained(model_name_or_path, dtype=torch.float32).eval().requires_grad_(False)

    def _load_tokenizer(self, model_name_or_path):
        tokenizer = AutoTokenizer.from_pretrained(model_name_or_path)
        tokenizer.padding_side = "left"
        return tokenizer

    def _rendered(self, instruction: str) -> str:
        turns = [{"role": "user", "content": instruction}]
        return self.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)

    def _tokenized(self, instructions):
        texts = [self._rendered(instruction) for instruction in instructions]
        return self.tokenizer(texts, padding=True, truncation=False, return_tensors="pt", add_special_tokens=False)

    def _get_tokenize_instructions_fn(self):
        return self._tokenized

    def _get_eoi_toks(self):
        """Each a list of its own: transformers 5 decodes a flat list as one text, and their plots are labelled token by token."""
        return [[token] for token in self.tokenizer.encode(self._rendered("{}").split("{}")[-1], add_special_tokens=False)]

    def _get_refusal_toks(self):
        return self.given_tokens

    def _get_model_block_modules(self):
        return self.model.model.layers

    def _get_attn_modules(self):
        return torch.nn.ModuleList([block.self_attn for block in self.model.model.layers])

    def _get_mlp_modules(self):
        return torch.nn.ModuleList([block.mlp for block in self.model.model.layers])

    def _get_orthogonalization_mod_fn(self, direction):
        return partial(taken_out, direction=direction)

    def _get_act_add_mod_fn(self, direction, coeff, layer):
        """Their base class asks every model for it; their selection adds directions by hooks and never by weights."""
        raise RuntimeError("an addition to weights was asked for, which their selection does not make: compare another commit")


def taken_out(model, direction) -> None:
    """Orthogonalise everything that writes to the stream, as their model classes do (section 4.1)."""
    embedding = model.model.embed_tokens.weight
    embedding.data = get_orthogonalized_matrix(embedding.data, direction)
    for block in model.model.layers:
        for writer in (block.self_attn.o_proj, block.mlp.down_proj):
            writer.weight.data = get_orthogonalized_matrix(writer.weight.data.T, direction).T.contiguous()


def filtered(model: OwnTemplateModel, prompts: list[str], harmful: bool) -> list[str]:
    """Harmful prompts that the model begins to refuse, harmless ones that it does not, as their pipeline filters."""
    scores = get_refusal_scores(model.model, prompts, model.tokenize_instructions_fn, model.refusal_toks).tolist()
    return [prompt for prompt, score in zip(prompts, scores, strict=True) if (score > 0) == harmful]


def main(folder: Path, refusal_tokens: list[int]) -> None:
    torch.set_num_threads(1)
    torch.set_grad_enabled(False)
    model = OwnTemplateModel(str(folder / "aligned"), refusal_tokens)
    sets = {
        (side, phase): filtered(model, (folder / f"{side}.{phase}.txt").read_text().splitlines(), side == "harmful")
        for side in ("harmful", "harmless")
        for phase in ("fit", "select")
    }
    artefacts = str(folder / "artefacts")
    directions = generate_directions(model, sets["harmful", "fit"], sets["harmless", "fit"], artefacts)
    say(SEARCH)
    within = True
    try:
        position, layer, direction = select_direction(
            model, sets["harmful", "select"], sets["harmless", "select"], directions, artefacts
        )
    except AssertionError as error:
        say(f"their selection ended with: {error}")
        within = False
        position, layer = lowest(Path(artefacts) / "direction_evaluations.json", len(model.model_block_modules))
        direction = directions[position, layer]
    say(PICKED)
    taken_out(model.model, direction)
    model.model.save_pretrained(folder / "edited")
    model.tokenizer.save_pretrained(folder / "edited")
    candidates = directions.shape[0] * directions.shape[1]
    say_result({"candidates": candidates, "within limits": within, "edit": {"position": int(position), "layer": int(layer)}})


def lowest(evaluations: Path, layers: int) -> tuple[int, int]:
    """Where nothing passes their limits their pipeline stops; here the lowest refusal score below their layer cut stands in."""
    rows = [row for row in json.loads(evaluations.read_text()) if row["layer"] < int(layers * 0.8)]
    best = min((row for row in rows if row["refusal_score"] == row["refusal_score"]), key=lambda row: row["refusal_score"])
    return best["position"], best["layer"]


if __name__ == "__main__":
    main(Path(sys.argv[1]), [int(token) for token in sys.argv[2].split(",")])
