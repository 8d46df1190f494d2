"""Intervals, paired tests, equivalence, control distributions and multiplicity, all in fp64 numpy."""
