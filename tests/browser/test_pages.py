"""The pages that commands write, as a user without a network sees them."""

import pytest
from PIL import Image
from playwright.sync_api import expect

from ddpg.visualizations.explorer import ExploredTraining, write_explorer
from pipeline.reports.comparison import Comparison
from pipeline.reports.comparison_folder import PAGE, write_report
from pipeline.reports.result_page import page_of
from pipeline.show import main as show
from tests.browser.test_explorer import history_of
from tests.ddpg.algorithm.test_operations import actor_and_critic
from tests.pipeline.conftest import laboratory  # noqa: F401 (a fixture)
from tests.pipeline.reports.made import pictured
from tests.pipeline.small import write_params

N_FRAMES = 30


@pytest.fixture
def offline(page):
    """A page without a network, which may request only files and data."""
    page.context.set_offline(True)
    requested = []
    page.on("request", lambda request: requested.append(request.url))
    yield page
    assert {address.partition(":")[0] for address in requested} <= {"file", "data"}


def test_two_trainings_play_in_step_under_one_control(offline, screenshot, tmp_path):
    # A second of the other film holds twice as many agent steps: it runs at half speed.
    results = [
        pictured(tmp_path, "first", [95.0, 97, 98, 94, 96], n_frames=N_FRAMES, animate={"every_n_steps": 20}),
        pictured(tmp_path, "second", [97.0, 99, 99.5, 96.5, 98], n_frames=N_FRAMES, animate={"every_n_steps": 40}),
    ]
    write_report(tmp_path / "report", results, [Comparison(*results)])
    offline.goto((tmp_path / "report" / PAGE).as_uri())
    player = offline.locator(".player").first
    films = player.locator("video")
    expect(films).to_have_count(2)
    expect(player.locator("output")).to_have_text("0.0 of 6.0 s")
    screenshot("compare")

    player.get_by_label("Position").fill("2")
    expect(player.locator("output")).to_have_text("2.0 of 6.0 s")
    assert times(films) == pytest.approx([2, 1], abs=0.01)

    player.get_by_role("button", name="Play").click()
    player.get_by_role("button", name="Pause").click()
    first, second = times(films)
    assert first == pytest.approx(2 * second, abs=0.3)

    player.get_by_label("Position").fill("5")
    player.get_by_role("button", name="Play").click()
    expect(player.get_by_role("button", name="Play")).to_be_visible()  # again, when the longest has ended
    expect(player.locator("output")).to_have_text("6.0 of 6.0 s")
    assert times(films) == pytest.approx([3, 3], abs=0.1)


@pytest.mark.slow
def test_the_explorer_is_in_both_pages(offline, screenshot, tmp_path):
    results = [pictured(tmp_path, name, [95.0, 97, 98, 94, 96], n_frames=N_FRAMES) for name in ("first", "second")]
    for result in results:
        history = history_of(*actor_and_critic())
        history.save(result.folder / f"results/train/seeds/{result.median_seed}/history.npz")
    write_report(tmp_path / "report", results, [Comparison(*results)])
    offline.goto((tmp_path / "report" / PAGE).as_uri())
    explorer = offline.locator("iframe").content_frame
    expect(explorer.get_by_role("heading", name="Difference: second less first")).to_be_visible()
    screenshot("compare")

    write_explorer(
        [ExploredTraining("seed 3", history)], results[0].folder / "results/animate/explorer.html", "Mountain car"
    )
    (tmp_path / "result.html").write_text(page_of(results[0]))
    offline.goto((tmp_path / "result.html").as_uri())
    explorer = offline.locator("iframe").content_frame
    expect(explorer.get_by_role("heading", name="Mountain car")).to_be_visible()
    explorer.locator("canvas.plane").first.click()
    expect(explorer.locator("#readout tr")).to_have_count(6)
    screenshot("show-explorer")


def times(films):
    return films.evaluate_all("films => films.map(film => film.currentTime)")


def test_a_result_is_one_page_with_its_videos(offline, screenshot, laboratory):  # noqa: F811
    write_params(laboratory.folder)
    portrait = laboratory.results / "animate/phase_portrait.png"
    Image.new("RGB", (4, 3)).save(portrait)
    (laboratory.folder / "dvc.lock").unlink(missing_ok=True)  # which describes another picture
    assert show(["--out", "result.html"]) == 0
    offline.goto((laboratory.folder / "result.html").as_uri())
    expect(offline.get_by_role("heading", name="DDPG on MountainCarContinuous-v0")).to_be_visible()
    expect(offline.get_by_text("93.91").first).to_be_visible()
    pictures = offline.locator("img").evaluate_all("images => images.map(image => image.naturalWidth)")
    assert len(pictures) >= 3
    assert all(pictures)
    screenshot("show")
