"""What a user sees of a real store in MLflow's UI."""

import re
import signal

import pytest
from playwright.sync_api import expect

from tests.pipeline.laboratory import Store
from tests.pipeline.server import served
from tests.test_metrics import documented

SCORE = "evaluate/best/return_iqm"
CURVE = "test/return_median"


@pytest.mark.slow
def test_a_user_finds_the_best_run_its_curves_its_video_and_its_model(page, screenshot, project):
    store = Store(project / "mlflow.db")
    results = store.parents()
    (complete,) = (run for run in results if run.data.tags["stages"] == "train, evaluate, animate")
    assert_documented(results, "result")
    assert_documented(store.children(complete).values(), "seed")

    with served(project) as server:
        page.goto(server.address)
        expect(page.get_by_role("heading", name="Runs", exact=True)).to_be_visible()
        expect(page.get_by_role("link", name=complete.info.run_name, exact=True)).to_be_visible()
        expect(page.get_by_role("columnheader", name=SCORE).first).to_be_visible()
        screenshot("1-runs")

        sort_by_score(page, results)
        screenshot("2-sorted")

        look_at_charts(page)
        screenshot("3-charts")

        page.get_by_role("link", name=complete.info.run_name, exact=True).click()
        expect(page.get_by_text("DDPG on MountainCarContinuous-v0").first).to_be_visible()
        screenshot("4-run")

        points = store.client.get_metric_history(complete.info.run_id, CURVE)
        look_at_curve(page, {point.step: point.value for point in points})
        screenshot("5-curve")

        play_video(page)
        screenshot("6-video")
        explore(page)
        screenshot("7-explorer")

        page.get_by_role("tab", name="Overview").click()
        page.get_by_role("link", name="ddpg-MountainCarContinuous-v0").last.click()
        expect(page.get_by_role("heading", name=re.compile("Version"))).to_be_visible()
        expect(page.get_by_role("link", name=complete.info.run_name, exact=True)).to_be_visible()
        screenshot("8-model")

        assert server.end(by=signal.SIGINT) == 0
        assert not server.is_alive


def assert_documented(runs, kind):
    assert {name for run in runs for name in run.data.metrics} <= documented(kind)


def sort_by_score(page, results):
    """Upwards, then downwards: one of the two is not the order of their making."""
    ranked = sorted(results, key=lambda run: run.data.metrics[SCORE])
    menu = page.get_by_role("button", name="Sort:")
    menu.click()
    page.get_by_role("menuitemcheckbox", name=SCORE, exact=True).click()
    for direction, runs in (("ascending", ranked), ("descending", ranked[::-1])):
        menu.click()
        page.get_by_role("button", name=f"Sort {direction}").click()
        for _ in range(50):
            rows = [row_of(page, run) for run in runs]
            if rows == sorted(rows):
                break
            page.wait_for_timeout(100)
        assert rows == sorted(rows)


def row_of(page, run):
    """The row of a run; between those of results are those of their seeds, which have scores too."""
    link = page.get_by_role("link", name=run.info.run_name, exact=True)
    return int(page.locator("[row-index]", has=link).first.get_attribute("row-index"))


def look_at_charts(page):
    """The saved view's sections come first, curves before scores; and back to the table."""
    page.locator("label", has=page.locator("[value=CHART]")).click()
    sections = page.get_by_test_id("experiment-view-compare-runs-section-header")
    expect(sections.nth(0)).to_contain_text("Returns by episode (median)")
    expect(sections.nth(1)).to_contain_text("Scores")
    expect(page.get_by_test_id("experiment-view-compare-runs-card").first).to_contain_text(CURVE)
    expect(page.locator(".js-plotly-plot path.js-line").first).to_be_visible()
    page.locator("label", has=page.locator("[value=TABLE]")).click()


def look_at_curve(page, recorded):
    page.get_by_role("tab", name="Model metrics").click()
    page.get_by_role("searchbox", name="Search metric charts").fill(CURVE)
    plot = page.locator(".js-plotly-plot")
    expect(plot.locator("path.js-line").first).to_be_visible()
    drawn = plot.evaluate("({ data: [{ x, y }] }) => Array.from(x).map((step, i) => [step, y[i]])")
    assert dict(drawn) == pytest.approx(recorded)


def play_video(page):
    page.get_by_role("tab", name="Artifacts").click()
    page.get_by_text("videos", exact=True).click()
    page.get_by_text("training.mp4", exact=True).click()
    video = page.locator("video").element_handle()
    video.evaluate("video => { video.muted = true; return video.play() }")
    page.wait_for_function("({ currentTime, videoWidth }) => currentTime > 0 && videoWidth > 0", arg=video)


def explore(page):
    page.get_by_text("explorer.html", exact=True).click()
    explorer = page.locator("iframe").content_frame
    expect(explorer.get_by_role("heading", name="MountainCarContinuous-v0")).to_be_visible()
    explorer.get_by_label("Agent step of the training").press("Home")
    expect(explorer.locator("#when")).to_contain_text("agent step 0 of")
