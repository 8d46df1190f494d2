"""Options of detectors of machine-written text: any pair of scorers, thresholds published or fitted, closed ones from a file."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from anatomy.config.section import Section
from anatomy.config.subjects import Dtype

LIKELIHOOD = ("binoculars", "fast_detectgpt", "imbd")
PUBLISHED_PAIRS = ("gpt-j-6B_gpt-neo-2.7B", "gpt-neo-2.7B_gpt-neo-2.7B", "falcon-7b_falcon-7b-instruct")


class Reading(Section):
    """How scorers read a text."""

    token_budget: int = Field(4096, ge=1, description="tokens in one batch, with padding")
    max_tokens: int = Field(512, ge=2, description="texts are read up to this number of tokens; 512 in Binoculars")
    min_tokens: int = Field(16, ge=1, description="texts with fewer scored tokens than this are excluded, and counted")
    beginning: bool = Field(False, description="score the first word too, after a beginning token; published detectors do not")
    leading_space: bool = Field(False, description="read a text with a space in front, as it stood after its prefix")


class Detector(Section):
    """One detector."""

    kind: Literal["binoculars", "fast_detectgpt", "imbd", "ngrams", "score_file"] = Field(
        description="the method. imbd is fast_detectgpt with one scorer and its adapter; ngrams is no language model but "
        "a classifier, trained on texts of the training prefixes; score_file reads the scores of a closed "
        "detector"
    )
    reference: str | None = Field(
        None, description="observer (binoculars) or sampling model (fast_detectgpt): folder, or id of models; null: scorer"
    )
    scorer: str | None = Field(None, description="performer or scoring model: a folder, or an id of models")
    adapter: str | None = Field(None, description="folder of a LoRA adapter that is merged into the scorer, as ImBD's is")
    dtype: Dtype = Field("auto", description="number format of the scorers; log-probabilities are taken in float32")
    reading: Reading = Field(Reading(), description="how texts are read")
    calibration: Literal[
        "fitted", "low_fpr", "best_f1", "gpt-j-6B_gpt-neo-2.7B", "gpt-neo-2.7B_gpt-neo-2.7B", "falcon-7b_falcon-7b-instruct"
    ] = Field(
        "fitted",
        description="threshold: fitted on human and aligned texts of training prefixes, or published: low_fpr and "
        "best_f1 of Binoculars, the pairs of Fast-DetectGPT",
    )
    file: str | None = Field(None, description="score_file: CSV, JSONL or Parquet with digest or text, and a score in [0, 1]")
    column: str = Field("score", description="score_file: column of the score")
    threshold: float = Field(0.5, ge=0, le=1, description="score_file: a text is flagged above this score")

    @model_validator(mode="after")
    def whole(self) -> Detector:
        likelihood = self.kind in LIKELIHOOD
        if likelihood != (self.scorer is not None) or (self.kind == "score_file") != (self.file is not None):
            raise ValueError(f"kind {self.kind!r}; expected a scorer for {', '.join(LIKELIHOOD)} and a file for score_file")
        if self.kind == "binoculars" and self.reference is None:
            raise ValueError("binoculars without a reference; expected an observer and a performer that differ")
        if self.kind == "imbd" and self.reference is not None:
            raise ValueError("imbd with a reference; expected one tuned scorer, which is its own reference")
        published = {
            "binoculars": ("low_fpr", "best_f1"),
            "imbd": (),
            "ngrams": (),
            "score_file": (),
            "fast_detectgpt": PUBLISHED_PAIRS,
        }[self.kind]
        if self.calibration not in ("fitted", *published):
            raise ValueError(f"calibration {self.calibration!r} for {self.kind}; expected one of {('fitted', *published)}")
        return self
