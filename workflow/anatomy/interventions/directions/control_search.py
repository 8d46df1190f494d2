"""The search of a control direction: over as many cells as the method had, by the one criterion that favours the control."""

from collections.abc import Sequence

import pandas as pd

Cell = tuple[int, int]


def strongest_cells(scores: pd.DataFrame, layers: Sequence[int]) -> dict[str, Cell | None]:
    """Where a control does most: the cell with the lowest bypass to ablate, the one with the highest induce to add.

    The method's cell also had to keep KL small and to induce refusal; a control has neither constraint, and may take two
    different cells, so that it can only come out stronger.

    Args:
        scores: of the control at every position and layer (``score_candidates``); of equal ones the lower layer and the later
            position is taken, as by ``select_direction``.
        layers: those the selection rule allows.

    Returns:
        ``ablate`` and ``add`` to (position, layer); None where every direction has zero norm.
    """
    allowed = scores[scores["layer"].isin(layers)].dropna(subset=["bypass", "induce"])
    cells = allowed.sort_values(["layer", "position"], ascending=[True, False]).set_index(["position", "layer"])
    if cells.empty:
        return {"ablate": None, "add": None}
    found = {"ablate": cells["bypass"].idxmin(), "add": cells["induce"].idxmax()}
    return {form: (int(position), int(layer)) for form, (position, layer) in found.items()}
