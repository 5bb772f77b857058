import io
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from ddpg import plots
from ddpg.agent import DDPG
from ddpg.config import GridConfig
from ddpg.history import TrainingHistory
from tests.ddpg.test_agent import SMALL, mountain_car


@pytest.fixture
def agent():
    return DDPG(mountain_car(), seed=1, **SMALL)


def pixels(picture):
    return np.asarray(Image.open(io.BytesIO(picture.png)).convert("RGB"))


def test_q_is_drawn_of_the_present_networks_also_before_any_training(agent, tmp_path):
    before = agent.plot_q(GridConfig(n_cells=4))
    assert pixels(before).shape[1] == 960
    assert before.save(tmp_path / "q.png").read_bytes() == before.png == before._repr_png_()
    agent.train_n_episodes(1, action_repeat=50, n_validation_episodes=0, run_tests=False)
    assert agent.history.grid is None
    assert np.any(pixels(agent.plot_q(GridConfig(n_cells=4))) != pixels(before))
    with pytest.raises(ValueError, match="x_dimension"):
        agent.plot_q(GridConfig(x_dimension=7))


def test_returns_are_drawn_once_there_are_some(agent):
    with pytest.raises(ValueError, match="expected at least one training episode"):
        agent.plot_returns()
    agent.train_n_episodes(1, action_repeat=50, n_validation_episodes=0)
    one = agent.plot_returns()
    agent.train_n_episodes(1, action_repeat=50, n_validation_episodes=0)
    assert np.any(pixels(agent.plot_returns()) != pixels(one))


def test_a_notebook_shows_a_history_as_its_returns(agent, monkeypatch):
    shown = {}
    formatter = SimpleNamespace(for_type=shown.__setitem__)
    shell = SimpleNamespace(kernel=..., display_formatter=SimpleNamespace(formatters={"image/png": formatter}))
    monkeypatch.setattr(plots, "sys", SimpleNamespace(modules={"IPython": SimpleNamespace(get_ipython=lambda: shell)}))
    plots.show_histories()
    assert shown[TrainingHistory](agent.history) is None  # the line that repr is
    agent.train_n_episodes(1, action_repeat=50, n_validation_episodes=0)
    assert shown[TrainingHistory](agent.history) == agent.plot_returns().png


@pytest.mark.parametrize("modules", [{}, {"IPython": SimpleNamespace(get_ipython=lambda: None)}])
def test_elsewhere_nothing_happens(modules, monkeypatch):
    monkeypatch.setattr(plots, "sys", SimpleNamespace(modules=modules))
    plots.show_histories()
