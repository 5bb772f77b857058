"""The phase portrait of a policy: where the closed loop of policy and environment drives the state."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.patheffects import withStroke
from numpy.typing import NDArray

from ddpg.environments.dimensions import names_of
from ddpg.environments.interface import as_action, flat_observation, scaler_of
from ddpg.evaluation.rollouts import BatchPolicy
from ddpg.history import EpisodeHistory, FloatArray
from ddpg.visualizations.figure import new_figure, write_figure

_COLOUR_MAP = "RdBu"
# Told apart from each other, and from the actions' reds and blues.
_FLOW_COLOUR, _TRAJECTORY_COLOUR = "0.6", "#3A0A5E"
_GOAL_COLOUR = "#009E73"
_N_COLOURS = 160
_N_DISPLACEMENTS = 61
_TOLERANCE = 1e-5


def draw_phase_portrait(
    env: gym.Env[Any, Any],
    policy: BatchPolicy,
    episodes: Sequence[EpisodeHistory],
    path: Path,
    action_repeat: int = 1,
    *,
    x_dimension: int = 0,
    y_dimension: int = 1,
    action_dimension: int = 0,
) -> None:
    """Write a PNG or SVG of the plane of two state dimensions: actions as colours, the closed loop as arrows.

    If the state has only these two dimensions and can be set, the arrows are streamlines of the displacement in one
    agent step, and the background is the policy's action. Otherwise the arrows are the recorded agent steps, each in
    the colour of its action. A one-dimensional state is drawn against its change in an agent step.

    Args:
        env: Without noise; it is reset and stepped.
        policy: Without noise.
        episodes: Recorded with this policy in this environment, at least one; their paths are drawn.
        path: Ends in `.png` or `.svg`.
        action_repeat: Environment steps for which an action is held.
        x_dimension: State dimension along the horizontal axis.
        y_dimension: State dimension along the vertical axis; ignored for one-dimensional states.
        action_dimension: Action dimension that is drawn.

    Raises:
        ValueError: There is no episode, or the path has another suffix.
    """
    if not episodes:
        raise ValueError("episodes: expected at least one, received none")
    observation_names, action_names = names_of(env)
    is_line = len(observation_names) == 1
    plane = [x_dimension] if is_line else [x_dimension, y_dimension]
    limits = _limits(env, episodes, plane)
    space: Any = env.action_space
    colours = Normalize(space.low.ravel()[action_dimension], space.high.ravel()[action_dimension])

    figure = new_figure(9, 6.2)
    axes = figure.add_subplot(xlim=limits[0], ylim=None if is_line else limits[1])
    held = "1 environment step" if action_repeat == 1 else f"{action_repeat} environment steps"
    if is_line:
        mappable = _draw_changes(axes, episodes, action_dimension, colours)
        arrows = f"agent steps of {held}, as recorded"
    elif _can_set_state(env, episodes[0], action_repeat):
        mappable = _draw_actions(axes, policy, limits, plane, action_dimension, colours)
        x, y = _grid(limits, _N_DISPLACEMENTS)
        u, v = _displacements(env, policy, x, y, plane, action_repeat)
        axes.streamplot(x, y, u, v, color=_FLOW_COLOUR, density=1.3, linewidth=0.8, arrowsize=0.9)
        axes.plot([], [], color=_FLOW_COLOUR, linewidth=0.8, label="flow")
        _draw_paths(axes, episodes, plane)
        _draw_ends(axes, episodes, plane)
        arrows = f"streamlines of the displacement in an agent step of {held}"
    else:
        mappable = _draw_recorded_steps(axes, episodes, plane, action_dimension, colours)
        _draw_ends(axes, episodes, plane)
        arrows = f"agent steps of {held}, as recorded: no state of this plane can be set"
    axes.set_title(arrows, loc="left", fontsize=11, color="0.35")
    figure.suptitle("Phase portrait of the policy", x=0.01, ha="left", fontsize=14)
    axes.set_xlabel(observation_names[x_dimension], fontsize=12)
    axes.set_ylabel(f"change of {observation_names[0]}" if is_line else observation_names[y_dimension], fontsize=12)
    figure.colorbar(mappable, ax=axes, pad=0.02).set_label(action_names[action_dimension], fontsize=12)
    if not is_line:
        figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=11)
    write_figure(figure, path)


def _limits(env: gym.Env[Any, Any], episodes: Sequence[EpisodeHistory], plane: list[int]) -> FloatArray:
    """Return low and high of each axis: the space's bounds, or the range of the episodes where it has none."""
    scaler = scaler_of(env.observation_space)
    visited = np.concatenate([episode.observations for episode in episodes])
    low, high = visited.min(axis=0), visited.max(axis=0)
    margin = 0.05 * (high - low) + 1e-6
    limits = np.where(scaler.bounded, [scaler.low, scaler.high], [low - margin, high + margin])
    return limits.T[plane]


def _can_set_state(env: gym.Env[Any, Any], episode: EpisodeHistory, action_repeat: int) -> bool:
    """Return whether `env.unwrapped.state`, as in Gymnasium's classic control, is the two-dimensional observation.

    Verified by reproducing the steps of a recorded episode.
    """
    start = flat_observation(env.reset(seed=0)[0])
    state: Any = getattr(env.unwrapped, "state", None)
    if start.shape != (2,) or np.shape(state) != (2,) or not np.allclose(start, state, _TOLERANCE, _TOLERANCE):
        return False
    # Backwards, since a hidden state would evolve as recorded if the steps were in order.
    steps = zip(episode.observations[-2::-1], episode.actions[::-1], strict=True)
    successors = [_successor(env, observation, action, action_repeat)[0] for observation, action in steps]
    return np.allclose(successors, episode.observations[:0:-1], _TOLERANCE, _TOLERANCE)


def _successor(
    env: gym.Env[Any, Any], state: FloatArray, action: NDArray[np.floating[Any]], action_repeat: int
) -> tuple[FloatArray, bool]:
    """Return the state after an agent step, and whether the first environment step ended the episode."""
    bare: Any = env.unwrapped
    # A copy, since an environment may change it in place. Wrappers would count the steps.
    bare.state = np.array(state, dtype=np.asarray(bare.state).dtype)
    action = as_action(bare.action_space, action)
    n_steps, terminated = 0, False
    while n_steps < action_repeat and not terminated:
        observation, _, terminated, _, _ = bare.step(action.copy())
        n_steps += 1
    return flat_observation(observation), terminated and n_steps == 1


def _grid(limits: FloatArray, n: int) -> tuple[FloatArray, FloatArray]:
    """Return the middles of n cells along each axis."""
    middles = (np.arange(n) + 0.5) / n
    x, y = (low + (high - low) * middles for low, high in limits)
    return x, y


def _states(x: FloatArray, y: FloatArray, plane: list[int]) -> FloatArray:
    """Return the states of the grid, shape (n_y * n_x, 2)."""
    states = np.empty((len(y), len(x), 2), np.float32)
    states[..., plane[0]] = x
    states[..., plane[1]] = y[:, None]
    return states.reshape(-1, 2)


def _draw_actions(
    axes: Axes, policy: BatchPolicy, limits: FloatArray, plane: list[int], action_dimension: int, colours: Normalize
) -> Any:
    x, y = _grid(limits, _N_COLOURS)
    actions = policy(_states(x, y, plane))[:, action_dimension].reshape(len(y), len(x))
    return axes.imshow(
        actions,
        cmap=_COLOUR_MAP,
        norm=colours,
        origin="lower",
        extent=(*limits[0], *limits[1]),
        aspect="auto",
        alpha=0.75,
    )


def _displacements(
    env: gym.Env[Any, Any], policy: BatchPolicy, x: FloatArray, y: FloatArray, plane: list[int], action_repeat: int
) -> FloatArray:
    """Return displacements along both axes in one agent step, shape (2, n_y, n_x).

    NaN where the first environment step ends the episode, since a terminal state has no successor.
    """
    states = _states(x, y, plane)
    displacements = np.empty_like(states)
    for i, (state, action) in enumerate(zip(states, policy(states), strict=True)):
        successor, over = _successor(env, state, action, action_repeat)
        displacements[i] = np.nan if over else successor - state
    return displacements[:, plane].T.reshape(2, len(y), len(x))


def _draw_recorded_steps(
    axes: Axes, episodes: Sequence[EpisodeHistory], plane: list[int], action_dimension: int, colours: Normalize
) -> Any:
    starts = np.concatenate([episode.observations[:-1, plane] for episode in episodes])
    ends = np.concatenate([episode.observations[1:, plane] for episode in episodes])
    actions = np.concatenate([episode.actions[:, action_dimension] for episode in episodes])
    return axes.quiver(
        *starts.T,
        *(ends - starts).T,
        actions,
        cmap=_COLOUR_MAP,
        norm=colours,
        angles="xy",
        scale_units="xy",
        scale=1,
        width=0.0025,
        edgecolor="0.4",
        linewidth=0.3,
    )


def _draw_changes(axes: Axes, episodes: Sequence[EpisodeHistory], action_dimension: int, colours: Normalize) -> Any:
    """Draw a one-dimensional state against its change: above zero it grows, below it shrinks."""
    states = np.concatenate([episode.observations[:-1, 0] for episode in episodes])
    changes = np.concatenate([np.diff(episode.observations[:, 0]) for episode in episodes])
    actions = np.concatenate([episode.actions[:, action_dimension] for episode in episodes])
    axes.axhline(0, color="0.35", linewidth=1)
    return axes.scatter(states, changes, c=actions, cmap=_COLOUR_MAP, norm=colours, edgecolors="0.4", linewidths=0.5)


def _draw_paths(axes: Axes, episodes: Sequence[EpisodeHistory], plane: list[int]) -> None:
    outline = [withStroke(linewidth=3.2, foreground="white")]
    for i, episode in enumerate(episodes):
        label = "episode" if i == 0 else None
        path = episode.observations[:, plane].T
        axes.plot(*path, color=_TRAJECTORY_COLOUR, linewidth=1.7, path_effects=outline, label=label)


def _draw_ends(axes: Axes, episodes: Sequence[EpisodeHistory], plane: list[int]) -> None:
    """Draw a dot at each start, and a mark at each end."""
    style: dict[str, Any] = {"linestyle": "", "markeredgecolor": "white", "markeredgewidth": 0.8, "zorder": 4}
    starts = np.array([episode.observations[0, plane] for episode in episodes])
    axes.plot(*starts.T, marker="o", color=_TRAJECTORY_COLOUR, markersize=7, label="start", **style)
    for label, marker, colour, size, reached in (
        ("goal reached", "*", _GOAL_COLOUR, 13, True),
        ("end", "X", "0.35", 8, False),
    ):
        ends = np.array([episode.observations[-1, plane] for episode in episodes if episode.reached_goal == reached])
        if len(ends):
            axes.plot(*ends.T, marker=marker, color=colour, markersize=size, label=label, **style)
