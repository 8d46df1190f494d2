"""Other edits that a rewritten fact meets: their names in tables, and in words."""

OF_DIRECTION = {
    "injection": "refusal is injected into the same weights",
    "row mean": "refusal is injected along the mean of the weights' rows",
    "orthogonalized": "the direction is taken out of the weights",
    "ablation": "the direction is ablated from the stream",
    "addition": "the direction is added to the stream",
}
"""Edits by the picked direction, in words."""
OF_PAPERS = {
    "ROSI": "the run's rank-one safety injection is made, along the mean of the weights' rows as published",
    "ROSI projection": "the run's rank-one safety injection is made as a projection",
    "mask": "weights that harm hangs on are set to zero",
    "style": "the signature of post-training is ablated",
    "head": "a residual on the output head brings what alignment brought",
}
"""Edits that other papers of the run make of the model, in words."""
DRAWN = {
    **dict.fromkeys((*OF_DIRECTION, "ROSI", "ROSI projection"), "the same under that edit by a random direction"),
    "mask": "the same under a mask of as many random weights of each matrix",
}
"""Edits that are made at random too, and what stands beside each as its control, in words."""
CONTROL = ", random"
"""What follows an edit's name where it is made at random: of a random direction, or of random weights."""
