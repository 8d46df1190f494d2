"""The other papers on the quick run, small: two with a section of its page, two with pages of their own."""

from pathlib import Path

import yaml
from quick_run import Run

TARGETS = ("superficial", "pruning", "mechanisms")
SMALL = {
    "recipes": ["rosi", "superficial", "pruning"],
    "superficial": {
        "ranks": [1],
        "control_rank": 4,
        "transfer": {"sweep": [], "training": {"epochs": 30}},
        "orders": ["chat-plain"],
        "baselines": {"examples": 24, "epochs": 6},
    },
    "pruning": {
        "models": ["base", "aligned"],
        "prune": [0.001, 0.003, 0.01],
        "preserve": [0.05],
        "control_draws": 1,
        "finetuning": {"looks": [0, 8]},
    },
    "pasta": {
        "pairs": {"aligned": "base"},
        "detectors": ["binoculars", "ngrams"],
        "fit_prefixes": 24,
        "select_prefixes": 8,
        "test_prefixes": 12,
        "requests": 6,
        "test_requests": 8,
        "benchmark_items": 4,
        "layers": [2, 4],
        "scales": [0.0, 1.0],
        "searched_edits": {"ablate": [0.5], "subtract": [1.0]},
        "searched_positions": ["all"],
        "searched_directions": ["answer", "first_token_without_refusal"],
        "controls": {"orthogonal": 2, "equal_variance": 1, "swept": 1},
        "limits": {"accuracy": 1.0, "refusal": 1.0, "over_refusal": 1.0, "degenerate": 1.0},
    },
    "mechanisms": {"models": ["aligned", "base"], "pairs": 4, "prompts": 24, "lens": {"epochs": 3}},
}


def run_papers(finished: Run, folder: Path, targets: tuple[str, ...] = TARGETS) -> Run:
    """A copy of the finished quick run in ``folder``, gone on with in one call."""
    copy = finished.copy(folder / "run")
    overlay = folder / "small.yaml"
    overlay.write_text(yaml.safe_dump(SMALL), encoding="utf-8")
    copy.call(*targets, configs=(overlay,))
    return copy
