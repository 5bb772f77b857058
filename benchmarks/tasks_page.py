"""docs/TASKS.md: what `tasks.py` measured, as tables."""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np

import common
from ddpg.evaluation.statistics import bootstrap, bootstrap_difference, interquartile_mean
from ddpg.seeding import Stream, generator
from pipeline.preset import presets, values_of
from pipeline.reports.formats import show_interval, show_number
from tasks import PEERS, TASKS, Task, peer_name

FILE = common.ROOT / "docs" / "TASKS.md"
_INTRODUCTION = """\
# Tasks

How well each [preset](../presets) learns its task, beside DDPG and TD3 of Stable-Baselines3 with RL Zoo's settings.
[benchmarks/tasks.py](../benchmarks/tasks.py) measured the figures (`benchmarks/results/tasks.json`) and wrote this
page.

Every agent trains on one thread and is validated on the same start states at the same intervals; its best policy is the
one that scored highest. Returns are means over 100 episodes from other start states, the same for all agents and seeds:
their interquartile mean over seeds with its 95 % interval, and the worst seed. *Solved* are seeds whose best
policy reaches the threshold. The steps of the environment and the seconds of learning until a validation first reaches
it are medians over all seeds; ∞ stands for never. *Behind* is by how much the interquartile mean of the first line is
higher, with its interval.
"""
_HEADER = (
    "", "steps", "seeds", "best policies", "worst seed", "solved", "steps to threshold", "seconds to threshold",
    "final policies", "behind",
)  # fmt: skip


def document(results: Mapping[str, Any]) -> str:
    """The page about these results."""
    sections = [section(*each) for each in by_environment(results["runs"])]
    if not sections:
        return f"{_INTRODUCTION}\nNothing is measured yet.\n"
    versions = ", ".join(f"{name} {version}" for name, version in results["versions"].items())
    machine = f"{results['machine']['processor']}, {results['machine']['cores']} cores, {results['machine']['system']}"
    return "\n".join([_INTRODUCTION, *sections, f"Measured with {versions}, on {machine}.\n"])


def by_environment(runs: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, dict[str, list[Mapping[str, Any]]]]]:
    """Each environment with the runs of its agents, in the order of the presets, peers last."""
    for environment in dict.fromkeys(values_of(name)["environment"]["id"] for name in presets()):
        names = [*presets(), *(peer_name(peer) for peer in PEERS)]
        agents = {
            name: [run for run in runs if (run["environment"], run["agent"]) == (environment, name)] for name in names
        }
        found = {name: some for name, some in agents.items() if some}
        if found:
            yield environment, found


def section(environment: str, agents: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """An environment's table."""
    threshold = threshold_of(environment)
    first = next(iter(agents.values()))
    rows = [row(name, runs, threshold, None if runs is first else first) for name, runs in agents.items()]
    lines = [f"## {environment}", "", f"Threshold: {_number(threshold)}.", ""]
    pictures = [name for name in agents if (FILE.parent / "tasks" / f"{name}.gif").exists()]
    lines += [line for name in pictures for line in (f"![Episodes of the median seed, {name}](tasks/{name}.gif)", "")]
    lines += [*common.markdown(_HEADER, rows), ""]
    published = TASKS.get(environment, Task()).published
    if published:
        lines += [f"Published by RL Zoo, one training each: {'; '.join(published)}.", ""]
    return "\n".join(lines)


def row(
    name: str, runs: Sequence[Mapping[str, Any]], threshold: float, first: Sequence[Mapping[str, Any]] | None
) -> list[str]:
    """An agent's line."""
    best = scores(runs, "best_return")
    until = [first_at_threshold(run, threshold) for run in runs]
    return [
        name,
        _number(max(run["environment_steps"] for run in runs)),
        str(len(runs)),
        _interval(best),
        _number(best.min()),
        f"{sum(best >= threshold)} of {len(runs)}",
        *(_number(float(np.median(values))) for values in zip(*until, strict=True)),
        _interval(scores(runs, "final_return")),
        "" if first is None else _difference(best, scores(first, "best_return")),
    ]


def scores(runs: Sequence[Mapping[str, Any]], name: str) -> Any:
    """One figure of each run, shape (n,)."""
    return np.array([run[name] for run in runs])


def first_at_threshold(run: Mapping[str, Any], threshold: float) -> tuple[float, float]:
    """Steps and seconds until a validation first reached the threshold."""
    return next(
        ((steps, seconds) for steps, seconds, score in run["validations"] if score >= threshold), (math.inf, math.inf)
    )


def threshold_of(environment: str) -> float:
    """The return from which a task counts as solved."""
    own = TASKS.get(environment, Task()).threshold
    threshold = gymnasium.spec(environment).reward_threshold if own is None else own
    return math.inf if threshold is None else float(threshold)


def _interval(values: Any) -> str:
    rng = generator(0, Stream.BOOTSTRAP)
    return show_interval(*bootstrap(values, interquartile_mean, 0.95, 2000, rng), show=_number)


def _difference(baseline: Any, candidate: Any) -> str:
    interval, _ = bootstrap_difference(
        baseline,
        candidate,
        interquartile_mean,
        paired=False,
        confidence_level=0.95,
        n_samples=2000,
        rng=generator(0, Stream.BOOTSTRAP),
    )
    return show_interval(*interval, show=_number)


def _number(value: float | None) -> str:
    return show_number(value, 1).replace("-", "−")
