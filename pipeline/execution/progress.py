"""The progress of the seeds: a bar each on a terminal, plain lines elsewhere."""

import math
import sys
import time
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import Any, Self

from tqdm import tqdm

_N_LINES = 5


class SeedProgress:
    """Show the episodes of several seeds as they end, with the time that is left.

    Args:
        n_episodes: Episodes per seed, at most.
        n_environment_steps: Environment steps per seed, if they are what ends its training.
        n_successes: Episodes that have to reach the goal before a seed learns.
    """

    def __init__(self, n_episodes: int, n_environment_steps: int | None = None, n_successes: int = 0) -> None:
        self.n_episodes = n_episodes
        self.n_environment_steps = n_environment_steps
        self.n_successes = n_successes
        self.total = n_environment_steps or n_episodes
        self.bars: dict[int, Any] = {}
        self._done: dict[int, int] = {}
        self._successes: dict[int, int] = {}
        self._first: dict[int, tuple[float, int]] = {}
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
        self._successes[seed] = self._successes.get(seed, 0) + bool(record["reached_goal"])
        state = ", ".join(self._state(seed, record))
        if not sys.stderr.isatty():
            line = ", ".join(filter(None, (f"seed {seed}: {self._place(record)}", state, self._time_left(seed, done))))
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

    def _state(self, seed: int, record: Mapping[str, Any]) -> Iterator[str]:
        """What a seed waits for until it learns, and how good it is."""
        if record["updates"] == 0:
            waiting = self._successes[seed] < self.n_successes
            yield f"waiting for successes {self._successes[seed]}/{self.n_successes}" if waiting else "not learning yet"
        for name in ("test", "validation"):
            if not math.isnan(record[f"{name}_return"]):
                yield f"{name} return {record[f'{name}_return']:.1f}"

    def _time_left(self, seed: int, done: int) -> str:
        """How long a seed will still take at its pace since its first episode here; empty at the start and the end."""
        now = time.monotonic()
        began, first = self._first.setdefault(seed, (now, done))
        if not first < done < self.total:
            return ""
        seconds = (now - began) / (done - first) * (self.total - done)
        return f"{tqdm.format_interval(seconds)} left"

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
