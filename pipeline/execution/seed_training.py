"""What happens in a worker process of the train stage: seeds trained one after the other, TensorFlow on one thread."""

import dataclasses
import time
import warnings
from bisect import bisect_right
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline import results
from pipeline.execution.workers import Send
from pipeline.params import Params
from pipeline.quiet import silent_stderr

if TYPE_CHECKING:
    from ddpg.agent import DDPG
    from ddpg.history import EpisodeRecord, TrainingHistory


MAX_CHECKPOINT_SHARE = 0.02
"""Of the time of training."""


class SeedTask(NamedTuple):
    """A seed to be trained."""

    params: Params
    seed: int
    checkpoints: Path | None
    """The folder of this seed's checkpoints; `None`: it has none."""


def prepare() -> None:
    """Loads TensorFlow."""
    with silent_stderr():
        import ddpg.numerics.backend  # noqa: F401


def train_seed(task: SeedTask, send: Send) -> None:
    """Trains one seed from its newest checkpoint, or from the beginning, and writes its folder.

    Sends, for each episode from the first, the fields of its `EpisodeRecord` and the networks after it, a
    `TrainingHistory` without episodes whose one snapshot is the newest; and text that is for the reader.
    """
    from ddpg.environments.interface import make

    params = task.params
    with make(params.environment.id, params.environment.kwargs) as env:
        agent = _agent(task, env, send)
        checkpoints = _Checkpoints(agent, task, send)
        for record in agent.records:
            send((record._asdict(), _networks(agent.history, record)))
        # A mapping: to unpickle a record, the parent would have to load TensorFlow.
        for record in agent.trainer.train(params.train) if agent.progress is None else agent.trainer.resume():
            send((record._asdict(), _networks(agent.history, record)))
            if checkpoints.are_due_after(record.episode):
                checkpoints.save()
    # So that the seed is not trained again if another fails.
    checkpoints.save()
    folder = results.seed_folder(task.seed)
    results.recreate(folder)  # a process that was killed may have left half a file
    agent.save(folder / "best", best=True)
    agent.save(folder / "final")
    agent.history.save(folder / "history.npz")


def _agent(task: SeedTask, env: Any, send: Send) -> "DDPG":
    from ddpg.agent import DDPG
    from ddpg.training.checkpoint import CheckpointError

    params, seed = task.params, task.seed
    if task.checkpoints is not None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                agent = DDPG.resume(task.checkpoints, env, params.agent, seed=seed, training=params.train)
                send(f"taken up after episode {len(agent.records)} of {params.train.n_episodes}, from its checkpoint")
                return agent
            except FileNotFoundError:
                pass
            except CheckpointError:
                send("no checkpoint can be used; it starts from the beginning")
            finally:
                for warning in caught:
                    send(f"warning: {warning.message}")
    return DDPG(env, params.agent, seed=seed)


class _Checkpoints:
    """Written after every few episodes, or more where episodes are so short that it would cost a share of the time."""

    def __init__(self, agent: "DDPG", task: SeedTask, send: Send) -> None:
        self.agent = agent
        self.task = task
        self.send = send
        self.next_at = 0.0

    def are_due_after(self, episode: int) -> bool:
        every = self.task.params.train.checkpoint_every
        return bool(every) and episode % every == 0 and time.monotonic() >= self.next_at

    def save(self) -> None:
        if self.task.checkpoints is None:
            return
        started = time.monotonic()
        try:
            self.agent.save_checkpoint(self.task.checkpoints)
        except OSError as error:
            self.send(f"warning: no checkpoint was written ({error})")
        ended = time.monotonic()
        self.next_at = ended + (ended - started) / MAX_CHECKPOINT_SHARE


def _networks(history: "TrainingHistory", record: "EpisodeRecord") -> "TrainingHistory":
    """As they were after the episode."""
    i = bisect_right(history.snapshots, record.agent_steps, key=lambda snapshot: snapshot.step)
    return dataclasses.replace(
        history, training_episodes=[], test_episodes=[], snapshots=history.snapshots[max(i - 1, 0) : i]
    )
