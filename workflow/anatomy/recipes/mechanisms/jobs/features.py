"""A sparse autoencoder on one layer of a model, how faithful it is, and what its features stand for."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import torch

from anatomy.errors import ConfigError
from anatomy.interventions.instruments.feature_fidelity import fidelity, spliced_losses, token_streams
from anatomy.interventions.instruments.logit_lens import last_streams
from anatomy.interventions.instruments.sparse_autoencoder import SparseTraining, load_autoencoder, train_autoencoder
from anatomy.models.loading import LoadedModel
from anatomy.models.rendering import render
from anatomy.recipes.mechanisms.evidence_tables import FEATURES
from anatomy.recipes.mechanisms.stages.features import Texts, feature_cards, nearest_features, steered_by_features
from anatomy.recipes.mechanisms.stages.looked import read_prompts
from anatomy.stages.opening import opened
from anatomy.stages.own_answers import read_refusal_tokens
from anatomy.stages.rendering import answer_rendering
from anatomy.stages.running import Files, Running, written
from anatomy.stages.selected_direction import place_of, read_selected
from anatomy.stages.soundness import sound_model
from anatomy.store.files import read_table, write_table

PINS: tuple[str, ...] = ("torch", "transformers")
NOT_PINNED = {
    "vllm": "an engine is imported with what serves either way; nothing here is generated",
    "scikit-learn": "imported with what fits probes; none is fitted here",
}


def run(job: Running, files: Files) -> None:
    """Train on the model's own answers of fit, measure on those of select, steer prompts of test. Nothing edited is kept."""
    torch.set_num_threads(job.threads)
    wanted, options = job.config.mechanisms, job.config.mechanisms.features
    loaded = opened(sound_model(files.input["model"]))
    place = place_of(next(iter(read_selected(Path(files.input["direction"])).values())))
    layer = _layer(options.layer, None if place is None else place[1], loaded)
    budget = job.config.extraction.token_budget
    answers = read_table(Path(files.input["answers"]))
    texts = {phase: _texts(job, loaded, answers[answers["phase"] == phase]) for phase in ("fit", "select")}
    streams = {phase: token_streams(loaded, one.tokens, layer, budget, one.ids) for phase, one in texts.items()}
    learnt = torch.cat(streams["fit"])
    if options.file is None:
        training = SparseTraining(options.size, options.active, options.learning_rate, options.steps, options.batch, wanted.seed)
        coder = train_autoencoder(learnt, training)
    else:
        coder = load_autoencoder(Path(options.file), loaded.d_model, options.active)
    held = texts["select"]
    # Of the answers alone: prompts of select are framed by the same template as those that the features were trained on.
    answered = [stream[begin - 1 :] for stream, begin in zip(streams["select"], held.begins, strict=True)]
    kept = fidelity(coder, torch.cat(answered))
    spliced = spliced_losses(loaded, coder, layer, learnt.mean(0), held.tokens, held.begins, held.ids, budget)
    described = held.table.drop_duplicates("id").set_index("id")
    spliced = spliced.assign(group=spliced["id"].map(described["group"]), side=spliced["id"].map(described["label"]))
    recovered = ((spliced["mean"] - spliced["spliced"]).sum() / (spliced["mean"] - spliced["clean"]).sum()).item()
    job.say(
        f"{job.subject.id}: layer {layer}, {len(coder.decoder)} features, {kept['active']:.1f} at once; on held-out answers "
        f"{kept['explained']:.3f} of the variance and {recovered:.3f} of the loss"
    )
    vectors = read_table(Path(files.input["vectors"]))
    own = vectors[vectors["layer"] == layer].set_index("direction")["vector"]
    directions = {name: torch.tensor(vector) for name, vector in own.items() if any(vector)}
    nearest = nearest_features(coder, directions, wanted.seed)
    fit, test = (read_prompts(job.config, job.subject, loaded, phase, wanted.prompts) for phase in ("fit", "test"))
    last = {side: last_streams(loaded, one.tokens, budget, one.ids)[layer] for side, one in test.items()}
    source = "trained" if options.file is None else "loaded"
    found = {
        "fidelity": pd.DataFrame([{"layer": layer, "features": len(coder.decoder), **kept, "source": source}]),
        "spliced": spliced,
        "feature_directions": nearest,
        "cards": feature_cards(loaded, coder, streams["fit"], texts["fit"].tokens, last, nearest),
    }
    tokens = read_refusal_tokens(Path(files.input["refusal_tokens"]))["tokens"]
    name = next((name for name in ("picked", "refusal") if name in directions), None)
    if tokens and name is not None:
        alive = (coder.encode(learnt) > 0).any(0).nonzero()[:, 0].tolist()
        best = int(nearest.loc[(nearest["direction"] == name) & (nearest["rank"] == 1), "feature"].iloc[0])
        found["feature_steering"] = steered_by_features(
            job.config, loaded, coder, layer, best, alive, directions[name], fit, test, tokens
        )
    for table, columns in FEATURES.items():
        rows = found.get(table, pd.DataFrame(columns=list(columns)))
        write_table(written(files, table), rows.assign(model=job.subject.id))


def _layer(asked: int | None, picked: int | None, loaded: LoadedModel) -> int:
    """The layer that is read.

    Raises:
        ConfigError: one that the model does not have.
    """
    if asked is None:
        return loaded.num_layers // 2 if picked is None else picked
    if asked >= loaded.num_layers:
        raise ConfigError(
            found=f"mechanisms.features.layer {asked}",
            expected=f"a layer below {loaded.num_layers}, the blocks of the model",
            where=str(loaded.folder),
            remedy="lower it, or leave it out for the layer of the picked direction",
        )
    return asked


def _texts(job: Running, loaded: LoadedModel, rows: pd.DataFrame) -> Texts:
    """Prompts with the answers that the model gave; an empty answer leaves the prompt."""
    prompts = render(loaded.tokenizer, list(rows["prompt"]), answer_rendering(job.config.evaluation, job.subject))
    answers = loaded.tokenizer(list(rows["response"]), add_special_tokens=False)["input_ids"]
    read = [[*prompt, *answer] for prompt, answer in zip(prompts, answers, strict=True)]
    return Texts(rows.reset_index(drop=True), read, list(map(len, prompts)))
