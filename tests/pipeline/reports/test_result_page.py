import re
import shutil

import pytest

from pipeline.errors import RevisionError
from pipeline.provenance.result import Result
from pipeline.provenance.revision import Revision
from pipeline.reports.result_page import key_figures, page_of
from pipeline.revisions.names import resolve
from pipeline.revisions.retrieval import results_of
from tests.pipeline.small import write_params


@pytest.fixture
def shown(laboratory):
    """Returns the page of the workspace, or of a revision with its results."""
    write_params(laboratory.folder)

    def shown(revision=None):
        with results_of(resolve("workspace")) as opened:
            return page_of(Result(revision or opened.revision, opened.folder, opened.params, opened.stages))

    return shown


def test_a_page_has_scores_curves_films_and_parameters_and_needs_no_other_file(shown):
    page = shown()
    for text in ("DDPG on MountainCarContinuous-v0", "93.91", "100%", "agent.lr_actor", "make repro"):
        assert text in page
    assert page.count("<video") == 2
    sources = re.findall(r"(?:src|href|srcset|poster|action)\s*=\s*[\"']?([^\"' >]+)", page)
    assert all(source.startswith("data:") for source in sources)
    assert len([source for source in sources if source.startswith("data:image/svg+xml")]) == 3
    assert not re.search(r"https?:|@import|url\(", re.sub(r"data:[\w/+]+;base64,[\w+/=]+", "", page))


def test_an_unfinished_result_is_shown_as_far_as_it_is(shown, laboratory):
    for stage in ("animate", "evaluate"):
        shutil.rmtree(laboratory.results / stage)
    page = shown()
    assert "not evaluated yet" in page
    assert "<video" not in page
    assert page.count("data:image/svg+xml;base64,") == 3
    shutil.rmtree(laboratory.results)
    with pytest.raises(RevisionError, match="expected results of the train stage"):
        shown()


def test_a_run_of_no_commit_is_not_called_the_workspace(shown):
    page = shown(Revision("0123abcd", None, "run"))
    assert "MLflow run 0123abcd" in page
    assert "make repro" not in page


def test_figures_leave_out_what_an_environment_without_threshold_lacks():
    policies = {"return_iqm": -150.0, "return_iqm_low": None, "return_iqm_high": None, "return_worst_seed": -160.0}
    figures = list(key_figures({"best": policies, "final": policies}))
    assert [label for label, *_ in figures] == ["Return, best policies", "Return, final policies", "Worst seed"]
    assert figures[0][1:] == ("-150.00", "interquartile mean over seeds")
