import numpy as np
import pytest

from ddpg.algorithm.learner import Learner
from ddpg.algorithm.scaling import BoxScaler
from ddpg.config import AgentConfig, GridConfig
from ddpg.training.snapshots import StateGrid

CONFIG = AgentConfig(hidden_layer_sizes_actor=(4,), hidden_layer_sizes_critic=((4,), (4,)))
FOUR_DIMENSIONS = BoxScaler([-1, 0, -np.inf, 2], [1, 10, np.inf, 4])


def test_a_cell_holds_what_the_networks_say_of_its_state_one_by_one():
    learner = Learner(4, 2, CONFIG, np.random.default_rng(0))
    config = GridConfig(
        x_dimension=3, y_dimension=1, action_dimension=1, n_cells=3, n_actions=5, reference_state=(0.5, 1, 2, 3)
    )
    snapshot = StateGrid(config, FOUR_DIMENSIONS, 2).snapshot(
        learner.evaluate_grid, FOUR_DIMENSIONS, step=70, episode=4
    )
    networks = learner.networks()
    assert (snapshot.step, snapshot.episode) == (70, 4)
    for row, y in enumerate((0, 5, 10)):
        for column, x in enumerate((2, 3, 4)):
            state = FOUR_DIMENSIONS.scale(np.array([[0.5, y, 2, x]], np.float32))
            policy = networks["actor"](state).numpy()
            line = np.linspace(-1, 1, 5)
            q = [networks["critic"]([state, np.array([[policy[0, 0], a]], np.float32)]).numpy().item() for a in line]
            assert snapshot.q_max[row, column] == pytest.approx(max(q), abs=1e-5)
            assert snapshot.q_std[row, column] == pytest.approx(np.std(q), abs=1e-5)
            assert snapshot.action_at_q_max[row, column] == line[np.argmax(q)]
            np.testing.assert_allclose(snapshot.policy[row, column], policy[0], atol=1e-5)
    assert snapshot.action_gradient.shape == (3, 3, 2)


def test_axes_include_both_bounds_in_the_environments_units():
    axes = StateGrid(GridConfig(n_cells=16), BoxScaler([-1.2, -0.07], [0.6, 0.07]), 1).axes
    np.testing.assert_allclose([axes.x[0], axes.x[-1], axes.y[0], axes.y[-1]], [-1.2, 0.6, -0.07, 0.07], rtol=1e-6)
    assert axes.x.shape == axes.y.shape == (16,)


def test_limits_can_be_given_and_unbounded_dimensions_have_one():
    config = GridConfig(x_dimension=0, y_dimension=2, n_cells=2, x_limits=(-0.5, 0.5))
    axes = StateGrid(config, FOUR_DIMENSIONS, 1).axes
    assert (axes.x.tolist(), axes.y.tolist()) == ([-0.5, 0.5], [-1, 1])


def test_one_state_dimension_is_one_row():
    learner = Learner(1, 1, CONFIG, np.random.default_rng(0))
    scaler = BoxScaler([0], [1])
    snapshot = StateGrid(GridConfig(n_cells=7), scaler, 1).snapshot(learner.evaluate_grid, scaler, 1, 1)
    assert snapshot.q_max.shape == (1, 7)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"x_dimension": 4}, r"x_dimension: expected a number in \[0, 3\], received 4"),
        ({"action_dimension": 2}, "action_dimension"),
        ({"reference_state": (1.0, 2.0)}, "reference_state: expected 4 numbers, received 2"),
    ],
)
def test_refuses_dimensions_that_are_not_there(settings, reason):
    with pytest.raises(ValueError, match=reason):
        StateGrid(GridConfig(**settings), FOUR_DIMENSIONS, 2)
