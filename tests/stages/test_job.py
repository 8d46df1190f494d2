"""How a job fails, and that it sees only the sections of the configuration its rule named."""

import pytest

from anatomy.config.options import options, restore
from anatomy.config.schema import Config
from anatomy.errors import DataError
from anatomy.stages.job import job


def test_a_failure_is_explained_on_the_terminal_and_traced_in_the_log(tmp_path, capfd):
    log = tmp_path / "logs" / "job.log"
    with pytest.raises(SystemExit) as stopped, job("extract weak", str(log)) as run:
        run.say("half way")
        raise DataError(found="an empty prompt", expected="text", where="harmful.csv, row 3", remedy="fill it in")
    assert stopped.value.code == 1
    terminal = capfd.readouterr().err
    assert "[extract weak] half way" in terminal and "harmful.csv, row 3" in terminal and str(log) in terminal
    assert "Traceback" not in terminal
    assert "Traceback" in log.read_text()


def test_what_libraries_print_stays_in_the_log(tmp_path, capfd):
    with job("quiet", str(tmp_path / "job.log")):
        print("chatter")
    out = capfd.readouterr()
    assert "chatter" not in out.out + out.err
    assert "chatter" in (tmp_path / "job.log").read_text()


def test_sections_come_back_typed():
    config = Config()
    found = restore(options(config, "rosi", "evaluation", "results"))
    assert found.rosi == config.rosi and found.evaluation == config.evaluation and found.results == "results"


def test_a_section_that_was_not_named_is_not_a_default():
    with pytest.raises(AttributeError, match="selection"):
        _ = restore(options(Config(), "rosi")).selection
