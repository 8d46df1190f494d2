"""What can be said of several GPUs without one: how vLLM is asked, and what is refused."""

import pytest

from anatomy.errors import ConfigError
from anatomy.serving.limits import refuse_many_gpus


def test_what_needs_the_module_here_is_refused_beyond_one_gpu():
    refuse_many_gpus(1, "reloading weights")
    with pytest.raises(ConfigError, match="4 GPUs share"):
        refuse_many_gpus(4, "reloading weights")
