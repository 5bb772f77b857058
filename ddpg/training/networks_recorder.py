"""Snapshots and weights of an agent's networks, recorded in a history as the agent learns."""

from collections.abc import MutableSequence
from typing import Any

import numpy as np

from ddpg.algorithm.off_policy_agent import OffPolicyAgent
from ddpg.algorithm.operations import describe_networks, weights_of
from ddpg.grid_config import GridConfig
from ddpg.history import NetworkWeights, TrainingHistory
from ddpg.training.snapshots import StateGrid, snapshots_per_weights


class NetworksRecorder:
    """Records an agent's networks in a history.

    Args:
        agent: Whose networks.
        history: Where to.
        config: The state grid of the snapshots.
        every_n_steps: Agent steps between snapshots.

    Raises:
        ValueError: The history holds snapshots on another grid.
    """

    def __init__(self, agent: OffPolicyAgent, history: TrainingHistory, config: GridConfig, every_n_steps: int) -> None:
        self.agent, self.history, self.every_n_steps = agent, history, every_n_steps
        self.grid = StateGrid(config, agent.observations, agent.action_size)
        drawn = history.grid
        if drawn is not None and not all(
            np.array_equal(a, b) for a, b in zip(vars(drawn).values(), vars(self.grid.axes).values(), strict=True)
        ):
            raise ValueError("grid: expected that of the snapshots which the history holds, received another")
        history.grid = self.grid.axes
        networks = describe_networks(agent.learner.compiled.networks, agent.observations)
        self.n_weights: int = networks["n_weights"]
        history.networks = networks

    def after_step(self, step: int, episode: int) -> None:
        """Records the networks if it is their turn after an agent step of training."""
        if step % self.every_n_steps == 0:
            self._record(step, episode)

    def at_the_end(self) -> None:
        """Records the networks after the last agent step, if there was one; they replace those of the same step."""
        step = self.history.n_steps
        if not step:
            return
        if self.agent.config.observation_normalization != "none":  # an episode's end changes the scaling
            drop_after(self.history, step - 1)
        self._record(step, len(self.history.training_episodes), with_weights=True)

    def _record(self, step: int, episode: int, *, with_weights: bool = False) -> None:
        snapshots, weights, learner = self.history.snapshots, self.history.weights, self.agent.learner
        if not snapshots or snapshots[-1].step < step:
            snapshots.append(self.grid.snapshot(learner.evaluate_grid, self.agent.observations, step, episode))
        with_weights |= (len(snapshots) - 1) % snapshots_per_weights(snapshots[-1], self.n_weights) == 0
        if with_weights and (not weights or weights[-1].step < step):
            weights.append(NetworkWeights(step, weights_of(learner.parts, self.agent.observations)))


def drop_after(history: TrainingHistory, step: int) -> None:
    """Drops the snapshots and weights after an agent step."""
    recorded: tuple[MutableSequence[Any], ...] = history.snapshots, history.weights
    for some in recorded:
        while some and some[-1].step > step:
            some.pop()
