"""Scores of policies on fixed start states, by which the best one is chosen."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ddpg.algorithm.policy import Policy
from ddpg.environments import running_statistics
from ddpg.environments.copies import close_copies, copies, random_state, set_random_state
from ddpg.environments.interface import Environment
from ddpg.evaluation.rollouts import run_episodes
from ddpg.history import EpisodeHistory
from ddpg.seeding import Stream, episode_seed

Returns = NDArray[np.float64]
"""Of the episodes in the order of their start states, shape (n,)."""


class BestPolicy(NamedTuple):
    """The learner when it scored best."""

    episode: int
    score: float
    """Mean return of the validation episodes, or the test return without them."""
    returns: Returns | None
    """Of the validation episodes, in the order of their start states."""
    learner: dict[str, NDArray[Any]]
    """What `Learner.state_dict` returned."""
    observation_moments: dict[str, Any] | None
    """`OffPolicyAgent.observation_moments`."""
    statistics: running_statistics.State
    """What `running_statistics.state_dict` returned: those through which the policy saw."""


class Validation:
    """Episodes without noise in copies of an environment, from start states that are the same at every call.

    Args:
        env: The environment.
        seed: Source of the start states.
    """

    def __init__(self, env: Environment, seed: int) -> None:
        self.env = env
        self.seed = seed
        self._envs: list[Environment] = []
        self._n_copied = 0

    def run(
        self, policy: Policy, n_episodes: int, action_repeat: int, *, heat: range | None = None, episode: int = 0
    ) -> list[EpisodeHistory]:
        """Runs episodes.

        Args:
            policy: What acts.
            n_episodes: The number of start states.
            action_repeat: Environment steps for which an action is held.
            heat: The start states of this call; `None`: all.
            episode: Number to record; see `EpisodeHistory`.
        """
        if self._n_copied != n_episodes:
            self.close()
            self._envs, self._n_copied = copies(self.env, n_episodes), n_episodes
        statistics = running_statistics.state_dict(self.env)
        if statistics:
            for env in self._envs:
                running_statistics.load_state_dict(env, statistics)
        heat = range(n_episodes) if heat is None else heat
        seeds = [episode_seed(self.seed, Stream.VALIDATION_EPISODES, i) for i in heat]
        return run_episodes(policy, self._envs, seeds, action_repeat, episode=episode)

    def close(self) -> None:
        """Closes the copies of the environment; they are made again when needed."""
        close_copies(self.env, self._envs)
        self._envs, self._n_copied = [], 0

    def state_dict(self) -> dict[str, Any]:
        """What lasts from one call to the next: the copies' random generators, as environments may ignore seeds."""
        return {"n_copied": self._n_copied, "generators": [random_state(env) for env in self._envs]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restores what `state_dict` returned.

        Raises:
            ValueError: The environment has fewer copies than there were.
        """
        of_copies = state["generators"]
        if of_copies:
            self._envs, self._n_copied = copies(self.env, state["n_copied"]), state["n_copied"]
        if len(self._envs) != len(of_copies):
            received = len(self._envs)
            raise ValueError(f"environment: expected one with {len(of_copies)} independent copies, received {received}")
        for env, of_generator in zip(self._envs, of_copies, strict=True):
            set_random_state(env, of_generator)


def race(run: Callable[[range], Returns], n_episodes: int, first_heat: int, best: Returns | None) -> Returns:
    """Scores a policy on more and more start states, as long as it may be better than the best one on all of them.

    After each heat, which doubles their number, it is compared with the best on the same start states: it retires if
    its mean is lower by more than twice the standard error of the difference. This is successive racing with a paired
    test, after Maron & Moore, "Hoeffding races", 1993, NIPS 6. Where the best one's mean from these start states is
    above its mean from all, the latter counts: it may fail from others, and one that never fails has to overtake it.

    Args:
        run: The returns from the start states of these numbers.
        n_episodes: The number of start states.
        first_heat: How many the first heat has; 0: all.
        best: The returns of the best policy so far from all of them, if there is one.

    Returns:
        As many returns as start states, or fewer if the policy retired.
    """
    returns = run(range(min(first_heat, n_episodes) or n_episodes))
    while len(returns) < n_episodes and may_be_better(returns, best):
        returns = np.concatenate([returns, run(range(len(returns), min(2 * len(returns), n_episodes)))])
    return returns


def may_be_better(returns: Returns, best: Returns | None) -> bool:
    """Whether a policy with these returns from the first start states may have a higher mean on all; see `race`."""
    n = len(returns)
    if best is None or len(best) < n or n < 2:
        return True
    difference = returns - best[:n]
    flattered = max(0.0, best[:n].mean() - best.mean())
    return bool(difference.mean() + flattered + 2 * difference.std(ddof=1) / np.sqrt(n) >= 0)
