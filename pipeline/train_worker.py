"""What happens in a worker process of the train stage: seeds trained one after the other, TensorFlow on one thread."""

import dataclasses
import os
import signal
import sys
from multiprocessing import parent_process
from multiprocessing.queues import Queue
from typing import TYPE_CHECKING, Any

from pipeline import results
from pipeline.params import Params
from pipeline.quiet import silent_stderr

if TYPE_CHECKING:
    from ddpg.history import TrainingHistory

_records: "Queue[Any]"


def start(records: "Queue[Any]") -> None:
    """Prepares the process; `records` takes (seed, fields of an `EpisodeRecord`, networks) as episodes end.

    The networks are a `TrainingHistory` without episodes, whose one snapshot is the newest.
    """
    global _records  # noqa: PLW0603 (a process has one parent)
    _records = records
    # Ctrl-C reaches the whole process group; the parent ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Keras imports scikit-learn where it is installed, for wrappers that nothing here uses: a fifth of the time.
    sys.modules["sklearn"] = None  # type: ignore[assignment]
    with silent_stderr():
        import keras  # noqa: F401
        import tensorflow as tf
    del sys.modules["sklearn"]

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def train_seed(params: Params, seed: int) -> None:
    """Trains one seed and writes its folder."""
    from ddpg.agent import DDPG
    from ddpg.environment import make
    from ddpg.training import train

    parent = parent_process()
    with make(params.environment.id, params.environment.kwargs) as env:
        agent = DDPG(env, params.agent, seed=seed)
        for record in train(agent, params.train):
            # A mapping: to unpickle a record, the parent would have to load TensorFlow.
            _records.put((seed, record._asdict(), _networks(agent.history)))
            if parent is not None and not parent.is_alive():
                os._exit(1)  # an exception would only end this seed, not the process
    folder = results.seed_folder(seed)
    agent.save(folder / "best", best=True)
    agent.save(folder / "final")
    agent.history.save(folder / "history.npz")


def _networks(history: "TrainingHistory") -> "TrainingHistory":
    return dataclasses.replace(history, training_episodes=[], test_episodes=[], snapshots=history.snapshots[-1:])
