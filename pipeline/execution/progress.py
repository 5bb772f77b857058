"""The progress of the seeds: a bar each on a terminal, plain lines elsewhere."""

import math
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm

_N_LINES = 5


class SeedProgress:
    """Show the episodes of several seeds as they end; the bars also show the time that is left.

    Args:
        n_episodes: Episodes per seed, at most.
        n_environment_steps: Environment steps per seed, if they are what ends its training.
    """

    def __init__(self, n_episodes: int, n_environment_steps: int | None = None) -> None:
        self.n_episodes = n_episodes
        self.n_environment_steps = n_environment_steps
        self.total = n_environment_steps or n_episodes
        self.bars: dict[int, Any] = {}
        self._done: dict[int, int] = {}
        self._last_lines: dict[int, str] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for bar in self.bars.values():
            bar.close()
        if kind is None:
            for line in self._last_lines.values():  # of seeds that ended before their budget did
                _print(line)

    def advance(self, seed: int, record: Mapping[str, Any]) -> None:
        """Show one more episode of a seed, given the fields of its `EpisodeRecord`."""
        before, done = self._done.get(seed, 0), self._amount(record)
        self._done[seed] = done
        returns = {"test": record["test_return"], "validation": record["validation_return"]}
        state = ", ".join(f"{name} return {value:.1f}" for name, value in returns.items() if not math.isnan(value))
        if not sys.stderr.isatty():
            line = f"seed {seed}: {self._place(record)}" + (f", {state}" if state else "")
            every = max(1, self.total // _N_LINES)
            if before // every < done // every or done == self.total:
                _print(line)
                self._last_lines.pop(seed, None)
            else:
                self._last_lines[seed] = line
            return
        if seed not in self.bars:
            self.bars[seed] = tqdm(
                total=self.total,
                desc=f"seed {seed}",
                unit="step" if self.n_environment_steps else "episode",
                position=len(self.bars),
                dynamic_ncols=True,
            )
        self.bars[seed].set_postfix_str(state, refresh=False)
        self.bars[seed].update(done - before)

    def _amount(self, record: Mapping[str, Any]) -> int:
        """How much of the budget is used up."""
        # The last episode may end beyond the budget.
        used = min(record["environment_steps"], self.total) if self.n_environment_steps else record["episode"]
        return int(used)

    def _place(self, record: Mapping[str, Any]) -> str:
        episode, steps = record["episode"], record["environment_steps"]
        if self.n_environment_steps:
            return f"episode {episode}, {steps:,} of {self.n_environment_steps:,} steps"
        return f"episode {episode}/{self.n_episodes}"


def _print(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
