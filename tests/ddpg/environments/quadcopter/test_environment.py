import math

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from ddpg.environments.contract import check
from ddpg.environments.interface import prepare
from ddpg.environments.quadcopter.environment import MAX_EPISODE_STEPS, TASKS, TIME_STEP, Quadcopter

IDS = {task: f"Quadcopter{each.name}-v0" for task, each in TASKS.items()}
STILL = np.zeros(4, np.float32)


def placed(task="hover", position=(0, 0, 1.5), velocity=(0, 0, 0), attitude=(1, 0, 0, 0), rates=(0, 0, 0), **options):
    env = Quadcopter(task, **options)
    env.reset(seed=0)
    env.state = [float(each) for each in (*position, *velocity, *attitude, *rates)]
    env.target = [0.0, 0.0, TASKS[task].target]
    return env


def controlled(observation):
    """A proportional-derivative controller, which leans towards the target."""
    way, velocity, up, rates = (observation[i : i + 3] for i in (0, 3, 6, 9))
    # In the air it aims a little lower, so that it does not stop above the ground.
    acceleration = 2 * np.clip(way - 0.1 * up, -1.5, 1.5) - 2.5 * velocity
    lean = up[:2] + np.clip(acceleration[:2] / 9.81, -0.3, 0.3)
    lift = 0.6 * acceleration @ up
    roll, pitch, yaw = -1.2 * lean[1] - 0.25 * rates[0], 1.2 * lean[0] - 0.25 * rates[1], -0.3 * rates[2]
    mixed = [lift + roll - pitch + yaw, lift + roll + pitch - yaw, lift - roll + pitch + yaw, lift - roll - pitch - yaw]
    return np.clip(mixed, -1, 1).astype(np.float32)


def episode(env, policy, seed):
    """Return and success."""
    observation, _ = env.reset(seed=seed)
    score, ended = 0.0, False
    while not ended:
        observation, reward, terminated, truncated, info = env.step(policy(observation))
        assert 0 <= reward <= 1
        score += reward
        ended = terminated or truncated
    return score, info["is_success"]


@pytest.mark.parametrize("task", TASKS)
def test_keeps_gymnasiums_contract_and_ours(task):
    with gymnasium.make(IDS[task], render_mode="rgb_array", wind=1.0, sensor_noise=1.0) as env:
        check_env(env.unwrapped)
        assert check(prepare(env)) == []
        assert env.spec.max_episode_steps == MAX_EPISODE_STEPS
        assert env.spec.reward_threshold == TASKS[task].threshold


@pytest.mark.parametrize("task", TASKS)
def test_a_controller_solves_each_task_and_chance_or_doing_nothing_does_not(task):
    env = gymnasium.make(IDS[task])
    scores, successes = zip(*(episode(env, controlled, seed) for seed in range(5)), strict=True)
    assert min(scores) >= TASKS[task].threshold
    assert all(successes)
    rng = np.random.default_rng(0)
    for policy in (lambda _: rng.uniform(-1, 1, 4).astype(np.float32), lambda _: STILL):
        scores, successes = zip(*(episode(env, policy, seed) for seed in range(5)), strict=True)
        assert max(scores) < TASKS[task].threshold / 2
        assert not any(successes)


def test_sees_in_its_own_axes():
    quarter = math.sqrt(0.5)
    facing_left = placed(position=(1, 2, 3), velocity=(0.1, 0.2, 0.3), attitude=(quarter, 0, 0, quarter))
    facing_left.target = [4.0, 2.0, 4.0]
    assert facing_left._observe() == pytest.approx([0, -3, 1, 0.2, -0.1, 0.3, 0, 0, 1, 0, 0, 0, 3], abs=1e-6)
    nose_up = placed(attitude=(quarter, 0, -quarter, 0))
    assert nose_up._observe()[6:9] == pytest.approx([1, 0, 0], abs=1e-6)
    left_up = placed(attitude=(quarter, quarter, 0, 0))
    assert left_up._observe()[6:9] == pytest.approx([0, 1, 0], abs=1e-6)


def test_the_heading_changes_nothing():
    half = 1.1
    ahead = placed(position=(1, 0, 1))
    turned = placed(position=(1, 0, 1), attitude=(math.cos(half), 0, 0, math.sin(half)))
    turned.target = [1 - math.cos(2 * half), -math.sin(2 * half), 1.5]
    for _ in range(20):
        action = ahead.np_random.uniform(-0.3, 0.3, 4).astype(np.float32)
        first, second = ahead.step(action), turned.step(action)
        assert first[0] == pytest.approx(second[0], abs=1e-5)
        assert first[1] == pytest.approx(second[1])


@pytest.mark.parametrize(
    ("start", "reward"),
    [
        ({}, 1),
        ({"position": (0.5, 0, 1.5)}, 1 / 2),
        ({"position": (0, 0, 2.5)}, 1 / 5),
        ({"rates": (0, 0, 4)}, 1 / 2),
        ({"task": "take-off", "position": (0, 0, 0)}, 0),
        ({"task": "land", "position": (0, 0, 0.5)}, 1 / 4),
        ({"task": "land", "position": (0.5, 0, 0)}, 1 / 2),
    ],
)
def test_rewards_what_it_says(start, reward):
    assert placed(**start).step(STILL)[1] == pytest.approx(reward)


@pytest.mark.parametrize(
    "start",
    [
        {"position": (4.1, 0, 1.5)},
        {"attitude": (0, 1, 0, 0)},
        {"rates": (0, 0, 10.5)},
        {"rates": (-10.5, 0, 0)},
        {"position": (0, 0, 0.01), "velocity": (0, 0, -1.6)},
        {"position": (0, 0, 0.01), "velocity": (0, 0, -1), "attitude": (0.8, 0.6, 0, 0)},
    ],
    ids=["away", "upside down", "spinning left", "rolling right", "fast impact", "tilted impact"],
)
def test_a_flight_out_of_control_ends_without_reward(start):
    _, reward, terminated, truncated, info = placed(**start).step(STILL)
    assert (reward, terminated, truncated, info) == (0, True, False, {"is_success": False})


def test_lands_gently_and_stays_until_it_lifts_off():
    env = placed("land", position=(0.1, 0, 0.02), velocity=(0, 0, -1))
    for _ in range(3):
        *_, terminated, _, info = env.step(np.array([-0.5, -0.4, -0.5, -0.6], np.float32))
        assert (terminated, info) == (False, {"is_success": True})
        assert env.state == pytest.approx([0.1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0], abs=1e-4)
    env.step(STILL + 1)
    assert env.state[2] > 0
    assert env.step(STILL)[4] == {"is_success": False}


def test_actions_are_speeds_about_that_of_hovering():
    env = placed()
    env.step(STILL + 1)
    assert env.state[5] == pytest.approx((1.2**2 - 1) * 9.81 * TIME_STEP, rel=0.01)
    beyond = placed()
    beyond.step(STILL + 5)
    assert beyond.state == env.state


def test_wind_gusts_with_its_standard_deviation_and_pushes():
    assert placed().step(STILL)[0][3:5].tolist() == [0, 0]
    env = placed(wind=2.0)
    speeds = []
    for _ in range(20_000):
        env._change_wind()
        speeds.append(env.air)
    assert np.std(speeds, axis=0) == pytest.approx([2, 2, 0], rel=0.1)
    env.air = [3.0, 0.0, 0.0]
    env.step(STILL)
    assert env.state[3] > 0.01


def test_sensor_noise_changes_what_is_seen_and_not_what_happens():
    exact, noisy = placed(), placed(sensor_noise=1.0)
    exact_states, noisy_states = ([env.step(STILL)[0] for _ in range(200)] for env in (exact, noisy))
    assert exact.state == noisy.state
    errors = np.std(np.array(noisy_states) - np.array(exact_states), axis=0)
    assert errors[[0, 3, 9]] == pytest.approx([0.02, 0.05, 0.05], rel=0.2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"task": "loop"}, "task: expected one of take-off, hover, land, go-to, received 'loop'"),
        ({"wind": -1.0}, "wind: expected a finite number of at least 0, received -1.0"),
        ({"sensor_noise": math.inf}, "sensor_noise: expected a finite number of at least 0, received inf"),
    ],
)
def test_refuses_settings_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        Quadcopter(**options)
