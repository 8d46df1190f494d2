"""Small workflows under the project's supervision: the head that their Snakefiles share."""

from __future__ import annotations

from quick_run import ROOT

HEAD = f"""
import sys
sys.path.insert(0, {str(ROOT / "workflow")!r})
from anatomy.runs.controller.supervise import supervise
supervise(workflow, "results")
"""
"""Before the rules; results go to ``results`` in the folder that Snakemake runs in."""
