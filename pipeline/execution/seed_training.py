"""What a worker process of the train stage does: train one seed after another, with TensorFlow on one thread."""

import dataclasses
import time
import warnings
from bisect import bisect_right
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline import results
from pipeline.execution import seed_store
from pipeline.execution.workers import Send
from pipeline.params import Params
from pipeline.quiet import silent_stderr

if TYPE_CHECKING:
    from ddpg.agent import DDPG
    from ddpg.history import TrainingHistory

MAX_CHECKPOINT_SHARE = 0.02
"""Of the training time."""


class SeedTask(NamedTuple):
    """A seed to train."""

    params: Params
    seed: int
    directory: Path | None
    """Where the seed store keeps its checkpoints and then its results; `None`: it keeps neither."""


def prepare() -> None:
    """Load TensorFlow."""
    with silent_stderr():
        import ddpg.numerics.backend  # noqa: F401


def train_seed(task: SeedTask, send: Send) -> None:
    """Train one seed, from its newest checkpoint if there is one, and write its results.

    Sends, for each episode from the first, the fields of its `EpisodeRecord` and the networks after it, see
    `networks_after`; and messages to the user as text.
    """
    from ddpg.environments.interface import make

    params = task.params
    with make(params.environment.id, params.environment.kwargs) as env:
        agent = _agent(task, env, send)
        checkpoints = _Checkpoints(agent, task, send)
        # Records are sent as mappings: to unpickle an EpisodeRecord, the parent would have to load TensorFlow.
        for record in agent.records:
            send((record._asdict(), networks_after(agent.history, record.agent_steps)))
        for record in agent.trainer.train(params.train) if agent.progress is None else agent.trainer.resume():
            send((record._asdict(), networks_after(agent.history, record.agent_steps)))
            if checkpoints.are_due_after(record.episode):
                checkpoints.save()
    folder = results.seed_folder(task.seed)
    results.recreate(folder)  # a killed process may have left an incomplete file
    agent.save(folder / "best", best=True)
    agent.save(folder / "final")
    agent.history.save(folder / "history.npz")
    if task.directory is not None:
        try:
            seed_store.store(task.directory, folder, [record._asdict() for record in agent.records])
        except OSError as error:
            send(f"warning: its results were not stored for reuse ({error})")


def networks_after(history: "TrainingHistory", agent_steps: int) -> "TrainingHistory":
    """Return a history without episodes, whose only snapshot is the newest after this many agent steps, if any."""
    i = bisect_right(history.snapshots, agent_steps, key=lambda snapshot: snapshot.step)
    return dataclasses.replace(
        history, training_episodes=[], test_episodes=[], snapshots=history.snapshots[max(i - 1, 0) : i]
    )


def _agent(task: SeedTask, env: Any, send: Send) -> "DDPG":
    from ddpg.agent import DDPG
    from ddpg.training.checkpoint import CheckpointError

    params, seed = task.params, task.seed
    if task.directory is not None:
        folder = seed_store.checkpoint_directory(task.directory)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                agent = DDPG.resume(folder, env, params.agent, seed=seed, training=params.train)
                send(f"resumed from its checkpoint after episode {len(agent.records)} of {params.train.n_episodes}")
                return agent
            except FileNotFoundError:
                pass
            except CheckpointError:
                send("no usable checkpoint; training starts from scratch")
            finally:
                for warning in caught:
                    send(f"warning: {warning.message}")
    return DDPG(env, params.agent, seed=seed)


class _Checkpoints:
    """Written every few episodes, or less often if episodes are so short that they would take too much of the time."""

    def __init__(self, agent: "DDPG", task: SeedTask, send: Send) -> None:
        self.agent = agent
        self.every = task.params.train.checkpoint_every if task.directory else 0
        self.folder = task.directory and seed_store.checkpoint_directory(task.directory)
        self.send = send
        self.next_at = 0.0

    def are_due_after(self, episode: int) -> bool:
        return bool(self.every) and episode % self.every == 0 and time.monotonic() >= self.next_at

    def save(self) -> None:
        assert self.folder is not None
        started = time.monotonic()
        try:
            self.agent.save_checkpoint(self.folder)
        except OSError as error:
            self.send(f"warning: no checkpoint was written ({error})")
        ended = time.monotonic()
        self.next_at = ended + (ended - started) / MAX_CHECKPOINT_SHARE
