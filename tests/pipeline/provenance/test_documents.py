import json
import re

import pytest

from ddpg.files import DamagedFileError
from pipeline.provenance.documents import lock_in, metrics_in, params_in
from tests.pipeline.laboratory import REPOSITORY
from tests.pipeline.small import DEFAULTS

OF_POLICIES = {"return_iqm": 1, "return_iqm_low": None, "return_iqm_high": 2.5, "return_worst_seed": -1.0}
METRICS = {"median_seed": 2, "best": OF_POLICIES, "final": OF_POLICIES, "unknown": [1]}


def test_the_projects_own_documents_are_read():
    lock = lock_in((REPOSITORY / "dvc.lock").read_text())
    assert params_in((REPOSITORY / "params.yaml").read_text(), lock) == DEFAULTS
    assert lock["stages"].keys() >= {"train", "evaluate", "animate"}
    metrics = REPOSITORY / "results/evaluate/metrics.json"
    assert metrics_in(metrics.read_bytes(), "metrics.json") == json.loads(metrics.read_text())


def test_an_empty_lock_and_an_old_one_have_no_stages():
    assert lock_in("") == lock_in("# nothing\n") == {}
    assert lock_in("train: {cmd: 'true'}") == {"train": {"cmd": "true"}}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "a\nb: 1\n",
            "expected YAML, received something else (mapping values are not allowed here in line 2)",
        ),
        ("<<<<<<< ours\na: 1\n", "expected YAML, received an unresolved merge; choose the values of params.yaml"),
        ("a: \0", "expected YAML"),
        ("[" * 3000, "expected YAML"),
        ("a: " + "9" * 5000, "expected YAML"),
        ("a: 0x" + "f" * 5000, "expected YAML"),
        ("a: 2020-01-01", "expected YAML"),
        ("a: !!bool x", "expected YAML"),
        ("a: !!int ''", "expected YAML"),
        ("? [1]\n: 2", "expected YAML"),
        ('a: "\\ud800"', "expected YAML"),
        ("&a [*a]", "expected YAML"),
        ("[1]", "expected a mapping, received [1]"),
        ("3", "expected a mapping, received 3"),
    ],
)
def test_what_is_no_mapping_of_plain_values_is_reported_in_one_line(text, expected):
    for read, name in ((lock_in, "dvc.lock"), (params_in, "params.yaml")):
        with pytest.raises(DamagedFileError, match=rf"\A{re.escape(name)}: {re.escape(expected)}.*\Z"):
            read(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("stages: 3", "stages: expected a valid dictionary, received 3"),
        ("stages: {train: [1]}", "stages.train: expected"),
        ("stages: {train: {outs: [results]}}", "stages.train.outs.0: expected"),
        ("stages: {train: {outs: [{md5: a}]}}", "stages.train.outs.0.path: expected a value, found nothing"),
        ("stages: {train: {deps: [{path: 1}]}}", "stages.train.deps.0.path: expected a valid string, received 1"),
        ("stages: {train: {params: {params.yaml: {seeds: 1}}}}", "seeds: expected a valid list, received 1"),
        ("stages: {train: {params: {params.yaml: {environment: 1}}}}", "environment: expected"),
    ],
)
def test_an_invalid_lock_is_reported(text, expected):
    with pytest.raises(DamagedFileError, match=rf"\Advc\.lock: {re.escape(expected)}"):
        lock_in(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("seeds: [1]", "environment: expected a value, found nothing"),
        ("environment: {id: A}", "seeds: expected a value, found nothing"),
        ("{seeds: [1], environment: {}}", "environment.id: expected a value, found nothing"),
        ("{seeds: [], environment: {id: A}}", "seeds: expected"),
        ("{seeds: [1], environment: {id: A}, evaluate: 3}", "evaluate: expected"),
        ("{seeds: [1], environment: {id: A}, evaluate: {seed: x}}", "evaluate.seed: expected a valid integer"),
        ("{seeds: [1], environment: {id: A}, evaluate: {confidence_level: 1}}", "evaluate.confidence_level: expected"),
        ("{seeds: [1], environment: {id: A}, animate: {fps: 0}}", "animate.fps: expected"),
    ],
)
def test_invalid_parameters_are_reported(text, expected):
    with pytest.raises(DamagedFileError, match=rf"\Aparams\.yaml: {re.escape(expected)}"):
        params_in(text)


def test_parameters_of_old_revisions_may_lack_sections():
    assert params_in("{seeds: [1], environment: {id: A}}") == {"seeds": [1], "environment": {"id": "A"}}


def test_metrics_are_read_and_invalid_ones_reported():
    assert metrics_in(json.dumps(METRICS), "m") == METRICS
    without = {name: value for name, value in METRICS.items() if name != "best"}
    for content, expected in (
        (b"\xff", "expected JSON"),
        (b"[" * 100_000, "expected JSON"),
        (b"[]", "expected a mapping, received []"),
        (json.dumps(without), "best: expected a value, found nothing"),
        (json.dumps(METRICS | {"median_seed": "x"}), "median_seed: expected a valid integer, received 'x'"),
        (json.dumps(METRICS | {"final": OF_POLICIES | {"return_iqm": [1]}}), "final.return_iqm: expected"),
        (json.dumps(METRICS | {"final": OF_POLICIES | {"return_iqm": 10**400}}), "final.return_iqm: expected"),
    ):
        with pytest.raises(DamagedFileError, match=rf"\Am: {re.escape(expected)}"):
            metrics_in(content, "m")


def test_aliases_that_expand_without_end_are_rejected():
    levels = [f"l{i + 1}: &l{i + 1} [{', '.join([f'*l{i}'] * 10)}]" for i in range(12)]
    for parse in (lock_in, params_in):
        with pytest.raises(DamagedFileError, match="aliases expand to more than 100,000 values"):
            parse("\n".join(["l0: &l0 [1, 1]", *levels]))
    assert params_in("seeds: [1]\nenvironment: &a {id: A}\nagain: *a")["again"] == {"id": "A"}
