"""What PASTA shows: every figure and table as data, cheap to list while rules are parsed."""

from __future__ import annotations

from anatomy.config.schema import Config
from anatomy.evidence.report.figure_plan import FigurePlan
from anatomy.recipes.pasta.pairs import pairs

TABLES = ("layers", "swap", "texts", "agreement", "seeds", "divergence", "weights", "published")
"""Tables of a run: chosen layers, detector swap, everything measured of texts, how far affinities agree, signatures across
seeds, how far each edit moves predictions on harmless requests, gap to weights, released numbers."""

KINDS = (
    ("detection", "text_measures", "measure", "How machine-like texts are", "detector"),
    ("affinity", "text_measures", "measure", "How near to human texts", "affinity"),
    ("domains", "text_domains", "measure", "Detection by domain", "detector"),
    ("curves", "layer_curves", "localise", "Which layer: every layer by every detector", ""),
    ("swap", "detector_swap", "localise", "If another detector had chosen", ""),
    ("geometry", "signature_geometry", "signature", "The signature in the residual stream", ""),
    ("cosines", "layer_cosines", "signature", "The signature at two layers", ""),
    ("writers", "signature_writers", "signature", "Who writes the signature", ""),
    ("dose", "signature_dose", "ablate", "How much is taken out", ""),
    ("diversity", "text_measures", "ablate", "Diversity", "diversity"),
    ("style", "text_measures", "ablate", "Style and length", "style"),
    ("cost", "text_measures", "cost", "What it costs", "quality"),
    ("safety", "text_measures", "cost", "Refusals and right answers", "safety"),
    ("operating", "operating_points", "cost", "The search for an operating point", ""),
    ("front", "detection_front", "cost", "What lowering detection costs, beside controls", ""),
    ("tradeoff", "detection_tradeoff", "cost", "Detection against quality", ""),
)
"""File name, kind, section, title and part of the evidence of each figure of a pair."""


def figure_plans(config: Config) -> list[FigurePlan]:
    """Every figure of a run, in the order of the page: section by section, pair by pair."""
    order = list(dict.fromkeys(section for _, _, section, _, _ in KINDS))
    plans = [
        FigurePlan(f"{name}.{pair.aligned}", kind, section, f"{title}: {pair.aligned}", (pair.aligned, pair.base), part)
        for pair in pairs(config)
        for name, kind, section, title, part in KINDS
    ]
    return sorted(plans, key=lambda plan: order.index(plan.section))
