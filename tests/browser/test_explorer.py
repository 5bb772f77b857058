"""The explorer, as a user without a network sees it; its numbers are those of the library."""

import dataclasses
import re
import time
from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
from playwright.sync_api import expect

from ddpg.agent import DDPG
from ddpg.algorithm.action_value import ActionValue
from ddpg.algorithm.compiled import initial_parts
from ddpg.algorithm.networks import PureNetwork
from ddpg.algorithm.operations import describe_networks, weights_of
from ddpg.algorithm.policy import Policy
from ddpg.algorithm.update import Networks
from ddpg.history import GridAxes, NetworkWeights, TrainingHistory
from ddpg.visualizations import create_explorer
from ddpg.visualizations.explorer import ExploredTraining, explored, write_explorer
from tests.ddpg.algorithm.test_operations import N_ACTIONS, OBSERVATIONS, actor_and_critic, other_critic
from tests.ddpg.visualizations.conftest import make_episode

pytestmark = pytest.mark.slow

PLANES = {
    "q_max": "qMax",
    "q_std": "spread",
    "action_at_q_max": "actionAtQMax",
    "action_gradient": "gradient",
    "policy": "policy",
}


@pytest.fixture(scope="module")
def agent():
    """An agent that has learned a little, so that its networks differ from moment to moment."""
    settings = {"replay_batch_size": 16, "learning_starts": 16, "bn_momentum_actor": 0.5, "bn_momentum_critic": 0.5}
    agent = DDPG(gym.make("MountainCarContinuous-v0", max_episode_steps=150), seed=2, **settings)
    agent.train_n_episodes(4, action_repeat=5, gen_q_a_frames_every_n_steps=3, n_validation_episodes=2)
    return agent


@pytest.fixture
def explorer(page, agent, tmp_path):
    """The page of the agent."""
    page.goto(create_explorer(agent, tmp_path / "explorer.html", title="Mountain car").resolve().as_uri())
    return page


def networks_at_the_end(agent, folder):
    agent.save(folder)
    return SimpleNamespace(policy=Policy.load(folder), q=ActionValue.load(folder))


def wait_for(page, condition):
    """The page's policy forbids how Playwright itself would wait for it."""
    deadline = time.monotonic() + 20
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(20)


def shown(page):
    """The table of the chosen state as numbers."""
    rows = page.locator("#readout tr").evaluate_all("rows => rows.map(row => [...row.cells].map(c => c.textContent))")
    return {label: float(value.replace("−", "-").replace(",", "")) for label, value in rows}


def test_planes_are_the_snapshots_of_the_training(explorer, agent):
    history, grid = agent.history, agent.history.grid
    planes = {snapshot.step: snapshot for snapshot in history.snapshots}
    assert len(history.weights) > 10
    for step in {history.weights[i].step for i in (0, len(history.weights) // 2, -1)}:
        drawn = explorer.evaluate(
            """([step, nX, nY]) => Object.fromEntries(Object.entries(
                evaluated(trainings[0], weightsIndex(trainings[0], step), statesOfPlane(nX, nY))
            ).map(([name, values]) => [name, [...values]]))""",
            [step, len(grid.x), len(grid.y)],
        )
        for name, drawn_as in PLANES.items():
            expected = getattr(planes[step], name).ravel()
            if name == "action_at_q_max":  # which rounding may decide where two actions are equally good
                assert np.mean(np.abs(np.array(drawn[drawn_as]) - expected) > 1e-5) < 0.02
            else:
                tolerance = 1e-5 * max(1, np.abs(expected).max())
                np.testing.assert_allclose(drawn[drawn_as], expected, rtol=0, atol=tolerance, err_msg=name)


def test_a_click_on_a_plane_shows_the_librarys_numbers(explorer, agent, tmp_path, screenshot):
    networks = networks_at_the_end(agent, tmp_path / "agent")
    explorer.locator("canvas.plane").nth(4).click(position={"x": 120, "y": 60})
    screenshot("state")
    point = np.array([explorer.evaluate("[...state.point]")], np.float32)
    assert -1.2 < point[0, 0] < 0.6
    assert 0 < point[0, 1] < 0.07
    inputs = explorer.locator("#point input")
    assert [float(each.input_value()) for each in inputs.all()] == pytest.approx(point[0], rel=1e-3)

    action = networks.policy(point)
    line = np.linspace(-1, 1, 11, dtype=np.float32)[:, None]
    q = networks.q(np.repeat(point, 11, axis=0), line)
    numbers = shown(explorer)
    assert numbers["Policy: force"] == pytest.approx(float(action[0, 0]), rel=1e-3)
    assert numbers["Q of the policy’s action"] == pytest.approx(float(networks.q(point, action)[0]), rel=1e-3)
    assert numbers["Q max"] == pytest.approx(float(q.max()), rel=1e-3)
    assert numbers["force at Q max"] == pytest.approx(float(line[q.argmax(), 0]), abs=1e-3)
    assert numbers["Spread of Q over force"] == pytest.approx(float(q.std()), rel=1e-3)
    drawn = explorer.evaluate(
        "(({ q, line, policy, qOfPolicy }) => ({ q: [...q], line, policy, qOfPolicy }))(lineNow(0))"
    )
    expected = networks.q(np.repeat(point, 81, axis=0), np.array(drawn["line"], np.float32)[:, None])
    np.testing.assert_allclose(drawn["q"], expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(drawn["policy"], action[0], atol=1e-5)


def history_of(actor, critic):
    """A history of one episode, with these networks at its end."""
    history = TrainingHistory(("x", "y", "z"), ("left", "right"), np.array([-2.0, 0.0]), np.array([2.0, 10.0]))
    history.training_episodes = [make_episode(1, 0, 4, 3, 1.0, N_ACTIONS)]
    history.grid = GridAxes(np.linspace(-1, 0, 3), np.linspace(0, 2, 3), 0, 2, 1, 5, np.array([0.5, 2.0, 1.0]))
    history.networks = describe_networks(Networks(PureNetwork(actor), PureNetwork(critic)), OBSERVATIONS)
    history.weights = [NetworkWeights(3, weights_of(initial_parts(actor, [critic]), OBSERVATIONS))]
    return history


@pytest.mark.parametrize(
    "changes",
    [
        {"activation_fn_actor": "sigmoid", "hidden_layer_sizes_critic": ((6, 5, 4), (4,)), "relu_alpha_critic": 0.2},
        {"bn_momentum_actor": 0.9, "bn_momentum_critic": 0.7},
        {"critic": other_critic},
    ],
    ids=["paths of different length", "norms", "other layers"],
)
def test_any_network_is_evaluated_as_keras_does(page, tmp_path, changes):
    import tensorflow as tf

    actor, critic = actor_and_critic(**changes)
    history = history_of(actor, critic)
    write_explorer([ExploredTraining("random", history)], tmp_path / "explorer.html", "Random networks")
    page.goto((tmp_path / "explorer.html").as_uri())

    observations = np.random.default_rng(1).uniform([-1.2, -3, 0], [0.6, 3, 2], (7, 3)).astype(np.float32)
    drawn = page.evaluate(
        """rows => Object.fromEntries(Object.entries(
            evaluated(trainings[0], 0, batch(rows.length, 1, 3, Float64Array.from(rows.flat())))
        ).map(([name, values]) => [name, [...values]]))""",
        observations.tolist(),
    )
    scaled = tf.constant(OBSERVATIONS.scale(observations))
    policy = actor(scaled)
    line = np.linspace(-1, 1, 5)
    actions = [np.column_stack([policy[:, 0], np.full(7, value, np.float32)]) for value in line]
    q = np.column_stack([critic([scaled, tf.constant(action)]).numpy() for action in actions])
    assert policy.numpy().std() > 0.01
    with tf.GradientTape() as tape:
        tape.watch(policy)
        total = tf.reduce_sum(critic([scaled, policy]))
    slope = tape.gradient(total, policy).numpy()[:, 1] / 5  # of the action in its own units, whose half range is 5
    expected = {"qMax": q.max(1), "spread": q.std(1), "policy": 5 + 5 * policy.numpy()[:, 1], "gradient": slope}
    for name, values in expected.items():
        np.testing.assert_allclose(drawn[name], values, rtol=1e-5, atol=1e-5, err_msg=name)
    np.testing.assert_allclose(drawn["actionAtQMax"], 5 + 5 * line[q.argmax(1)], atol=1e-5)


def test_a_click_on_a_return_goes_to_the_end_of_its_episode(explorer, agent):
    episode, test = agent.history.training_episodes[1], agent.history.test_episodes[1]
    x, y = explorer.evaluate(
        "([number, score]) => (frame => [frame.toX(number), frame.toY(score)])(returnCharts[0].canvas.frame)",
        [2, test.score],
    )
    explorer.locator("canvas.returns").click(position={"x": x, "y": y})
    expect(explorer.locator("#when")).to_contain_text(f"agent step {episode.last_step} of {agent.history.n_steps}")
    expect(explorer.locator("#when")).to_contain_text("episode 2 of 4")
    expect(explorer.get_by_label("Test", exact=True)).to_be_checked()
    expect(explorer.locator("#episode")).to_contain_text(
        f"Test episode 2: return {show(test.score)} in {test.n_steps} "
    )

    explorer.get_by_label("Training", exact=True).check()
    expect(explorer.locator("#episode")).to_contain_text(f"Training episode 2: return {show(episode.score)} ")
    explorer.locator("canvas.returns").press("ArrowRight")
    expect(explorer.locator("#episode")).to_contain_text("Training episode 3")
    path = explorer.evaluate("pathsOf(0).map(({ episode, steps }) => [[...episode.observations], steps])")
    assert path[-1][0] == agent.history.training_episodes[2].observations.ravel().tolist()
    assert path[-1][1] == agent.history.training_episodes[2].n_steps


def show(number):
    return f"{number:.4g}".replace("-", "−")


def test_driving_follows_an_episode_state_by_state(explorer, agent):
    explorer.get_by_label("Test", exact=True).check()
    explorer.get_by_role("button", name="Drive").click()
    expect(explorer.get_by_role("button", name="Pause")).to_be_visible()
    wait_for(explorer, "state.cursor >= 2")
    explorer.get_by_role("button", name="Pause").click()
    cursor, point = explorer.evaluate("[state.cursor, [...state.point]]")
    assert 2 <= cursor < agent.history.test_episodes[-1].n_steps
    assert point == agent.history.test_episodes[-1].observations[cursor].tolist()


def test_the_keyboard_does_what_the_pointer_does(explorer, agent):
    expect(explorer.locator("#when")).to_contain_text(f"agent step {agent.history.n_steps}")
    slider = explorer.get_by_label("Agent step of the training")
    slider.press("Home")
    expect(explorer.locator("#when")).to_contain_text("agent step 0 of")
    slider.press("ArrowRight")
    expect(explorer.locator("#when")).to_contain_text("agent step 1 of")
    slider.press("Space")
    expect(explorer.get_by_role("button", name="Pause")).to_be_visible()
    wait_for(explorer, "state.step > 2")
    slider.press("Space")
    expect(explorer.get_by_role("button", name="Play")).to_be_visible()

    plane = explorer.get_by_role("application", name=re.compile("plane of position and velocity"))
    before = explorer.evaluate("[...state.point]")
    plane.press("ArrowRight")
    plane.press("Shift+ArrowUp")
    assert explorer.evaluate("[...state.point]") == pytest.approx([before[0] + 0.02 * 1.8, before[1] + 0.1 * 0.14])
    explorer.get_by_label("position", exact=True).fill("-0.7")
    assert explorer.evaluate("state.point[0]") == -0.7
    expect(explorer.locator("#spoken")).to_contain_text("position −0.7, velocity")
    explorer.get_by_label("of this moment").check()
    assert explorer.evaluate("[state.scale, document.activeElement.value]") == ["frame", "frame"]


def test_any_two_dimensions_are_drawn_around_the_reference_state(page, tmp_path, screenshot):
    agent = DDPG(gym.make("Pendulum-v1", max_episode_steps=20), seed=1)
    grid = {"x_dimension": 0, "y_dimension": 2, "reference_state": (1.0, 0.25, 0.0)}
    agent.train_n_episodes(2, gen_q_a_frames_every_n_steps=10, n_validation_episodes=0, grid=grid)
    page.goto(create_explorer(agent, tmp_path / "explorer.html").resolve().as_uri())
    assert page.evaluate("[state.x, state.y, state.point[1]]") == [0, 2, 0.25]
    page.get_by_label("up", exact=True).select_option("sin angle")
    screenshot("pendulum")
    assert page.evaluate("[state.x, state.y]") == [0, 1]
    page.get_by_label("across", exact=True).focus()
    page.get_by_label("across", exact=True).select_option("sin angle")  # what was drawn upwards: they change places
    assert page.evaluate("[state.x, state.y]") == [1, 0]
    expect(page.get_by_label("across", exact=True)).to_be_focused()
    page.get_by_label("velocity (rad/s)", exact=True).fill("3")
    page.locator("canvas.plane").first.click(position={"x": 100, "y": 60})
    point = np.array([page.evaluate("[...state.point]")], np.float32)
    assert point[0, 2] == 3
    assert shown(page)["Policy: torque (N m)"] == pytest.approx(float(agent.policy(point)[0, 0]), rel=1e-3)


def test_two_trainings_are_compared_under_one_slider(page, agent, tmp_path, screenshot):
    weights = [each._replace(values=each.values * np.float32(0.9)) for each in agent.history.weights]
    other = dataclasses.replace(agent.history, weights=weights)
    trainings = [explored(name, history, agent.records) for name, history in (("a", agent.history), ("b", other))]
    write_explorer(trainings, tmp_path / "explorer.html", "b against a", n_shown=2)
    page.goto((tmp_path / "explorer.html").as_uri())
    expect(page.get_by_role("heading", level=3)).to_have_text(["a", "b", "Difference: b less a", "a", "b"])
    page.get_by_label("Agent step of the training").fill("60")
    screenshot("compare")
    a, b, difference = page.evaluate("[planesOf(0), planesOf(1), differenceOf(0, 1)].map(each => [...each.qMax])")
    assert np.ptp(a) > 0
    np.testing.assert_allclose(difference, np.subtract(b, a))
    page.get_by_role("checkbox", name="difference").uncheck()
    page.get_by_role("checkbox", name="b", exact=True).uncheck()
    expect(page.get_by_role("heading", level=3)).to_have_count(0)
    expect(page.locator("canvas.plane")).to_have_count(5)


def test_an_evaluation_episode_is_driven_with_the_environments_pictures(page, agent, tmp_path):
    episode = agent.history.test_episodes[0]
    frames = [[np.full((20, 30, 3), min(step, 250), np.uint8) for step in range(episode.n_steps + 1)]]
    training = explored("a", agent.history, agent.records, evaluation_episodes=[episode], evaluation_frames=frames)
    write_explorer([training], tmp_path / "explorer.html", "a")
    page.goto((tmp_path / "explorer.html").as_uri())
    picture = page.get_by_role("img", name=re.compile("^The environment at agent step"))
    expect(picture).to_have_count(0)
    page.get_by_label("Evaluation of the best policy").check()
    last = picture.get_attribute("src")
    page.evaluate("goToStepOfEpisode(1)")
    expect(picture).to_have_attribute("alt", "The environment at agent step 1")
    assert picture.get_attribute("src") != last
    assert picture.evaluate("image => image.decode().then(() => [image.naturalWidth, image.naturalHeight])") == [30, 20]
    page.get_by_label("Training", exact=True).check()
    expect(picture).to_have_count(0)


def test_the_slider_ends_with_the_trainings_that_are_shown(page, agent, tmp_path):
    longer = dataclasses.replace(agent.history, training_episodes=[*agent.history.training_episodes])
    last = longer.training_episodes[-1]
    more = dataclasses.replace(last, episode=last.episode + 1, first_step=last.last_step, epsilon=5e-17)
    longer.training_episodes.append(more)
    trainings = [explored(name, history, agent.records) for name, history in (("a", agent.history), ("b", longer))]
    write_explorer(trainings, tmp_path / "explorer.html", "a and b")
    page.goto((tmp_path / "explorer.html").as_uri())
    slider = page.get_by_label("Agent step of the training")
    ends = [agent.history.n_steps, longer.n_steps]
    assert ends[0] < ends[1]
    expect(slider).to_have_attribute("max", str(ends[0]))
    page.get_by_role("checkbox", name="b", exact=True).check()
    page.get_by_role("checkbox", name="a", exact=True).uncheck()
    expect(slider).to_have_attribute("max", str(ends[1]))
    expect(page.locator("#when")).to_contain_text(f"agent step {ends[1]} of {ends[1]} · episode 5 of 5 · ε\u00a00 ·")
    page.get_by_role("checkbox", name="a", exact=True).check()
    page.get_by_role("checkbox", name="b", exact=True).uncheck()
    assert page.evaluate("state.step") == ends[0]


def test_axes_that_count_have_whole_numbers(explorer):
    drawn = explorer.evaluate(
        """(() => {
            const texts = [], draw = CanvasRenderingContext2D.prototype.fillText;
            CanvasRenderingContext2D.prototype.fillText = function(text) { texts.push([this.canvas.className, text]); };
            document.querySelectorAll("canvas").forEach(canvas => { canvas.shown = null; });
            window.draw();
            CanvasRenderingContext2D.prototype.fillText = draw;
            return texts.filter(([name]) => name === "returns").map(([, text]) => text);
        })()"""
    )
    assert {"1", "2", "3", "4", "episode"} <= set(drawn)
    assert explorer.evaluate("ticks(0.5, 4.5, 12, 1)") == [1, 2, 3, 4]
    assert explorer.evaluate("ticks(0.5, 4.5, 12).length") > 4


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_fits_a_phone(explorer, screenshot, scheme):
    explorer.emulate_media(color_scheme=scheme)
    explorer.set_viewport_size({"width": 400, "height": 800})
    screenshot(scheme)
    assert explorer.evaluate("document.documentElement.scrollWidth") == 400
    is_dark = explorer.evaluate("theme.paper") == "#0d1117"
    assert is_dark is (scheme == "dark")
    texts = explorer.evaluate(
        """[...document.querySelectorAll("main *")].filter(each => !each.children.length && each.textContent.trim())
            .map(each => parseFloat(getComputedStyle(each).fontSize))"""
    )
    assert min(texts) >= 12


def test_it_works_within_a_frame_that_may_only_run_scripts(page, agent, tmp_path):
    """As in MLflow's and in our own pages; it asks for nothing over the network."""
    create_explorer(agent, tmp_path / "explorer.html", title="</script> & co.")
    (tmp_path / "index.html").write_text(
        '<iframe sandbox="allow-scripts" src="explorer.html" width="900" height="700">'
    )
    requested = []
    page.on("request", lambda request: requested.append(request.url))
    page.goto((tmp_path / "index.html").as_uri())
    frame = page.frame_locator("iframe")
    expect(frame.get_by_role("heading", level=1)).to_have_text("</script> & co.")
    expect(frame.locator("#readout tr")).to_have_count(6)
    assert [address.rpartition("/")[2] for address in requested] == ["index.html", "explorer.html"]
