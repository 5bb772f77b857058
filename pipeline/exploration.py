"""Results in the explorer: the seeds of one, or the median seeds of several side by side."""

from collections.abc import Sequence

from ddpg.history import EpisodeHistory, TrainingHistory, load_episodes
from ddpg.visualizations.explorer import ExploredTraining, explorer_page, is_comparable
from ddpg.visualizations.video import Frame
from pipeline.provenance.result import Result
from pipeline.stages import EVALUATE, TRAIN

_MOST_SHOWN = 3


def page_of_seeds(
    result: Result, evaluation_episodes: Sequence[EpisodeHistory], evaluation_frames: Sequence[Sequence[Frame]] = ()
) -> str:
    """The page of a result's seeds, the median seed first.

    Args:
        result: With the train and evaluate stages.
        evaluation_episodes: Of the median seed's best policy.
        evaluation_frames: The environment's pictures in them; see `ExploredTraining`.

    Raises:
        MissingResultError: A file is missing.
        DamagedFileError: A file is invalid.
    """
    median = result.median_seed
    others = [int(seed) for seed in result.training["seed"].unique() if seed != median]
    trainings = [_explored(result, median, f"seed {median}", evaluation_episodes, evaluation_frames)]
    trainings += [_explored(result, seed, f"seed {seed}") for seed in others]
    return explorer_page(trainings, result.params["environment"]["id"])


def page_of_results(results: Sequence[Result]) -> str | None:
    """The page of the results' median seeds, those without weights or in another environment than the first left out.

    Returns:
        `None` if fewer than two are left.
    """
    with_weights = [result for result in results if result.history is not None and result.history.weights]
    histories = [result.history for result in with_weights]
    trainings = [
        _explored(result, result.median_seed, result.name, _recorded(result))
        for result, history in zip(with_weights, histories, strict=True)
        if history is not None and histories[0] is not None and is_comparable(histories[0], history)
    ]
    if len(trainings) < 2:
        return None
    title = " and ".join(training.name for training in trainings[1:]) + f" against {trainings[0].name}"
    return explorer_page(trainings, title, n_shown=min(len(trainings), _MOST_SHOWN))


def _explored(
    result: Result,
    seed: int,
    name: str,
    evaluation_episodes: Sequence[EpisodeHistory] = (),
    evaluation_frames: Sequence[Sequence[Frame]] = (),
) -> ExploredTraining:
    history = TrainingHistory.load(result.path(TRAIN, f"seeds/{seed}/history.npz"))
    records = result.training[result.training["seed"] == seed].set_index("episode")
    returns = records.get("validation_return")
    best = records.index[records["is_best"].astype(bool)]
    return ExploredTraining(
        name,
        history,
        {} if returns is None else {int(str(number)): float(value) for number, value in returns.items()},
        int(best.max()) if len(best) else None,
        evaluation_episodes,
        evaluation_frames,
        result.params.get("train", {}).get("grid", {}).get("reference_state"),
    )


def _recorded(result: Result) -> list[EpisodeHistory]:
    """The evaluation episodes that the result's rollout shows; none without trajectories."""
    file = result.folder / EVALUATE.folder / "trajectories.npz"
    n_shown = result.params.get("animate", {}).get("rollout_episodes", 0)
    return load_episodes(file)[:n_shown] if file.is_file() else []
