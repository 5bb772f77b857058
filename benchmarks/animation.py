"""How long does a frame of the training animation take, against Matplotlib's own way to the same file?

The animation of the median seed's training, as the animate stage writes it, by one and by two processes, and its
frames by `FuncAnimation.save` with the same panels. Each measurement is a separate Python process, from the loaded
history to the finished mp4; imports and loading do not count. The ways take turns.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import matplotlib as mpl
import numpy as np
from matplotlib.animation import FFMpegWriter, FuncAnimation
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D

import common
from ddpg.history import FloatArray, Snapshot, TrainingHistory
from ddpg.visualizations import select_snapshots, write_training_animation
from ddpg.visualizations.timeline import moment_at
from pipeline import params, results
from pipeline.provenance.result import Result

mpl.rcParams["animation.ffmpeg_path"] = imageio_ffmpeg.get_ffmpeg_exe()

PROCESSES = {"one process": 1, "two processes": 2}
PEER = "FuncAnimation.save"
PACKAGES = ("numpy", "matplotlib", "av", "joblib", "imageio-ffmpeg")
# Evenly chosen frames that the peer draws; all of them would take minutes.
PEER_FRAMES = 40


def load() -> tuple[TrainingHistory, int, float]:
    """The median seed's history, and the agent steps between frames and frames per second of the animate stage."""
    animate = params.load().animate
    seed = Result().median_seed
    history = TrainingHistory.load(results.seed_folder(seed) / "history.npz")
    return history, animate.every_n_steps, animate.fps


def measure(way: str) -> dict[str, Any]:
    """Seconds, frames and bytes of one animation."""
    history, every_n_steps, fps = load()
    snapshots = select_snapshots(history, every_n_steps)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "training.mp4"
        started = time.perf_counter()
        if way == PEER:
            snapshots = [snapshots[i] for i in np.unique(np.linspace(0, len(snapshots) - 1, PEER_FRAMES).astype(int))]
            PlainAnimation(history, snapshots).save(path, fps)
        else:
            write_training_animation(history, path, fps, every_n_steps, n_processes=PROCESSES[way])
        return {
            "seconds": time.perf_counter() - started,
            "n_frames": len(snapshots),
            "bytes_per_frame": path.stat().st_size / len(snapshots),
        }


class PlainAnimation:
    """The same panels with Matplotlib alone: artists that get new data, in a figure that it draws for each frame."""

    def __init__(self, history: TrainingHistory, snapshots: list[Snapshot]) -> None:
        self._history, self._snapshots, self._grid = history, snapshots, history.grid
        self._figure = Figure(figsize=(12.8, 7.2), dpi=100)
        FigureCanvasAgg(self._figure)
        rows = [[*self._grids(snapshots[0])], ["returns"] * 2 + ["traces"] * 3]
        self._axes = self._figure.subplot_mosaic(rows)
        self._images = {name: self._add_image(name) for name in rows[0]}
        self._paths = {name: self._add_lines(name, ["training", "test"]) for name in ("Q max", "policy")}
        self._returns = [self._axes["returns"].scatter([], [], label=name) for name in ("training", "test")]
        self._traces = self._add_lines("traces", [*history.observation_names, *history.action_names, "reward"])
        returns = [episode.score for episode in [*history.training_episodes, *history.test_episodes]]
        self._axes["returns"].set(xlim=(0, len(history.training_episodes) + 1), ylim=(min(returns), max(returns)))
        self._axes["traces"].set(xlim=(0, max(episode.n_steps for episode in history.training_episodes)), ylim=(-2, 2))
        if history.reward_threshold is not None:
            self._axes["returns"].axhline(history.reward_threshold, linestyle="--")
        for name in ("returns", "traces"):
            self._axes[name].legend(loc="upper right")
        self._figure.tight_layout()

    @staticmethod
    def _grids(snapshot: Snapshot) -> dict[str, FloatArray]:
        return {
            "Q max": snapshot.q_max,
            "Q standard deviation": snapshot.q_std,
            "action gradient": snapshot.action_gradient[..., 0],
            "action at Q max": snapshot.action_at_q_max,
            "policy": snapshot.policy[..., 0],
        }

    def _add_image(self, name: str) -> AxesImage:
        grid = self._grid
        values = [self._grids(snapshot)[name] for snapshot in self._snapshots]
        image = self._axes[name].imshow(
            values[0],
            vmin=np.percentile(values, 1),
            vmax=np.percentile(values, 99),
            extent=(grid.x[0], grid.x[-1], grid.y[0], grid.y[-1]),
            origin="lower",
            aspect="auto",
        )
        self._axes[name].set(title=name, xlabel=self._history.observation_names[grid.x_dimension])
        self._figure.colorbar(image, ax=self._axes[name], orientation="horizontal")
        return image

    def _add_lines(self, name: str, labels: list[str]) -> list[Line2D]:
        return [self._axes[name].plot([], [], label=label)[0] for label in labels]

    def _update(self, snapshot: Snapshot) -> None:
        moment = moment_at(self._history, snapshot)
        episode, n_steps = moment.training_episode, moment.n_steps
        tests = self._history.test_episodes[: moment.n_tested]
        for name, values in self._grids(snapshot).items():
            self._images[name].set_data(values)
        observations = [episode.observations[: n_steps + 1], *(test.observations for test in tests[-1:])]
        for lines in self._paths.values():
            for line, states in zip(lines, observations, strict=False):
                line.set_data(states[:, self._grid.x_dimension], states[:, self._grid.y_dimension])
        finished = self._history.training_episodes[: moment.n_finished], tests
        for points, episodes in zip(self._returns, finished, strict=True):
            points.set_offsets(np.array([(each.episode, each.score) for each in episodes]).reshape(-1, 2))
        columns = [*episode.observations[:n_steps].T, *episode.actions[:n_steps].T, episode.rewards[:n_steps]]
        for line, values in zip(self._traces, columns, strict=True):
            line.set_data(np.arange(n_steps), values)
        self._figure.suptitle(f"Episode {snapshot.episode}, ε = {episode.epsilon:.2g}, agent step {snapshot.step}")

    def save(self, path: Path, fps: float) -> None:
        """Draws and encodes all frames."""
        animation = FuncAnimation(self._figure, self._update, frames=self._snapshots, cache_frame_data=False)
        animation.save(str(path), writer=FFMpegWriter(fps=fps))


def summarize(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Milliseconds and size per frame."""
    return {
        "n_frames": runs[0]["n_frames"],
        "ms_per_frame": common.spread(1000 * run["seconds"] / run["n_frames"] for run in runs),
        "kib_per_frame": runs[0]["bytes_per_frame"] / 1024,
    }


def main() -> None:
    """Measure each way in turn."""
    if common.answer(measure):
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5, help="of each way (5)")
    runs: dict[str, list[dict[str, Any]]] = {way: [] for way in (*PROCESSES, PEER)}
    for _ in range(parser.parse_args().runs):
        for way, some in runs.items():
            some.append(common.measure(__file__, way))
    ways = {way: summarize(some) for way, some in runs.items()}
    peer = ways[PEER]["ms_per_frame"]["median"]
    print("\n## Training animation\n")
    rows = [
        [
            way,
            str(row["n_frames"]),
            common.shown(row["ms_per_frame"], 1),
            f"{row['kib_per_frame']:.1f}",
            f"{peer / row['ms_per_frame']['median']:.0f}×",
        ]
        for way, row in ways.items()
    ]
    common.table(["", "frames", "ms per frame", "KiB per frame", "faster"], rows)
    print(f"\n{PEER} draws frames evenly chosen from the same, at the same 1280 × 720 pixels.")
    common.write(__file__, PACKAGES, ways)


if __name__ == "__main__":
    main()
