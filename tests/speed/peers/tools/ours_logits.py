"""This project, each candidate judged by first-token logits: the raced selection grid."""

from speed.peers.given import Given
from speed.peers.tool import Place, Ran, Tool, run_ours
from speed.peers.tools.ours_answers import FEATURES


def run(given: Given, place: Place) -> Ran:
    return run_ours("ours_logits", given, place, ",".join(map(str, given.refusal_tokens())))


TOOL = Tool("alignment-anatomy, logits", "this commit", "first-token logits, raced", run, FEATURES, ours=True)
