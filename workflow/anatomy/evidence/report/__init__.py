"""Tables for print and the self-contained page at the end of a run."""
