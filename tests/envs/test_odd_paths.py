"""Characters that a shell, a pattern or a template reads, in the paths of checkout, environment and results: jobs run there."""

import pytest
from copied_checkout import WORLD, call, copy_checkout, link_environment, make_world

ODD = {
    "space and letters": " Füße 模型 b ",
    "shell": """it's "q" $HOME `x` & ; | < > ( ) ! ~ = \\ -x""",
    "patterns": "[a]*?{b,c} {wildcards} {{d}} %20s #",
    "lines": "-a\nb\tc",
}
ALL = "".join(reversed(ODD.values()))
EACH = [pytest.param(name, id=kind, marks=pytest.mark.long) for kind, name in ODD.items()]


@pytest.mark.parametrize("name", [pytest.param(ALL, id="all at once"), *EACH])
def test_a_job_runs_in_a_checkout_of_any_name(tmp_path, name):
    checkout = copy_checkout(tmp_path / name)
    done = make_world(checkout)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (checkout / "results" / WORLD).is_file()


def test_an_environment_of_any_name_serves_a_checkout(tmp_path):
    checkout = copy_checkout(tmp_path / "plain")
    environments = tmp_path / ALL.strip("-")
    link_environment(environments)
    done = make_world(checkout, ANATOMY_ENVIRONMENTS=str(environments))
    assert done.returncode == 0, done.stderr[-3000:]
    program = call(checkout, "python", "-c", "import sys; print(sys.executable)", ANATOMY_ENVIRONMENTS=str(environments))
    assert str(environments) in program.stdout


def test_results_lie_in_a_folder_of_any_name(tmp_path):
    name = "my résults it's $HOME & ; ( ) [x]*? %s # ~ \\ = : -x"
    checkout = copy_checkout(tmp_path / "plain")
    done = make_world(checkout, name)
    assert done.returncode == 0, done.stderr[-3000:]
    assert (checkout / name / WORLD).is_file()


@pytest.mark.parametrize("name", ["a{b}", "a{b,c}/d", "}"])
def test_results_whose_name_is_a_pattern_to_snakemake_are_refused_while_planning(tmp_path, name):
    done = call(copy_checkout(tmp_path / "plain"), "snakemake", "-n", "--config", f"results={name}")
    said = done.stdout + done.stderr
    assert done.returncode == 1 and "without braces" in said and "rename what lies" in said


@pytest.mark.parametrize("odd", ["checkout", "environment"])
def test_a_colon_is_refused_before_the_installation_with_the_way_out(tmp_path, odd):
    checkout = copy_checkout(tmp_path / ("a:b" if odd == "checkout" else "plain"))
    more = {} if odd == "checkout" else {"ANATOMY_ENVIRONMENTS": str(tmp_path / "c:d")}
    done = call(checkout, "python", "-c", "print('ran')", **more)
    assert done.returncode == 1 and done.stdout == "" and "Traceback" not in done.stderr
    assert "':'" in done.stderr and ("move the checkout" if odd == "checkout" else "ANATOMY_ENVIRONMENTS") in done.stderr
    assert not (tmp_path / "c:d").exists()
