"""heretic-llm: its own command, which asks what to do at the end and reads the answers as it does in a notebook."""

from speed.peers.budget import ANSWER_TOKENS, CANDIDATES, SEED
from speed.peers.given import Given
from speed.peers.tool import Place, Ran, Tool
from speed.peers.watched import line_of

REQUIREMENT = "heretic-llm==1.4.0"
PROMPTS = {
    "good_prompts": ("harmless", "fit"),
    "bad_prompts": ("harmful", "fit"),
    "good_evaluation_prompts": ("harmless", "select"),
    "bad_evaluation_prompts": ("harmful", "select"),
}


def run(given: Given, place: Place) -> Ran:
    """Of the trials that nothing beats in both refusals and KL, the first is taken: the fewest refusals."""
    settings = [
        'dtypes = ["float32"]',
        'system_prompt = ""',
        'export_strategy = "merge"',
        f"seed = {SEED}",
        f"n_trials = {CANDIDATES}",
        f"max_response_length = {ANSWER_TOKENS}",
        *(f'[{name}]\ndataset = "{given.prompts(*which)}"' for name, which in PROMPTS.items()),
    ]
    (given.folder / "config.toml").write_text("\n".join(settings) + "\n", encoding="utf-8")
    notebook = Place(place.python, {**place.environment, "KAGGLE_KERNEL_RUN_TYPE": "Batch"})
    answers = f"1\n1\n{given.edited}\n"
    lines = notebook.watch([place.python.parent / "heretic", "--model", given.model], given, answers)
    search, done = (line_of(lines, mark, REQUIREMENT).at for mark in ("Running trial 1 of", "Optimization finished"))
    line_of(lines, "Model saved to", REQUIREMENT)
    return Ran(done - search, done)


TOOL = Tool(
    "heretic-llm",
    "1.4.0",
    "64 answers, KL",
    run,
    {
        "a number's interval": "no",
        "controls": "no",
        "edits as data": "a LoRA adapter; a file from which the edit is made again",
        "benchmarks": "lm-eval's, from a menu",
        "resume": "yes: its study is a file",
        "removes": "yes",
        "amplifies": "no",
        "licence": "AGPL-3.0",
    },
    (REQUIREMENT,),
)
