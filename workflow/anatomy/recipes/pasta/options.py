"""Options of PASTA: measure, localise and ablate the signature of post-training (Anand et al. 2026)."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from anatomy.config.detecting import Detector
from anatomy.config.section import Identifier, Section
from anatomy.config.subjects import Dtype

HookSite = Literal["block_input", "attention_output", "mlp_output"]
HookPositions = Literal["all", "last_prompt", "generated"]
Strategy = Literal["A", "B1", "B2", "B3", "C1", "C2", "D", "E", "F"]
SearchedDirection = Literal["answer", "first_token", "first_token_without_refusal", "same_text"]
Marker = Literal["opener", "hedge", "closer", "phrase", "layout"]
SearchedForm = Literal["ablate", "subtract"]
FamilyDetector = Literal["binoculars", "fast_detectgpt", "imbd", "ngrams"]

PAPER_SITES: list[HookSite] = ["block_input", "attention_output", "mlp_output"]


class PastaDecoding(Section):
    """How continuations are sampled."""

    temperature: float = Field(1.0, ge=0, description="1.0 in the paper; 0 is greedy")
    top_p: float = Field(0.95, gt=0, le=1, description="nucleus; 0.95 in the paper")
    max_new_tokens: int = Field(32, ge=1, description="length of a continuation, in tokens; 400 in the paper")
    seed: int = Field(123, description="seed from which, with its id, each prefix derives its own")


class PastaControls(Section):
    """How many directions of each family stand beside the signature at the same layer and sites."""

    orthogonal: int = Field(
        10,
        ge=0,
        description="random directions orthogonal to the signature (five in the paper); a rank among controls needs 19, "
        "together with equal_variance",
    )
    equal_variance: int = Field(
        10,
        ge=0,
        description="random directions orthogonal to it whose ablation removes as much of the activations as the signature's",
    )
    swept: int = Field(2, ge=0, description="orthogonal directions that go through the same search over layers as the signature")


class PastaLimits(Section):
    """What an operating point may cost on the select split."""

    accuracy: float = Field(
        0.10,
        ge=0,
        description="largest fall in the accuracy of answers to benign requests (organism only; models of your own have "
        "no such limit)",
    )
    refusal: float = Field(0.05, ge=0, description="largest fall in the refusal of harmful requests")
    over_refusal: float = Field(0.10, ge=0, description="largest rise in the refusal of benign requests")
    degenerate: float = Field(0.10, ge=0, description="largest rise in the share of degenerate continuations")


class PastaPairwise(Section):
    """A chat model that says which of two continuations is the better one, asked in both orders."""

    judge: str = Field(
        min_length=1, description="a folder, or an id of models; none of the pair's own models, which would judge themselves"
    )
    items: int = Field(50, ge=2, description="test prefixes whose continuations are compared, the first of each domain in turn")
    dtype: Dtype = Field("auto", description="number format for serving")
    max_model_len: int = Field(4096, ge=64, description="tokens of a question and its answer; longer texts are both cut alike")


class Pasta(Section):
    """The signature of post-training: a contrast of an aligned model with its base under matched human prefixes."""

    pairs: dict[Identifier, Identifier] = Field(
        {"aligned": "base", "placebo-1": "base"},
        description="each aligned model and its base: organism members (for every seed), or ids of your own models. "
        "Members that a run does not grow are left out; a placebo is the negative control",
    )
    scorers_seed: int = Field(
        101,
        description="organism: seed of another family, of which the detectors are made. Its base and aligned model score "
        "the texts, its own texts train and calibrate the detectors, and its base stands in the contrast of "
        "two base models. It must not be one of seeds",
    )
    prefixes: Identifier = Field("prefixes", description="prompt set of human prefixes with their held-out continuations")
    strategy: Strategy = Field(
        "A", description="how a prefix is put to the base model and to the aligned one; strategy A in the paper"
    )
    fit_prefixes: int = Field(48, ge=2, description="number of prefixes from which the signature is computed")
    select_prefixes: int = Field(24, ge=2, description="number of prefixes on which a layer is chosen; 25 in the paper")
    test_prefixes: int = Field(48, ge=2, description="number of prefixes of the test; 125 in the paper")
    requests: int = Field(
        64, ge=1, description="number of harmful and of benign requests in the search: they show what an ablation costs"
    )
    test_requests: int = Field(
        96, ge=1, description="the same in the test; from about 60 on, a fall of refusal by refusal_margin can be excluded"
    )
    decoding: PastaDecoding = Field(PastaDecoding(), description="how continuations are sampled")
    detectors: list[FamilyDetector] = Field(
        ["binoculars", "fast_detectgpt", "imbd", "ngrams"],
        min_length=1,
        description="organism: detectors of machine-written text, made of the family of scorers_seed. Each chooses a "
        "layer; controls stand at the one that the first detector chooses. ngrams is a classifier, not a "
        "language model",
    )
    own_detectors: dict[Identifier, Detector] = Field(
        {},
        description="your own models: detectors by name. Each chooses a layer; controls stand at the one that the first "
        "detector chooses. Score files of closed detectors measure the test split alone and choose nothing",
    )
    pairwise: PastaPairwise | None = Field(
        None,
        description="your own models: {judge: folder or id of a model}, a chat model that compares edited with unedited "
        "texts for relevance and fluency; null: the claims about these are not testable here",
    )
    benchmark_items: int = Field(
        32, ge=1, description="number of items of each benchmark, for the unedited model, the picks and the orthogonal directions"
    )
    diversity_words: int | None = Field(
        8,
        ge=1,
        description="number of words to which texts are cut before their diversity is measured, since short texts repeat "
        "less; null: whole texts",
    )
    layers: Literal["all"] | list[int] = Field(
        "all",
        description="layers whose signature is tried. Layer l is the input of block l, so the paper's block l is l + 1 here",
    )
    scales: list[float] = Field(
        [0.0, 0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0],
        min_length=1,
        description="shares of the signature that are taken out, for the dose-response curve",
    )
    sites: list[HookSite] = Field(PAPER_SITES, min_length=1, description="where it is taken out, in every block")
    searched_edits: dict[SearchedForm, list[Annotated[float, Field(gt=0)]]] = Field(
        {"ablate": [0.5, 1.0], "subtract": [1.5, 2.0]},
        min_length=1,
        description="edits tried for the operating point, with their scales; among those within the limits it is the one "
        "that leaves the fewest removed_markers. ablate: project the direction out of every block (paper); "
        "subtract: take the difference in means, unnormalised, from the stream at one block's input (ours). "
        "An empty list leaves an edit out",
    )
    removed_markers: list[Marker] = Field(
        ["opener"],
        min_length=1,
        description="kinds of style markers (from a general list of ours) that the operating point should take out of "
        "continuations. All kinds but opener grow with length, so that shorter texts have fewer",
    )
    searched_directions: list[SearchedDirection] = Field(
        ["answer", "first_token", "first_token_without_refusal"],
        min_length=1,
        description="directions tried for the operating point. answer: the signature (paper); first_token: the same "
        "contrast where the first token of an answer is predicted; first_token_without_refusal: that, with "
        "the layer's refusal direction taken out; same_text: both models reading a human's text. All but the "
        "first are ours",
    )
    searched_positions: list[HookPositions] = Field(
        ["all", "last_prompt"],
        min_length=1,
        description="token positions edited, tried for the operating point; all in the paper. last_prompt: only where the "
        "first token of an answer is predicted",
    )
    token_budget: int = Field(4096, ge=1, description="tokens in one forward pass: changes memory, not results")
    sketch: int = Field(
        16, ge=2, description="number of random projections of the activations from which their top principal component is found"
    )
    controls: PastaControls = Field(PastaControls(), description="number of control directions of each kind")
    limits: PastaLimits = Field(PastaLimits(), description="what the operating point may cost on the select split")
    opener_rate: float = Field(
        0.30,
        ge=0,
        le=1,
        description="organism: the style counts as removed if the whole interval of the rate of openers lies below this",
    )
    random_opener_rate: float = Field(
        0.95, ge=0, le=1, description="organism: rate of openers that must remain under random directions"
    )
    kept_margin: float = Field(
        0.10,
        gt=0,
        description="accuracy counts as kept if the interval of its change excludes a fall by more than this; differences "
        "between wordings, if it lies within",
    )
    refusal_margin: float = Field(
        0.05,
        gt=0,
        description="refusal of harmful requests counts as kept if the interval of its change excludes a fall by more than this",
    )
    published: str | None = Field(
        None, description="CSV with the released numbers: quantity (layer, score, flagged), model, detector, category, value"
    )

    @model_validator(mode="after")
    def _selecting(self) -> Pasta:
        if self.own_detectors and next(iter(self.own_detectors.values())).kind == "score_file":
            raise ValueError(
                f"own_detectors starts with {next(iter(self.own_detectors))!r}, a score file; expected a detector "
                "that runs here, since the first one selects"
            )
        return self

    def requests_of(self, phase: str) -> int:
        """Requests of each kind that a phase asks."""
        return self.test_requests if phase == "test" else self.requests

    def selecting(self, organism: bool) -> list[str]:
        """Detectors that score the select split, in order: never closed ones, for they are no objective."""
        if organism:
            return list(self.detectors)
        return [name for name, one in self.own_detectors.items() if one.kind != "score_file"]
