import base64
import dataclasses
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from ddpg.history import NetworkWeights
from ddpg.records import EpisodeRecord
from ddpg.visualizations import explorer
from ddpg.visualizations.explorer import ExploredTraining, create_explorer, explored, explorer_page, write_explorer
from ddpg.visualizations.notebook import Html
from tests.ddpg.visualizations.conftest import LENGTHS, TEST_LENGTH

N_WEIGHTS = 500


@pytest.fixture
def history(history):
    """With weights every second step, those of the first three alike."""
    history.networks = {"actor": [], "critic": [], "n_weights": N_WEIGHTS}
    history.weights = [NetworkWeights(step, np.full(N_WEIGHTS, max(step, 6), np.float32)) for step in range(2, 16, 2)]
    return history


def embedded(page):
    (text,) = re.findall(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(text)


def steps_of(training):
    return np.frombuffer(base64.b64decode(training["weights"]["steps"]), "<i4").tolist()


def decoded(text):
    return np.frombuffer(base64.b64decode(text), "<f4")


def record(episode, validation_return, is_best):
    others = dict.fromkeys(EpisodeRecord._fields, 0) | {"episode": episode}
    return EpisodeRecord(**others | {"validation_return": validation_return, "is_best": is_best})


def test_a_page_holds_episodes_returns_and_the_weights_where_they_change(history):
    records = [record(1, float("nan"), False), record(2, 5.0, True), record(3, 4.0, False)]
    contents = embedded(explorer_page([explored("seed 1", history, records)], "Walk"))
    (training,) = contents["trainings"]
    assert steps_of(training) == [2, 8, 10, 12, 14]
    assert decoded(training["weights"]["values"]).reshape(5, N_WEIGHTS)[:, 0].tolist() == [6, 8, 10, 12, 14]
    assert (training["nSteps"], training["bestEpisode"]) == (15, 2)
    assert training["validation"] == [{"number": 2, "score": 5.0}, {"number": 3, "score": 4.0}]
    episodes = training["episodes"]["training"]
    assert [(each["number"], each["firstStep"], each["steps"]) for each in episodes["episodes"]] == [
        (1, 0, 4), (2, 4, 6), (3, 10, 5),
    ]  # fmt: skip
    observations = np.concatenate([each.observations for each in history.training_episodes])
    np.testing.assert_array_equal(decoded(episodes["observations"]), observations.astype(np.float32).ravel())
    assert contents["dimensions"] == [{"name": f"state {i}", "low": -1.0, "high": 1.0} for i in range(2)]


def test_dimensions_span_the_snapshots_and_what_episodes_visited(history_of, history):
    wide = history_of(size=3)
    wide.networks, wide.weights = history.networks, history.weights
    contents = embedded(explorer_page([ExploredTraining("wide", wide)], "Walk"))
    visited = np.concatenate([each.observations[:, 2] for each in wide.training_episodes])
    assert contents["dimensions"][2] == {"name": "state 2", "low": visited.min(), "high": visited.max()}
    beyond = dataclasses.replace(wide.training_episodes[0], observations=np.full((5, 3), [[0, -7, 0]], np.float32))
    wide.training_episodes[0] = beyond
    assert embedded(explorer_page([ExploredTraining("wide", wide)], "Walk"))["dimensions"][1]["low"] == -7


def test_the_state_that_is_chosen_at_first_is_a_possible_one(history):
    """The middle of the bounds may be none, as where states hold cosine and sine."""

    def first(**others):
        page = explorer_page([ExploredTraining("seed 1", history, **others)], "Walk")
        return embedded(page)["grid"]["reference"]

    assert first() == history.training_episodes[0].observations[0].tolist()
    evaluation = history.test_episodes[:1]
    assert first(evaluation_episodes=evaluation) == evaluation[0].observations[0].tolist()
    assert first(evaluation_episodes=evaluation, reference_state=(0.5, 0.25)) == [0.5, 0.25]


def test_pictures_of_evaluation_episodes_are_small_and_take_a_share_of_the_page(history):
    frames = [np.full((300, 600, 3), (200, 30, 10 * i), np.uint8) for i in range(5)]
    training = ExploredTraining(
        "seed 1", history, evaluation_episodes=history.test_episodes[:1], evaluation_frames=[frames]
    )
    (whole,) = embedded(explorer_page([training], "Walk"))["trainings"]
    assert whole["film"]["every"] == 1
    pictures = [Image.open(io.BytesIO(base64.b64decode(each))).convert("RGB") for each in whole["film"]["episodes"][0]]
    assert [each.size for each in pictures] == [(200, 100)] * 5
    colours = [each.getpixel((50, 50)) for each in pictures]
    np.testing.assert_allclose(colours, [(200, 30, 10 * i) for i in range(5)], atol=4)
    n_bytes = sum(len(each) for each in whole["film"]["episodes"][0])
    (thinned,) = embedded(explorer_page([training], "Walk", most_bytes=int(n_bytes / 0.12 / 1.9)))["trainings"]
    assert thinned["film"] == {"every": 2, "episodes": [whole["film"]["episodes"][0][::2]]}


def test_weights_that_do_not_fit_are_left_out_evenly_the_trainings_shown_first_last(history, monkeypatch):
    monkeypatch.setattr(explorer, "_FEWEST_MOMENTS", 2)
    monkeypatch.setattr(explorer, "_SHARE_OF_EPISODES", np.inf)
    history.weights = [NetworkWeights(step, np.full(N_WEIGHTS, step, np.float32)) for step in range(1, 102)]
    trainings = [ExploredTraining(name, history) for name in ("a", "b", "c")]
    moment = (N_WEIGHTS + 1) * 4 * 4 / 3
    smallest = len(explorer_page(trainings, "Walk", most_bytes=0).encode())

    def kept(n_shown, n_moments):
        most_bytes = int(smallest + (n_moments - 6) * moment) + 20
        page = explorer_page(trainings, "Walk", n_shown=n_shown, most_bytes=most_bytes)
        assert len(page.encode()) <= most_bytes
        return [steps_of(training) for training in embedded(page)["trainings"]]

    first, second, third = kept(n_shown=1, n_moments=125)
    assert first == list(range(1, 102))
    assert len(second) == len(third) == 12
    assert (second[0], second[-1]) == (1, 101)
    assert set(np.diff(second)) <= {9, 10}
    assert [len(steps) for steps in kept(n_shown=2, n_moments=90)] == [44, 44, 2]


def test_of_many_episodes_the_steps_of_some_are_kept(history):
    training = ExploredTraining("long", history)
    n_bytes = sum(4 * (2 * (n + 1) + n + n) for n in (*LENGTHS, *[TEST_LENGTH] * 3)) * 4 / 3
    (whole,) = embedded(explorer_page([training], "Walk", most_bytes=int(n_bytes / 0.4) + 1))["trainings"]
    (thinned,) = embedded(explorer_page([training], "Walk", most_bytes=int(n_bytes / 0.4 / 2) + 1))["trainings"]
    assert [each["isKept"] for each in whole["episodes"]["training"]["episodes"]] == [True, True, True]
    for kind, lengths in (("training", LENGTHS), ("test", [TEST_LENGTH] * 3)):
        assert [each["isKept"] for each in thinned["episodes"][kind]["episodes"]] == [True, False, True]
        assert decoded(thinned["episodes"][kind]["rewards"]).size == lengths[0] + lengths[2]


def test_texts_cannot_end_the_page_and_nothing_is_requested(history):
    named = dataclasses.replace(history, observation_names=("</script><b>", "{{STYLE}}"))
    page = explorer_page([ExploredTraining("<!--", named)], "</title> {{DATA}} & co.")
    assert "<title>&lt;/title&gt; {{DATA}} &amp; co.: explorer</title>" in page
    assert page.count("</script>") == 2
    assert embedded(page)["dimensions"][0]["name"] == "</script><b>"
    assert embedded(page)["trainings"][0]["name"] == "<!--"
    assert not re.search(r"https?:|@import|url\(", page)


def test_an_agents_page_is_a_file_or_shown_by_notebooks(tmp_path, history):
    class Agent:
        records = (record(1, 5.0, True),)
        progress = None

    agent = Agent()
    agent.history = history
    assert create_explorer(agent, tmp_path / "explorer.html", title="Walk") == tmp_path / "explorer.html"
    assert "<h1>Walk</h1>" in (tmp_path / "explorer.html").read_text()
    shown = create_explorer(agent)
    assert isinstance(shown, Html)
    assert shown._repr_html_().startswith('<iframe sandbox="allow-scripts" ')
    assert 'srcdoc="&lt;!doctype html&gt;' in shown.text


def test_histories_that_cannot_be_explored_are_refused_by_name(history, history_of, tmp_path):
    with pytest.raises(ValueError, match="trainings: expected at least one"):
        explorer_page([], "Walk")
    with pytest.raises(ValueError, match="seed 2: expected a history with snapshots and weights"):
        write_explorer([ExploredTraining("seed 2", history_of())], tmp_path / "explorer.html", "Walk")
    other = history_of(size=3)
    other.networks, other.weights = history.networks, history.weights
    with pytest.raises(ValueError, match="seed 3: expected the observations and actions of seed 1"):
        explorer_page([ExploredTraining("seed 1", history), ExploredTraining("seed 3", other)], "Walk")
    assert not list(tmp_path.iterdir())
