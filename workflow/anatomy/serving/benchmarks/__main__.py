"""``python -m anatomy.serving.benchmarks ...``: lm-eval's own command line, which then knows ``--model anatomy``."""

from lm_eval.__main__ import cli_evaluate

import anatomy.serving.benchmarks.registered  # noqa: F401  (registers the model)

if __name__ == "__main__":
    cli_evaluate()
