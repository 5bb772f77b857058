"""How far is an update from its matrix products alone?

The products of one update at batch 1024 with the README's networks, forward and backward, in NumPy's BLAS on one
thread, into arrays that exist already; against the compiled update and what a call of it costs from Python. An update
also applies activations, batch normalisation and Adam, which the floor leaves out.
"""

import argparse
import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import common

PACKAGES = ("numpy", "tensorflow", "keras")
BATCH, OBSERVATION, ACTION = 1024, 2, 1
N_CALLS = 1000

Shape = tuple[int, int, int]


def forward(layers: list[tuple[int, int]]) -> Iterator[Shape]:
    """(rows, inner, columns) of the products of a pass through these layers of (inputs, outputs)."""
    yield from ((BATCH, inputs, outputs) for inputs, outputs in layers)


def backward(layers: list[tuple[int, int]], *, weights: bool, inputs: bool) -> Iterator[Shape]:
    """Those of the gradients: by all weights or none, and by the first layer's inputs or not."""
    for i, (n_inputs, n_outputs) in enumerate(layers):
        if weights:
            yield n_inputs, BATCH, n_outputs
        if i or inputs:
            yield BATCH, n_outputs, n_inputs


def products() -> list[Shape]:
    """All products of one update."""
    hidden = common.README["hidden_layer_sizes_actor"]
    sizes = [OBSERVATION, *hidden, ACTION]
    actor = list(itertools.pairwise(sizes))
    states, actions = common.README["hidden_layer_sizes_critic"]
    state_path = list(zip([OBSERVATION, *states], states, strict=False))
    action_path = list(zip([ACTION, *actions], actions, strict=False))
    last = [(states[-1], 1)]
    critic = [*state_path, *action_path, *last]
    return [
        # The target, the critic's step, and the actor's, whose gradient passes the critic's action path only.
        *forward([*actor, *critic]),
        *forward(critic),
        *backward(state_path, weights=True, inputs=False),
        *backward(action_path, weights=True, inputs=False),
        *backward(last, weights=True, inputs=True),
        *forward([*actor, *critic]),
        *backward([*action_path], weights=False, inputs=True),
        *backward(last, weights=False, inputs=True),
        *backward(actor, weights=True, inputs=False),
    ]


def milliseconds(call: Callable[[], Any]) -> float:
    """Mean over many calls."""
    for _ in range(100):
        call()
    started = time.perf_counter()
    for _ in range(N_CALLS):
        call()
    return 1000 * (time.perf_counter() - started) / N_CALLS


def measure() -> dict[str, float]:
    """Milliseconds of the products and of the update."""
    rng = np.random.default_rng(0)
    operands = [
        (
            rng.normal(size=(rows, inner)).astype(np.float32),
            rng.normal(size=(inner, columns)).astype(np.float32),
            np.empty((rows, columns), np.float32),
        )
        for rows, inner, columns in products()
    ]

    def multiply() -> None:
        for a, b, out in operands:
            np.matmul(a, b, out=out)

    floor = milliseconds(multiply)
    common.load_tensorflow()
    from ddpg.algorithm.learner import Learner
    from ddpg.config import AgentConfig

    learner = Learner(OBSERVATION, ACTION, AgentConfig(**common.README), rng)
    batch = rng.normal(size=(BATCH, 2 * OBSERVATION + ACTION + 2)).astype(np.float32)
    return {"products": floor, "update": milliseconds(lambda: learner.update(batch).numpy())}


def main() -> None:
    """Measures both, in turn."""
    if common.answer(measure):
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="processes (3)")
    # NumPy as it comes: the floor is what the processor can do.
    runs = [common.measure(__file__, environment=common.ONE_THREAD) for _ in range(parser.parse_args().runs)]
    megaflop = sum(2 * rows * inner * columns for rows, inner, columns in products()) / 1e6
    results = {
        "megaflop": megaflop,
        **{name: common.spread(run[name] for run in runs) for name in runs[0]},
        "update_over_products": common.spread(run["update"] / run["products"] for run in runs),
    }
    print("\n## Floor\n")
    common.table(
        ["", "ms", "of the products"],
        [
            [f"matrix products, {megaflop:.1f} MFLOP", common.shown(results["products"], 3), "1.00"],
            ["update", common.shown(results["update"], 3), common.shown(results["update_over_products"])],
        ],
    )
    common.write(__file__, PACKAGES, results)


if __name__ == "__main__":
    main()
