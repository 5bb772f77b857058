"""The progress of the seeds: a bar each on a terminal, plain lines elsewhere."""

import math
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm


class SeedProgress:
    """Show the episodes of several seeds as they end.

    Args:
        n_episodes: Episodes per seed.
    """

    def __init__(self, n_episodes: int) -> None:
        self.n_episodes = n_episodes
        self.bars: dict[int, Any] = {}
        self.every = max(1, n_episodes // 5)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for bar in self.bars.values():
            bar.close()

    def advance(self, seed: int, record: Mapping[str, Any]) -> None:
        """Show one more episode of a seed, given the fields of its `EpisodeRecord`."""
        episode = record["episode"]
        returns = {"test": record["test_return"], "validation": record["validation_return"]}
        state = ", ".join(f"{name} return {value:.1f}" for name, value in returns.items() if not math.isnan(value))
        if not sys.stderr.isatty():
            if episode % self.every == 0 or episode == self.n_episodes:
                print(f"seed {seed}: episode {episode}/{self.n_episodes}, {state}", file=sys.stderr, flush=True)
            return
        if seed not in self.bars:
            self.bars[seed] = tqdm(
                total=self.n_episodes, desc=f"seed {seed}", unit="episode", position=len(self.bars), dynamic_ncols=True
            )
        self.bars[seed].set_postfix_str(state, refresh=False)
        self.bars[seed].update()
