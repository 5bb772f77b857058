"""The check stage: whether params.yaml is valid, before DVC deletes the results of a stage that it will run.

DVC removes a stage's outputs before it starts its command, so that no other stage could save its own.
"""

from pipeline import stage
from pipeline.params import Params
from pipeline.stages import RESULTS

PASSED = RESULTS / "check" / "passed.txt"


def check(_: Params) -> None:
    """Write what the train stage waits for: always the same, so that it makes nothing out of date."""
    PASSED.parent.mkdir(parents=True, exist_ok=True)
    PASSED.write_text("params.yaml is valid, and its environment suits.\n", encoding="utf-8")


if __name__ == "__main__":
    stage.run(check, "Check params.yaml, before results that others will replace are deleted.")
