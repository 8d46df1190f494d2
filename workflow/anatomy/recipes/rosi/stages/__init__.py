"""Stages of ROSI's own: the search for an edit, its pick, its measurements."""
