"""From rows to verdicts, figures and pages."""
