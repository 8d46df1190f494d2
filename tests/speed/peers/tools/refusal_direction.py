"""andyrdt/refusal_direction: the code of Arditi et al. 2024, its selection on a thin model class (``programs``)."""

from pathlib import Path

from speed.peers.given import Given
from speed.peers.tool import Place, Ran, Tool, ran_program

PROGRAM = Path(__file__).parent.parent / "programs" / "refusal_direction.py"


def run(given: Given, place: Place) -> Ran:
    tokens = ",".join(map(str, given.refusal_tokens()))
    return ran_program(place.watch([place.python, PROGRAM, given.folder, tokens], given), "refusal_direction")


TOOL = Tool(
    "refusal_direction",
    "9d852fa",
    "first-token logits",
    run,
    {
        "a number's interval": "no",
        "controls": "no",
        "edits as data": "no: a direction as a tensor, hooks or changed weights",
        "benchmarks": "losses on three sets of texts",
        "resume": "no",
        "removes": "yes",
        "amplifies": "under hooks",
        "licence": "Apache-2.0",
    },
    ("accelerate", "einops", "jaxtyping", "tqdm", "matplotlib"),
    needs_checkout=True,
)
