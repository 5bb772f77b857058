"""What stands in for the trained agent."""

from typing import Any

import pytest

from tests.pipeline.tracking.steps import save_no_actor


@pytest.fixture(autouse=True)
def keras_policy(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small Keras model in place of the saved agent's; most tests do without any, for speed."""
    if "keras_model" in request.fixturenames:
        import ddpg.agent

        model = request.getfixturevalue("keras_model")
        monkeypatch.setattr(ddpg.agent, "load_policy_model", lambda _: model)
    else:
        monkeypatch.setattr("pipeline.tracking.model.save_actor", save_no_actor)


@pytest.fixture(scope="session")
def keras_model() -> Any:
    import keras

    return keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, activation="tanh")])
