import re

import gymnasium
import numpy as np
import pytest

from ddpg.environments.interface import UnsuitableEnvironmentError
from ddpg.environments.pictures import check_frames, problem
from tests.probes import Counter


class Filmed(Counter):
    def __init__(self, *frames):
        super().__init__()
        self.frames = iter(frames)

    def render(self):
        return next(self.frames)


FRAME = np.zeros((4, 6, 3), np.uint8)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        ([None, None], "render: expected an array of type uint8 .*, received None"),
        ([FRAME / 2, FRAME / 2], "received an array of type float64"),
        ([FRAME[..., 0], FRAME], r"received an array of type uint8 and shape \(4, 6\)"),
        ([FRAME, FRAME[:2]], r"frames of one size, \(4, 6, 3\), received \(2, 6, 3\)"),
    ],
)
def test_what_cannot_be_filmed_is_named(frames, message):
    with pytest.raises(UnsuitableEnvironmentError, match=message):
        check_frames(Filmed(*frames))


def test_frames_of_one_size_can_be_filmed():
    check_frames(Filmed(FRAME, FRAME))


class WithoutMode(Counter):
    """Takes no render mode."""

    def __init__(self):
        super().__init__()


class Headless(Filmed):
    metadata = {"render_modes": ["rgb_array"]}  # noqa: RUF012

    def __init__(self, render_mode=None):
        super().__init__()

    def render(self):
        raise RuntimeError("no display:\nset MUJOCO_GL")


class Listed(Headless):
    def render(self):
        return [FRAME]


@pytest.mark.parametrize(
    ("env", "reason"),
    [(WithoutMode, "render_mode"), (Headless, "no display: set MUJOCO_GL"), (Listed, r"render: .* received \[array")],
)
def test_why_a_registered_environment_cannot_be_filmed(monkeypatch, env, reason):
    spec = gymnasium.envs.registration.EnvSpec("Unseen-v0", entry_point=env)
    monkeypatch.setitem(gymnasium.registry, "Unseen-v0", spec)
    assert re.search(reason, problem("Unseen-v0", {}))


def test_a_registered_environment_that_can_be_filmed():
    assert problem("environments:PointMass-v0", {}) is None
