"""This project, the same edits as in ``ours_answers`` on one vLLM engine, which takes longer to start and less for each."""

from speed.peers.given import Given
from speed.peers.tool import Place, Ran, Tool, run_ours
from speed.peers.tools.ours_answers import FEATURES


def run(given: Given, place: Place) -> Ran:
    return run_ours("ours_engine", given, place)


TOOL = Tool("alignment-anatomy, engine", "this commit", "64 answers, KL", run, FEATURES, ours=True)
