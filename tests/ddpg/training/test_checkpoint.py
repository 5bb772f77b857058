import errno
import itertools
import json
import os
import shutil
import warnings
from unittest.mock import Mock

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.wrappers import NormalizeObservation, NormalizeReward

from ddpg import DDPG, AgentConfig, GridConfig, TrainingConfig
from ddpg.environments.interface import UnsuitableEnvironmentError
from ddpg.training.checkpoint import FORMAT_VERSION, CheckpointError, CheckpointWarning
from tests.ddpg.environments.test_running_statistics import Own
from tests.probes import Counter

SMALL = AgentConfig(
    hidden_layer_sizes_actor=(8,),
    hidden_layer_sizes_critic=((8,), (8,)),
    replay_buffer_size=64,
    replay_batch_size=8,
)
PLAN = TrainingConfig(n_episodes=6, n_validation_episodes=2)


class Forgetful(Counter):
    """Ignores the seed of all resets but the first, so that its own generator goes through the training; pays by it."""

    def reset(self, *, seed=None, options=None):
        return super().reset(seed=None if self.seeds else 5)

    def _observation(self):
        return self.np_random.uniform(0, 100, self.size).astype(np.float32)

    def step(self, action):
        observation, _, *ends = super().step(action)
        return observation, float(observation[0]), *ends


class StoppedError(Exception):
    pass


def contents(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def results(agent, folder):
    """All that a training leaves, as bytes."""
    agent.save(folder / "final")
    agent.save(folder / "best", best=True)
    agent.history.save(folder / "history.npz")
    (folder / "records.json").write_text(json.dumps([record._asdict() for record in agent.records]))
    (folder / "state").write_bytes(b"".join(np.asarray(vector).tobytes() for vector in agent.learner.state))
    return contents(folder)


def interrupted(folder, after, plan=PLAN, env=None, **changes):
    """An agent that saved after these episodes, and whose training went a bit further before it was lost."""
    agent = DDPG(env or Counter(), SMALL.model_copy(update=changes), seed=1)
    for record in agent.trainer.train(plan):
        if record.episode in after:
            agent.save_checkpoint(folder)
        if record.episode == max(after) + 1:
            break
    return agent


def damage(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def cut(path):
    path.write_bytes(path.read_bytes()[:-100])


CASES = {
    "as it is": ({}, {}, {}),
    "dropout": ({}, {"dropout_actor": 0.2, "dropout_critic": 0.1}, {}),
    "batch norm": ({}, {"bn_momentum_actor": 0.9}, {}),
    "two critics, delayed actor, noise on the target": (
        {}, {"n_critics": 2, "policy_delay": 3, "target_noise_sigma": 0.1}, {},
    ),
    "validation by racing": ({}, {}, {"n_validation_episodes": 8, "n_first_validation_episodes": 2}),
    "updates after the episode, a full buffer": ({}, {"train_during_episode": False, "replay_buffer_size": 16}, {}),
    "random episodes, no tests": ({}, {}, {"n_random_episodes": 4, "run_tests": False, "n_validation_episodes": 0}),
    "snapshots": ({}, {}, {"gen_q_a_frames_every_n_steps": 5, "grid": GridConfig(n_cells=2, n_actions=2)}),
    "goals, of which learning needs those before the interruption, and random actions after it": (
        {"terminates": True, "prize": 10.0}, {"successes_before_learning": 4}, {"n_random_episodes": 5},
    ),
    "a budget of steps, of which the first are random": (
        {}, {}, {"n_episodes": 100, "n_environment_steps": 33, "n_random_steps": 27, "eps_decay": 0.1},
    ),
    "Gaussian noise": ({}, {"noise": "gaussian"}, {}),
    "returns of several steps, a full buffer": ({}, {"n_step": 4, "replay_buffer_size": 16}, {}),
    "standardised observations": ({}, {"observation_normalization": "standardize"}, {}),
    "an update every few steps": ({}, {"updates_per_step": 0.27}, {}),
    "falling step sizes": ({}, {}, {"lr_final": 0.1, "n_environment_steps": 36, "eps_decay": 0.1}),
    "validation now and then": ({}, {}, {"validate_every_n_steps": 9}),
    "an early end, counted from before the interruption": (
        {}, {}, {"n_episodes": 100, "stop_after_n_solved": 5, "validation_target": 6.0},
    ),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_a_resumed_training_equals_one_without_interruption_bit_for_bit(tmp_path, case):
    env_changes, agent_changes, plan_changes = CASES[case]
    plan = PLAN.model_copy(update=plan_changes)
    whole = DDPG(Counter(**env_changes), SMALL.model_copy(update=agent_changes), seed=1)
    list(whole.trainer.train(plan))
    interrupted(tmp_path / "checkpoints", (2, 4), plan, Counter(**env_changes), **agent_changes)
    resumed = DDPG.resume(tmp_path / "checkpoints", Counter(**env_changes))
    assert len(resumed.records) == 4
    list(resumed.trainer.resume())
    assert whole.n_updates == resumed.n_updates > 0
    assert results(resumed, tmp_path / "resumed") == results(whole, tmp_path / "whole")


def test_step_sizes_that_follow_a_schedule_go_on(tmp_path):
    def scheduled(agent, records):
        for record in records:
            agent.learner.set_step_sizes(0.001 / record.episode, 0.01 / record.episode)
            yield record

    whole = DDPG(Counter(), SMALL, seed=1)
    list(scheduled(whole, whole.trainer.train(PLAN)))
    stopped = DDPG(Counter(), SMALL, seed=1)
    list(itertools.islice(scheduled(stopped, stopped.trainer.train(PLAN)), 3))
    stopped.save_checkpoint(tmp_path / "checkpoints")
    resumed = DDPG.resume(tmp_path / "checkpoints", Counter())
    list(scheduled(resumed, resumed.trainer.resume()))
    assert results(resumed, tmp_path / "resumed") == results(whole, tmp_path / "whole")


def test_an_environment_that_cannot_be_copied_any_more_is_named(tmp_path):
    interrupted(tmp_path, (3,))
    env = Counter()
    env.handle = (i for i in ())
    with (
        pytest.warns(CheckpointWarning),
        pytest.raises(CheckpointError, match="expected one with 2 independent copies"),
    ):
        DDPG.resume(tmp_path, env)


@pytest.mark.parametrize("after", [1, 3])
def test_running_statistics_go_on(tmp_path, after):
    def wrapped():
        return NormalizeReward(NormalizeObservation(Counter()))

    whole = DDPG(wrapped(), SMALL, seed=1)
    list(whole.trainer.train(PLAN))
    interrupted(tmp_path / "checkpoints", (after,), env=wrapped())
    resumed = DDPG.resume(tmp_path / "checkpoints", wrapped())
    list(resumed.trainer.resume())
    written = results(resumed, tmp_path / "resumed")
    assert written == results(whole, tmp_path / "whole")
    assert {"best/running_statistics.json", "final/running_statistics.json"} <= written.keys()


def test_a_checkpoint_of_an_environment_with_other_running_statistics_is_refused(tmp_path):
    interrupted(tmp_path, (2,), env=gym.wrappers.TimeLimit(Own(Counter()), 50))
    with pytest.warns(CheckpointWarning), pytest.raises(CheckpointError, match=r"in Own\.hold, received .* no wrapper"):
        DDPG.resume(tmp_path, Counter())


@pytest.mark.filterwarnings("ignore::ddpg.environments.contract.EnvironmentWarning")
@pytest.mark.parametrize("after", [1, 3])
def test_the_environments_own_generators_go_on(tmp_path, after):
    """The first update is in the second episode, and so the first validation."""
    whole = DDPG(Forgetful(), SMALL, seed=1)
    list(whole.trainer.train(PLAN))
    interrupted(tmp_path / "checkpoints", (after,), env=Forgetful())
    env = Forgetful()
    env.reset()
    resumed = DDPG.resume(tmp_path / "checkpoints", env)
    list(resumed.trainer.resume())
    assert results(resumed, tmp_path / "resumed") == results(whole, tmp_path / "whole")


def test_callbacks_go_on_and_may_save(tmp_path, capsys):
    def stop(agent, record):
        agent.save_checkpoint(tmp_path)
        if record.episode == 3:
            raise StoppedError

    env = Counter()
    agent = DDPG(env, SMALL, seed=1)
    with pytest.raises(StoppedError):
        agent.train_n_episodes(5, n_validation_episodes=0, on_episode=stop)
    steps, best = [], []
    resumed = DDPG.resume(tmp_path, Counter())
    history = resumed.continue_training(
        on_step=lambda agent: steps.append(agent.n_updates),
        on_best_training_score=lambda agent, record: best.append(record.episode),
    )
    assert [line.split()[1] for line in capsys.readouterr().out.splitlines()] == list("12345")
    assert len(history.training_episodes) == 5
    assert len(steps) == 2 * 6
    # All returns are equal: none is higher than those before the interruption.
    assert best == []
    assert resumed.continue_training().training_episodes == history.training_episodes
    assert len(history.training_episodes) == 5


def test_an_interrupted_episode_is_made_again_in_the_same_process():
    agent = DDPG(Counter(), SMALL, seed=1)

    def stop(agent):
        if len(agent.history.training_episodes) == 2 and len(agent.replay_buffer) == 15:
            raise StoppedError

    with pytest.raises(StoppedError):
        agent.train_n_episodes(4, gen_q_a_frames_every_n_steps=1, grid=GridConfig(n_cells=2, n_actions=2), on_step=stop)
    assert len(agent.records) == 2
    history = agent.continue_training()
    assert [record.episode for record in agent.records] == [1, 2, 3, 4]
    assert [snapshot.step for snapshot in history.snapshots] == list(range(1, 25))
    assert [weights.step for weights in history.weights] == sorted({weights.step for weights in history.weights})


@pytest.mark.parametrize("interrupted_by", ["test", "validate"])
def test_an_episode_whose_test_or_validation_was_interrupted_is_made_again(monkeypatch, interrupted_by):
    agent = DDPG(Counter(terminates=True, prize=10.0), SMALL.model_copy(update={"learning_starts": 2}), seed=1)
    whole, best = getattr(agent.trainer, interrupted_by), []

    def stop(*args, **options):
        monkeypatch.undo()
        whole(*args)
        raise StoppedError

    monkeypatch.setattr(agent.trainer, interrupted_by, stop)
    with pytest.raises(StoppedError):
        agent.train_n_episodes(3, gen_q_a_frames_every_n_steps=2, grid=GridConfig(n_cells=2, n_actions=2))
    history = agent.continue_training(
        on_best_training_score=lambda agent, record: best.append(record.episode),
        on_best_test_score=lambda agent, record: best.append(record.episode),
    )
    assert [record.episode for record in agent.records] == [1, 2, 3]
    assert [record.agent_steps for record in agent.records] == [6, 12, 18]
    assert [episode.episode for episode in history.training_episodes] == [1, 2, 3]
    assert [episode.episode for episode in history.test_episodes] == [1, 2, 3]
    assert agent.trainer.n_successes == 3
    assert [snapshot.step for snapshot in history.snapshots] == list(range(2, 19, 2))
    assert best == [1, 1]


def test_within_an_episode_nothing_is_saved(tmp_path):
    agent = DDPG(Counter(), SMALL, seed=1)
    with pytest.raises(RuntimeError, match="expected to be called between two episodes"):
        agent.train_n_episodes(2, on_step=lambda agent: agent.save_checkpoint(tmp_path / "folder"))
    assert not (tmp_path / "folder").exists()


def test_a_folder_keeps_two_states_and_each_piece_of_history_once(tmp_path):
    agent = DDPG(Counter(), SMALL, seed=1)
    written = {}
    for _ in agent.trainer.train(TrainingConfig(n_episodes=6)):
        agent.save_checkpoint(tmp_path)
        for name, content in contents(tmp_path).items():
            assert written.setdefault(name, content) == content
    names = sorted(contents(tmp_path))
    assert [name[:8] for name in names] == ["history-"] * 6 + ["state-00"] * 2
    sizes = {len(written[name]) for name in names[:6]}
    assert max(sizes) < 1.1 * min(sizes)


def test_a_second_training_of_a_resumed_agent_counts_on(tmp_path):
    agent = interrupted(tmp_path, (6,))
    list(agent.trainer.train(PLAN))
    resumed = DDPG.resume(tmp_path, Counter())
    assert list(resumed.trainer.resume()) == []
    list(resumed.trainer.train(PLAN))
    assert results(resumed, tmp_path / "resumed") == results(agent, tmp_path / "whole")


@pytest.mark.parametrize("harm", [damage, cut, lambda path: path.write_bytes(b""), lambda path: path.unlink()])
@pytest.mark.parametrize("kind", ["state", "history"])
def test_a_damaged_file_is_named_and_the_older_checkpoint_used(tmp_path, kind, harm):
    agent = interrupted(tmp_path, (2, 4))
    newest = agent._checkpoints
    name = newest.state if kind == "state" else f"history-{newest.segments[-1]}"
    harm(tmp_path / f"{name}.checkpoint")
    if (tmp_path / f"{newest.state}.checkpoint").exists():
        with pytest.warns(CheckpointWarning, match=f"{newest.state}.checkpoint cannot be used: {name}.checkpoint is"):
            resumed = DDPG.resume(tmp_path, Counter())
    else:
        resumed = DDPG.resume(tmp_path, Counter())
    assert len(resumed.records) == 2
    resumed.save_checkpoint(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(DDPG.resume(tmp_path, Counter()).records) == 2


def test_what_a_crash_leaves_half_written_is_ignored_and_removed(tmp_path):
    agent = interrupted(tmp_path, (2,))
    (tmp_path / "state-00000002.checkpoint.tmp").write_bytes(b"half")
    (tmp_path / "mine.txt").write_text("kept")
    assert len(DDPG.resume(tmp_path, Counter()).records) == 2
    agent.save_checkpoint(tmp_path)
    assert not list(tmp_path.glob("*.tmp"))
    assert (tmp_path / "mine.txt").exists()


@pytest.mark.parametrize("wrote_them", [True, False])
def test_a_save_that_fails_leaves_the_folder_as_it_was(tmp_path, monkeypatch, wrote_them):
    """Also where another agent of the same training wrote what is there, whose history is the same."""
    agent = interrupted(tmp_path, (2,))
    if not wrote_them:
        agent = DDPG(Counter(), SMALL, seed=1)
        list(itertools.islice(agent.trainer.train(PLAN), 2))
    before = contents(tmp_path)
    # The segment, the folder, the state, the folder again.
    for n_succeed in range(4):
        full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        monkeypatch.setattr(os, "fsync", Mock(side_effect=[None] * n_succeed + [full]))
        with pytest.raises(OSError, match="No space left"):
            agent.save_checkpoint(tmp_path)
        assert contents(tmp_path) == before
    monkeypatch.undo()
    agent.save_checkpoint(tmp_path)
    assert len(DDPG.resume(tmp_path, Counter()).records) == len(agent.records)


def test_without_a_usable_checkpoint_the_error_says_why_file_by_file(tmp_path):
    with pytest.raises(FileNotFoundError, match="expected a checkpoint, found none"):
        DDPG.resume(tmp_path / "nowhere", Counter())
    interrupted(tmp_path, (2, 4))
    for path in tmp_path.glob("state-*"):
        damage(path)
    with (
        pytest.warns(CheckpointWarning),
        pytest.raises(CheckpointError, match=r"state-00000002.*damaged.*\n.*00000001.*damaged"),
    ):
        DDPG.resume(tmp_path, Counter())


FOREIGN = {
    "agent.lr_actor: expected 0.5, received 0.0001": {"config": SMALL.model_copy(update={"lr_actor": 0.5})},
    "seed: expected 7, received 1": {"seed": 7},
    "training.n_episodes: expected 9, received 6": {"training": PLAN.model_copy(update={"n_episodes": 9})},
}


@pytest.mark.parametrize("reason", FOREIGN)
def test_a_checkpoint_of_another_training_is_refused_by_name(tmp_path, reason):
    interrupted(tmp_path, (2,))
    with pytest.warns(CheckpointWarning), pytest.raises(CheckpointError, match=reason):
        DDPG.resume(tmp_path, Counter(), **FOREIGN[reason])
    DDPG.resume(tmp_path, Counter(), SMALL, seed=1, training=PLAN)


def test_a_checkpoint_of_another_environment_or_version_is_refused_by_name(tmp_path, monkeypatch):
    interrupted(tmp_path, (2,))
    for env in (Counter(size=3), gym.make("MountainCarContinuous-v0")):
        with pytest.warns(CheckpointWarning), pytest.raises(CheckpointError, match=r"observation_space.low: expected"):
            DDPG.resume(tmp_path, env)
    with pytest.raises(UnsuitableEnvironmentError):
        DDPG.resume(tmp_path, gym.make("CartPole-v1"))
    monkeypatch.setattr("ddpg.training.checkpoint.FORMAT_VERSION", FORMAT_VERSION + 1)
    with (
        pytest.warns(CheckpointWarning),
        pytest.raises(CheckpointError, match=f"format: expected {FORMAT_VERSION + 1}, received {FORMAT_VERSION}"),
    ):
        DDPG.resume(tmp_path, Counter())


def test_another_trainings_checkpoints_are_replaced(tmp_path):
    interrupted(tmp_path, (2, 4))
    agent = DDPG(Counter(), SMALL, seed=2)
    list(agent.trainer.train(PLAN))
    agent.save_checkpoint(tmp_path)
    assert len(list(tmp_path.iterdir())) == 2
    assert DDPG.resume(tmp_path, Counter()).seed == 2
    # What the agent wrote before is gone with the folder: all is written again.
    shutil.rmtree(tmp_path)
    agent.save_checkpoint(tmp_path)
    assert len(DDPG.resume(tmp_path, Counter()).records) == 6
