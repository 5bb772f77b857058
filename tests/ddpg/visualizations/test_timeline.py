import pytest

from ddpg.history import TrainingHistory
from ddpg.visualizations.timeline import Moment, count_before_learning, moment_at, select_snapshots


def moment(history: TrainingHistory, step: int, episode: int) -> Moment:
    return moment_at(history, history.snapshots[0]._replace(step=step, episode=episode))


@pytest.mark.parametrize(
    ("step", "episode", "n_steps", "n_finished"),
    [(0, 1, 0, 0), (2, 1, 2, 0), (4, 1, 4, 1), (5, 2, 1, 1), (10, 2, 6, 2), (11, 3, 1, 2), (15, 3, 5, 3)],
)
def test_a_moment_is_after_its_step(
    history: TrainingHistory, step: int, episode: int, n_steps: int, n_finished: int
) -> None:
    expected = Moment(history.training_episodes[episode - 1], n_steps, n_finished, n_finished)
    assert moment(history, step, episode) == expected


def test_tests_belong_to_the_training_episode_of_their_number(history: TrainingHistory) -> None:
    del history.test_episodes[0]
    assert moment(history, 5, 2).n_tested == 0
    assert moment(history, 10, 2).n_tested == 1


def test_the_episode_of_an_interrupted_training_is_unknown(history: TrainingHistory) -> None:
    assert moment(history, 17, 4) == Moment(None, 0, 3, 3)


@pytest.mark.parametrize(
    ("every_n_steps", "steps"),
    [
        (1, [2, 4, 6, 8, 10, 12, 14]),
        (2, [2, 4, 6, 8, 10, 12, 14]),
        (3, [4, 6, 10, 12, 14]),
        (4, [4, 8, 12, 14]),
        (100, [14]),
    ],
)
def test_snapshots_at_multiples_and_the_last(history: TrainingHistory, every_n_steps: int, steps: list[int]) -> None:
    assert [snapshot.step for snapshot in select_snapshots(history, every_n_steps)] == steps


def test_the_snapshot_before_the_first_step_is_at_a_multiple(history: TrainingHistory) -> None:
    history.snapshots.insert(0, history.snapshots[0]._replace(step=0))
    assert [snapshot.step for snapshot in select_snapshots(history, 8)] == [0, 8, 14]


def test_invalid_arguments(history: TrainingHistory) -> None:
    with pytest.raises(ValueError, match="every_n_steps: expected at least 1, received 0"):
        select_snapshots(history, 0)
    history.snapshots.clear()
    with pytest.raises(ValueError, match="train with gen_q_a_frames_every_n_steps"):
        select_snapshots(history)


@pytest.mark.parametrize(("n_equal", "n_before"), [(1, 0), (2, 2), (6, 6), (7, 7)])
def test_learning_begins_where_the_networks_first_change(history: TrainingHistory, n_equal: int, n_before: int) -> None:
    first = history.snapshots[0]
    equal = [each._replace(q_max=first.q_max.copy()) for each in history.snapshots[:n_equal]]
    assert count_before_learning([*equal, *history.snapshots[n_equal:]]) == n_before
    assert count_before_learning([]) == 0
