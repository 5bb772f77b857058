"""What a worker process of the train stage does: train one seed after another, with TensorFlow on one thread."""

import contextlib
import ctypes
import dataclasses
import time
import warnings
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from pipeline import results
from pipeline.execution import seed_store
from pipeline.execution.inputs import Inputs
from pipeline.execution.workers import Send
from pipeline.params import Params

if TYPE_CHECKING:
    from ddpg.agent import DDPG
    from ddpg.history import TrainingHistory

MAX_CHECKPOINT_SHARE = 0.02
"""Of the training time."""
_outdated: set[str] = set()
"""Keys of trainings whose inputs changed: this process may have loaded, and keeps, any version of them."""


class SeedTask(NamedTuple):
    """A seed to train."""

    params: Params
    seed: int
    directory: Path | None
    """Where the seed store keeps its checkpoints and then its results; `None`: it keeps neither."""
    inputs: Inputs | None = None
    """Those the directory's key stands for; the directory is used only while they are unchanged. `None`: always."""


def prepare() -> None:
    """Load TensorFlow."""
    import ddpg.numerics.backend  # noqa: F401


def train_seed(task: SeedTask, send: Send) -> None:
    """Train one seed, from its newest checkpoint if there is one, and write its results.

    Sends, for each episode from the first, the fields of its `EpisodeRecord` and the networks after it, see
    `networks_after`; and messages to the user as text.
    """
    # All code is loaded before the inputs are compared.
    import ddpg.agent
    import ddpg.training.checkpoint  # noqa: F401
    from ddpg.environments.interface import make

    params, folder = task.params, results.seed_folder(task.seed)
    with make(params.environment.id, params.environment.kwargs) as env:
        task = task._replace(directory=_current_directory(task, send))
        stored = task.directory and seed_store.restore(task.directory, folder)
        if stored:  # by a process that died before it could report it
            for episode in stored_episodes(folder, stored):
                send(episode)
            return
        agent = _agent(task, env, send)
        checkpoints = _Checkpoints(agent, task, send)
        with contextlib.closing(agent.trainer):
            # Records are sent as mappings: to unpickle an EpisodeRecord, the parent would have to load TensorFlow.
            for record in agent.records:
                send((record._asdict(), networks_after(agent.history, record.agent_steps)))
            has_compiled = False
            for record in agent.trainer.train(params.train) if agent.progress is None else agent.trainer.resume():
                send((record._asdict(), networks_after(agent.history, record.agent_steps)))
                if record.updates and not has_compiled:
                    has_compiled = True
                    _return_memory()
                if checkpoints.are_due_after(record.episode):
                    checkpoints.save()
    results.recreate(folder)  # a killed process may have left an incomplete file
    agent.save(folder / "best", best=True)
    agent.save(folder / "final")
    agent.history.save(folder / "history.npz")
    directory = _current_directory(task, send)
    if directory is not None:
        try:
            seed_store.store(directory, folder, [record._asdict() for record in agent.records])
        except OSError as error:
            send(f"warning: its results were not stored for reuse ({error})")


def stored_episodes(
    folder: Path, records: Iterable[Mapping[str, Any]]
) -> "Iterator[tuple[Mapping[str, Any], TrainingHistory]]":
    """Yield what `train_seed` sent for each episode of a stored seed.

    Args:
        folder: Its results.
        records: See `seed_store.restore`.
    """
    from ddpg.history import TrainingHistory

    history = TrainingHistory.load(folder / "history.npz")
    for record in records:
        yield record, networks_after(history, record["agent_steps"])


def networks_after(history: "TrainingHistory", agent_steps: int) -> "TrainingHistory":
    """Return a history whose only content is the newest snapshot after this many agent steps, if any."""
    i = bisect_right(history.snapshots, agent_steps, key=lambda snapshot: snapshot.step)
    return dataclasses.replace(
        history, training_episodes=[], test_episodes=[], snapshots=history.snapshots[max(i - 1, 0) : i], weights=[]
    )


def _return_memory() -> None:
    """Give what is free back to the system: after compiling, glibc keeps 80 MB that are not needed again."""
    with contextlib.suppress(AttributeError, TypeError):  # other systems have no such function
        ctypes.CDLL(None).malloc_trim(0)


def _current_directory(task: SeedTask, send: Send) -> Path | None:
    """The task's directory, unless its inputs have changed while this process ran; the first time costs a warning."""
    if task.directory is None or task.inputs is None:
        return task.directory
    key = task.directory.parent.name
    if key in _outdated:
        return None
    try:
        if task.inputs.key() == key:
            return task.directory
    except OSError:  # a file was removed
        pass
    _outdated.add(key)
    send("warning: the code or a package changed meanwhile; no more checkpoints are written and nothing is stored")
    return None


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
                send(f"resumed from its checkpoint after episode {_place(len(agent.records), params)}")
                return agent
            except FileNotFoundError:
                pass
            except CheckpointError:
                send("no usable checkpoint; training starts from scratch")
            finally:
                for warning in caught:
                    send(f"warning: {warning.message}")
    return DDPG(env, params.agent, seed=seed)


def _place(episode: int, params: Params) -> str:
    """An episode's number, of how many if the number of episodes is what ends the training."""
    return f"{episode}" if params.train.n_environment_steps else f"{episode} of {params.train.n_episodes}"


class _Checkpoints:
    """Written every few episodes, or less often if episodes are so short that they would take too much of the time."""

    def __init__(self, agent: "DDPG", task: SeedTask, send: Send) -> None:
        self.agent = agent
        self.every = task.params.train.checkpoint_every if task.directory else 0
        self.task, self.send = task, send
        self.next_at = 0.0

    def are_due_after(self, episode: int) -> bool:
        return bool(self.every) and episode % self.every == 0 and time.monotonic() >= self.next_at

    def save(self) -> None:
        started = time.monotonic()
        try:
            directory = _current_directory(self.task, self.send)
            if directory is not None:
                self.agent.save_checkpoint(seed_store.checkpoint_directory(directory))
        except OSError as error:
            self.send(f"warning: no checkpoint was written ({error})")
        ended = time.monotonic()
        self.next_at = ended + (ended - started) / MAX_CHECKPOINT_SHARE
