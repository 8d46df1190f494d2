"""Harm pruning: the compact weights that harmful generation depends on."""
