"""How long does the README's session take, and which part of it how long?

50 episodes with tests, a snapshot of the networks every 10 agent steps, and the video of all of them: one process, from
the start of Python on. The parts are timed by wrapping their functions, which costs some microseconds a call; compiling
is the first call of each compiled function, and drawing and encoding overlap in the video.
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import common

PACKAGES = ("numpy", "gymnasium", "tensorflow", "keras", "matplotlib", "av")
SEED = 9
"""Its episodes give about the 341 frames of the small project that this grew from."""
PARTS = (
    "import",
    "make the agent",
    "compile",
    "act",
    "environment",
    "observe",
    "sample",
    "update",
    "test",
    "validate",
    "snapshot",
    "rest of training",
    "video",
)


class Parts:
    """Seconds by part."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)

    def wrap(self, owner: Any, name: str, part: str, *, compiles: bool = False) -> None:
        """Times a function from now on; the first call of one that compiles counts as compiling."""
        function = getattr(owner, name)
        parts = iter(["compile"] if compiles else [])

        def timed(*arguments: Any, **options: Any) -> Any:
            started = time.perf_counter()
            result = function(*arguments, **options)
            self.seconds[next(parts, part)] += time.perf_counter() - started
            return result

        setattr(owner, name, timed)


def measure(started: float) -> dict[str, Any]:
    """The session of the README; `started` is the time of day when its process was started."""
    import gymnasium as gym

    common.load_tensorflow()
    from ddpg.agent import DDPG
    from ddpg.training import episodes
    from ddpg.training.snapshots import StateGrid
    from ddpg.visualizations import create_animation

    parts = Parts()
    parts.seconds["import"] = time.time() - started
    moment = time.perf_counter()
    agent = DDPG(gym.make("MountainCarContinuous-v0"), seed=SEED, **common.README)
    parts.seconds["make the agent"] = time.perf_counter() - moment

    parts.wrap(agent, "scaled_action", "act")
    parts.wrap(agent, "observe", "observe")
    parts.wrap(agent.replay_buffer, "sample", "sample")
    parts.wrap(agent.learner, "update", "update", compiles=True)
    parts.wrap(agent.trainer, "test", "test")
    parts.wrap(agent.trainer, "validate", "validate")
    parts.wrap(episodes, "hold_action", "environment")
    parts.wrap(StateGrid, "snapshot", "snapshot", compiles=True)
    moment = time.perf_counter()
    before = sum(parts.seconds.values())
    agent.train_n_episodes(
        50, eps=1, eps_decay=1 / 50, action_repeat=5, run_tests=True, gen_q_a_frames_every_n_steps=10
    )
    in_parts = sum(parts.seconds.values()) - before
    parts.seconds["rest of training"] = time.perf_counter() - moment - in_parts

    moment = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "training.mp4"
        create_animation(agent, display_mode="video_file", every_n_steps=10, fps=15, path=path)
    parts.seconds["video"] = time.perf_counter() - moment
    return {
        "seconds": dict(parts.seconds),
        "whole": time.time() - started,
        "n_frames": len(agent.history.snapshots),
        "agent_steps": agent.history.n_steps,
        "updates": agent.n_updates,
        "peak_mb": common.peak_memory(),
    }


def imports_alone() -> float:
    """Peak memory, in MB, of a process that imports the agent and ends."""
    script = "import common; common.load_tensorflow(); import ddpg.agent; print(common.peak_memory())"
    return float(subprocess.check_output([sys.executable, "-c", script], cwd=Path(__file__).parent, text=True))


def main() -> None:
    """Measures some sessions."""
    if common.answer(measure):
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="sessions (3)")
    runs = [common.measure(__file__, time.time()) for _ in range(parser.parse_args().runs)]
    results = {
        "whole": common.spread(run["whole"] for run in runs),
        "parts": {part: common.spread(run["seconds"].get(part, 0.0) for run in runs) for part in PARTS},
        "peak_mb": common.spread(run["peak_mb"] for run in runs),
        "import_peak_mb": imports_alone(),
        **{name: runs[0][name] for name in ("n_frames", "agent_steps", "updates")},
    }
    print("\n## Session\n")
    rows = [[part, common.shown(results["parts"][part])] for part in PARTS]
    common.table(["part", "seconds"], [*rows, ["whole", common.shown(results["whole"])]])
    print(
        f"\n{results['n_frames']} frames, {results['agent_steps']} agent steps, {results['updates']} updates; peak ",
        end="",
    )
    print(f"{results['peak_mb']['median']:.0f} MB, of which the imports {results['import_peak_mb']:.0f}.")
    common.write(__file__, PACKAGES, results)


if __name__ == "__main__":
    main()
