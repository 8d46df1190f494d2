"""senbonzakura: its own commands, a track of the organism's prompts and then its search."""

from speed.peers.budget import ANSWER_TOKENS, CANDIDATES, DIRECTION_PROMPTS, SEARCH_PROMPTS, SEED
from speed.peers.given import Given
from speed.peers.organism import SETS
from speed.peers.tool import Place, Ran, Tool
from speed.peers.watched import line_of

REQUIREMENT = "senbonzakura==0.5.1"
POOL = 1000
"""More than there are: its track takes all requests outside the test, and divides them itself."""


def run(given: Given, place: Place) -> Ran:
    """It refuses answers below 96 tokens unless told that they are enough; the organism's answers end before 32."""
    command = place.python.parent / "senbonzakura"
    for side in SETS:
        pool = [text for phase in ("fit", "select") for text in given.organism.prompts(side, phase, POOL)["prompt"]]
        (given.folder / f"{side}.pool.txt").write_text("\n".join(pool) + "\n", encoding="utf-8")
    pools = [f"--{side}={side}.pool.txt" for side in SETS]
    sizes = [f"--fit={DIRECTION_PROMPTS}", f"--search={SEARCH_PROMPTS}"]
    line_of(place.watch([command, "track", *pools, *sizes, "--out=track"], given), "TRACK_BUILT", f"{REQUIREMENT}, track")
    options = {
        "model": given.model,
        "track": "track",
        "out": given.edited,
        "device": "cpu",
        "dir-prompts": DIRECTION_PROMPTS,
        "eval-refusal": SEARCH_PROMPTS,
        "eval-kl": SEARCH_PROMPTS,
        "eval-refusal-final": 0,
        "trials": CANDIDATES,
        "gen-tokens": ANSWER_TOKENS,
        "capability-n": 0,
        "seed": SEED,
    }
    lines = place.watch([command, *(f"--{name}={value}" for name, value in options.items()), "--short-budget-ok"], given)
    search, best = (line_of(lines, mark, REQUIREMENT).at for mark in (r"searching \d+ trials", "BEST:"))
    line_of(lines, r"\] DONE", REQUIREMENT)
    return Ran(best - search, best)


TOOL = Tool(
    "senbonzakura",
    "0.5.1",
    "64 answers, KL",
    run,
    {
        "a number's interval": "yes, by further commands (score, drift, capability); prompts taken as independent",
        "controls": "for directions (40 from random subsets of prompts) and its harm reading; none for the effect",
        "edits as data": "the winning configuration as JSON, which can be baked again; directions as a file",
        "benchmarks": "arithmetic that it brings, or a graded set",
        "resume": "yes: its study is a file",
        "removes": "yes",
        "amplifies": "no",
        "licence": "AGPL-3.0 (its prompts CC BY-NC)",
    },
    (REQUIREMENT,),
)
