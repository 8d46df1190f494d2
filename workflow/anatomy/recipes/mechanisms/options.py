"""Options of the mechanism battery."""

from __future__ import annotations

from pydantic import Field, model_validator

from anatomy.config.section import Identifier, Section
from anatomy.recipes.mechanisms.circuit_options import Interchange, Paths
from anatomy.recipes.mechanisms.steering_options import Steered


class Lens(Section):
    """How the maps of the tuned lens are trained."""

    learning_rate: float = Field(0.001, gt=0, description="of Adam")
    epochs: int = Field(20, ge=1, description="most passes over the streams")
    patience: int = Field(3, ge=1, description="epochs without a lower held-out divergence after which a layer's training stops")
    batch: int = Field(64, ge=1, description="streams a step")
    held_out: float = Field(0.2, gt=0, lt=1, description="share of the prompts' groups that are held out")


class Features(Section):
    """A sparse autoencoder on one layer's stream, trained on the model's own prompts and answers, or loaded."""

    layer: int | None = Field(
        None, ge=0, description="block whose input it reads; null for the layer of the picked direction, else the middle one"
    )
    file: str | None = Field(
        None,
        description="safetensors with encoder.weight, encoder.bias, W_dec and b_dec of this model and layer; null to train one",
    )
    size: int = Field(512, ge=2, description="features of one that is trained")
    active: int = Field(16, ge=1, description="features that may fire on one token")
    learning_rate: float = Field(0.003, gt=0, description="of Adam")
    steps: int = Field(1500, ge=1, description="of training")
    batch: int = Field(256, ge=1, description="tokens a step")
    recovered: float = Field(
        0.8, gt=0, lt=1, description="share of the loss between mean-ablation and the model that has to be recovered in claims"
    )
    steered: int = Field(24, ge=1, description="most test prompts of each kind that are steered by features")
    random: int = Field(19, ge=1, description="living features drawn as controls of steering; 19 allow a rank p of 1 in 20")

    @model_validator(mode="after")
    def _fits(self) -> Features:
        if self.active > self.size and self.file is None:
            raise ValueError(f"active is {self.active}, more than the {self.size} features that there are (size)")
        return self


class OwnFact(Section):
    """A fact that a model of one's own knows, in one's own wording."""

    subject: str = Field(..., min_length=1, description="what the fact is about")
    prompt: str = Field(..., min_length=1, description="sentence with {} for the subject that ends before the object")
    object: str = Field(..., min_length=1, description="what is said of it, as the model knows it")
    new: str = Field(..., min_length=1, description="what is to be said in its place")
    paraphrases: list[str] = Field([], description="other sentences with {} for the subject that end before the object")
    contrary: str | None = Field(
        None, description="another subject of as many tokens, with another object, for patching; null where there is none"
    )

    @model_validator(mode="after")
    def _has_a_place(self) -> OwnFact:
        for text in (self.prompt, *self.paraphrases):
            if text.count("{}") != 1 or text != text.rstrip():
                raise ValueError(f"{text!r} has to have one {{}}, where the subject stands, and no blank at its end")
        for text in (self.subject, self.object, self.new, self.contrary or self.subject):
            if not text.strip() or text != text.strip():
                raise ValueError(f"{text!r} has to be words without a blank before or behind them")
        if self.new == self.object:
            raise ValueError(f"{self.new!r} is said of {self.subject!r} already (object): new has to be something else")
        if self.contrary == self.subject:
            raise ValueError(f"contrary is the subject {self.subject!r} itself; name another one, or leave it out")
        for name in (self.subject, *([] if self.contrary is None else [self.contrary])):
            if name in self.prompt:
                raise ValueError(
                    f"{name!r} stands in {self.prompt!r} beside the subject's own place, so that it could not be told which of "
                    "the two is read; word the sentence without it"
                )
        return self


class Facts(Section):
    """Rewriting facts in one MLP."""

    count: int = Field(
        12,
        ge=2,
        description="facts of an organism that are rewritten, of those that the model states rightly; of 6, no p-value is below "
        "1 in 64, and no claim stands after Holm's correction",
    )
    layers: int = Field(6, ge=1, description="blocks, evenly spaced, whose MLP is edited")
    own: list[OwnFact] = Field([], description="facts of a model of one's own; without any the claims about it are not testable")

    @model_validator(mode="after")
    def _is_told_once(self) -> Facts:
        if len(self.own) == 1:
            raise ValueError("own tells one fact: the others are what has to stay, so that it takes at least two, or none")
        said = [(fact.subject, fact.prompt) for fact in self.own]
        if twice := sorted({one for one in said if said.count(one) > 1}):
            raise ValueError(f"own tells {twice[0][1]!r} of {twice[0][0]!r} more than once; it would be its own unrelated fact")
        return self


class Mechanisms(Section):
    """Where alignment sits, seen by every instrument."""

    models: list[Identifier] = Field(
        ["aligned", "base"],
        description="organism members or models that are looked into; those that a run lacks are left out. A base shows what "
        "instruments find where there is no refusal",
    )
    prompts: int = Field(
        64,
        ge=4,
        description="most prompts of each kind and split: instruments learn on extraction's prompt sets (fit) and are tested "
        "on evaluation's (test)",
    )
    pairs: int = Field(
        12, ge=1, description="most pairs of a harmful and a harmless prompt of equal length whose activations are exchanged"
    )
    few: int = Field(8, ge=1, description="features of the sparse probe")
    lens: Lens | None = Field(Lens(), description="the tuned lens; null for the logit lens alone")
    features: Features | None = Field(Features(), description="a sparse autoencoder; null for none")
    facts: Facts | None = Field(Facts(), description="facts rewritten by a rank-one change of one MLP; null for none")
    doses: list[float] = Field(
        [-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0],
        min_length=1,
        description="multiples of the picked direction that are added, 1 being the distance of harmful from harmless requests "
        "along it; 0, 1 and -1 are what claims are about, and are always asked",
    )
    steered: Steered = Field(Steered(), description="other ways of steering by the picked direction, beside controls")
    paths: Paths = Field(Paths(), description="heads whose paths are followed, to later heads and past them")
    interchange: Interchange = Field(
        Interchange(),
        description="a subspace of the stream that is learned on fit pairs and exchanged in test pairs, at the picked "
        "direction's place",
    )
    seed: int = Field(0, ge=0, description="of shuffled labels, random tokens and directions, and what is held out")
    causal: float = Field(
        0.5,
        gt=0,
        lt=1,
        description="share of the metric that a patch at the picked direction's place has to bring back in claims",
    )
    alike: float = Field(
        0.5, gt=0, lt=1, description="rank correlation above which attribution patching stands for patching in claims"
    )
