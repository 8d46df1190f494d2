"""temaq-abliterated: its own command, candidates judged by a surrogate, the best two by answers."""

from speed.peers.budget import ANSWER_TOKENS, CANDIDATES, DIRECTION_PROMPTS, SEARCH_PROMPTS, SEED
from speed.peers.given import Given
from speed.peers.tool import Place, Ran, Tool
from speed.peers.watched import line_of

REQUIREMENT = "temaq-abliterated==1.1.1"


def run(given: Given, place: Place) -> Ran:
    """One file of prompts a side: what directions come from is also what candidates are judged on."""
    (given.folder / "temaq.toml").write_text('system_prompt = ""\n')
    options = {
        "--config": "temaq.toml",
        "--workdir": "work",
        "--output": given.edited,
        "--device": "cpu",
        "--eval-dtype": "float32",
        "--trials": CANDIDATES,
        "--seed": SEED,
        "--harmful-file": given.prompts("harmful", "fit"),
        "--harmless-file": given.prompts("harmless", "fit"),
        "--n-probe": DIRECTION_PROMPTS,
        "--verify-probes": SEARCH_PROMPTS,
        "--max-new-tokens": ANSWER_TOKENS,
        "--select": "auto",
    }
    flags = [str(part) for pair in options.items() for part in pair]
    lines = place.watch([place.python.parent / "temaq-abliterated", given.model, *flags], given)
    search, done = (line_of(lines, mark, REQUIREMENT).at for mark in (r"\[SCAPE search\]", "Search finished"))
    return Ran(done - search, line_of(lines, "Final selection: trial", REQUIREMENT).at)


TOOL = Tool(
    "temaq-abliterated",
    "1.1.1",
    "a surrogate over 8 forced tokens; the best two by 64 answers",
    run,
    {
        "a number's interval": "no",
        "controls": "no",
        "edits as data": "parameters on the model card, which a later run can read",
        "benchmarks": "no: a check for collapse",
        "resume": "yes: after each trial",
        "removes": "yes",
        "amplifies": "no",
        "licence": "MIT",
    },
    (REQUIREMENT,),
)
