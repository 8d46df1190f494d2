"""This project, each candidate judged by 64 answers."""

from speed.peers.given import Given
from speed.peers.tool import Place, Ran, Tool, run_ours

FEATURES = {
    "a number's interval": "yes: items resampled, on requests that no search saw",
    "controls": "yes: 19 directions of three kinds that go through the same search, and the rank among them",
    "edits as data": "yes: a JSON spec, built when needed, taken back bit for bit",
    "benchmarks": "yes: lm-eval's tasks in the same engine, with intervals",
    "resume": "yes: row by row, also after a kill",
    "removes": "measured only; such weights never leave the results",
    "amplifies": "yes",
    "licence": "MIT",
}


def run(given: Given, place: Place) -> Ran:
    return run_ours("ours_answers", given, place)


TOOL = Tool("alignment-anatomy, answers", "this commit", "64 answers, KL", run, FEATURES, ours=True)
