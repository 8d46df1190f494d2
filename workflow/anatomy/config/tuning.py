"""Options of a model of your own that is made from another model of the run by training (``models.<id>.tuned``)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

from pydantic import ConfigDict, Field, model_validator

from anatomy.config.section import Identifier, Section

Responses = Literal["own", "refusal", "styled"]
TuningDtype = Literal["auto", "float32", "bfloat16"]


class TunedData(Section):
    """Prompts with responses that a model is trained on, and their share of it."""

    prompts: Identifier = Field(
        description="prompt set. Its split fit is trained on, rows of select are held out; its test split is not read"
    )
    share: float = Field(gt=0, le=1, description="share of the tokens of training; the shares of all parts add up to 1")
    responses: Responses = Field(
        description="own: the set's own column response. refusal: refusals in this package's wording, one for each prompt. "
        "styled: the set's own responses between an opener and a closer in this package's wording, several sentences as a list "
        "(workflow/anatomy/tuning/written_responses.py has all wordings)"
    )


class Tuned(Section):
    """How a model is made from another one: LoRA on prompts with responses, merged into weights of its own."""

    model_config = ConfigDict(serialize_by_alias=True)  # `from` is a word of Python's

    from_: Identifier = Field(alias="from", description="id, among the models, of the model that the training starts from")
    data: list[TunedData] = Field(
        min_length=1,
        description="what it is trained on: [{prompts: set, share: .5, responses: own}, ...]. A set that stands in several parts "
        "is divided between them, so that no prompt is trained with two responses",
    )
    chat_template: Literal["own", "plain", "none"] = Field(
        description="how prompts are put in training, and to the model afterwards. own: by the chat template that it comes with. "
        "plain: by a template of this package, which is written into the tokenizer of a model that has none "
        "(workflow/anatomy/tuning/plain_template.py). none: as plain text; needs template: false"
    )
    rank: int = Field(ge=1, description="rank of the adapter")
    alpha: float = Field(gt=0, description="scale of the adapter: its product is multiplied by alpha / rank")
    targets: Literal["all"] | list[str] = Field(
        description="matrices that get an adapter, by the last part of their name: [q_proj, v_proj]; all: all of the blocks"
    )
    tokens: int = Field(
        ge=1, description="tokens of training, prompts and responses; rows are read again in a new order where they run out"
    )
    batch_tokens: int = Field(ge=1, description="tokens of a step: rows are added until there are so many")
    row_tokens: int = Field(ge=8, description="largest number of tokens of a row; longer rows are left out and counted")
    learning_rate: float = Field(gt=0, description="learning rate of AdamW")
    schedule: Literal["constant", "linear"] = Field(description="of the learning rate; linear: down to zero at the last step")
    warmup: float = Field(ge=0, lt=1, description="share of the steps over which the learning rate rises")
    seed: int = Field(description="seed of the adapter's beginning and of the order of rows")
    held_out: int = Field(
        32, ge=1, description="number of rows of each part, at most, on which the loss is measured before and after the training"
    )
    dtype: TuningDtype = Field(
        "auto",
        description="number format in which the frozen model computes in training; the adapter and its sums are float32. auto: "
        "what this machine multiplies fast. It changes results, and stands on the model's card",
    )
    micro_tokens: int = Field(
        1024,
        ge=1,
        description="tokens computed at a time, with padding: memory against speed. Sums are rounded in another order, else it "
        "changes no result",
    )
    checkpointing: bool = Field(
        False,
        description="compute activations again in the backward pass (gradient checkpointing): less memory, a third more time",
    )
    keep_every: int = Field(
        20, ge=1, description="steps after which the training is kept, so that a killed one goes on from there"
    )

    @model_validator(mode="after")
    def whole_shares(self) -> Tuned:
        total = sum(part.share for part in self.data)
        if abs(total - 1) > 1e-9:
            raise ValueError(f"shares of data add up to {total:g}; expected 1")
        if self.targets != "all" and (not self.targets or len(set(self.targets)) != len(self.targets)):
            raise ValueError(f"targets is {self.targets}; expected all, or names of matrices, each once")
        if len({(part.prompts, part.responses) for part in self.data}) != len(self.data):
            raise ValueError("data names a set with the same responses twice; expected one part with the sum of their shares")
        return self


def check_tuned(tuned: Mapping[str, Tuned], models: Collection[str], prompt_sets: Collection[str]) -> None:
    """What no single model can see: where each training starts from, and that its prompts are there.

    Args:
        tuned: models that are made by training.
        models: ids of all models.
        prompt_sets: names of all prompt sets.

    Raises:
        ValueError: a start that is no other model or leads back to itself, or a set that is not there.
    """
    for name, options in tuned.items():
        if options.from_ not in models:
            raise ValueError(
                f"models.{name}.tuned.from is {options.from_!r}; expected the id of another model of {sorted(models)}"
            )
        chain = [name]
        while chain[-1] in tuned:
            chain.append(tuned[chain[-1]].from_)
            if chain[-1] in chain[:-1]:
                raise ValueError(
                    f"models.{name}.tuned.from leads back to itself ({' from '.join(chain)}); expected a model with weights"
                )
        if unknown := [part.prompts for part in options.data if part.prompts not in prompt_sets]:
            raise ValueError(
                f"models.{name}.tuned.data names the prompt set {unknown[0]!r}; expected one of {sorted(prompt_sets)}"
            )
