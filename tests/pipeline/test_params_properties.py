"""Any params.yaml is either valid or reported by a message that names the place: never a traceback or a new file."""

import copy
import io
import os
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, note, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from pipeline.errors import ParamsError
from pipeline.params import Params, load
from tests.pipeline.small import DEFAULTS

pytestmark = pytest.mark.slow

N_EXAMPLES = int(os.environ.get("HYPOTHESIS_EXAMPLES", "150"))
fuzz = settings(
    max_examples=N_EXAMPLES,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
    database=None,
)
# Not an environment's arguments, which only it can check, nor ids, which may import any module.
PLACES = [(section, name) for section, values in DEFAULTS.items() if isinstance(values, dict) for name in values] + [
    ("train", "grid", name) for name in DEFAULTS["train"]["grid"]
]

numbers = st.one_of(
    st.integers(),
    st.floats(),
    st.sampled_from([0, -1, 1, 2**63, 10**400, 5e-324, 1.8e308, -0.0, 1e-300]),
)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    numbers,
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=8),
)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.one_of(st.text("ab.é", max_size=3), st.integers()), inner, max_size=3),
    ),
    max_leaves=6,
)


def read(content):
    """What `load` returns or reports; it must leave no file."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "params.yaml")
        file.write_bytes(content)
        try:
            return load(file)
        except ParamsError as error:
            return str(error)
        finally:
            assert [path.name for path in Path(folder).iterdir()] == ["params.yaml"]


def dumped(document):
    stream = io.StringIO()
    YAML(pure=True).dump(document, stream)
    return stream.getvalue().encode()


def section_of(document, place):
    for name in place[:-1]:
        document = document[name]
    return document


def assert_names_the_place(outcome, place):
    """A message has a line that begins with the place or one around it; parameters are valid when loaded again."""
    note(str(outcome))
    if isinstance(outcome, Params):
        assert Params.model_validate(outcome.model_dump(mode="json")) == outcome
        return
    names = [re.match(r"params\.yaml: ([\w.]+)", line) for line in outcome.splitlines()]
    found = [match[1] for match in names if match]
    assert any(name == ".".join(place) or name.split(".")[0] == place[0] for name in found), outcome


@fuzz
@given(st.sampled_from(PLACES), values)
def test_any_value_in_any_place(place, value):
    document = copy.deepcopy(DEFAULTS)
    section_of(document, place)[place[-1]] = value
    assert_names_the_place(read(dumped(document)), place)


@fuzz
@given(st.sampled_from(["seeds", *DEFAULTS]), values)
def test_any_value_instead_of_a_section(section, value):
    assert_names_the_place(read(dumped(copy.deepcopy(DEFAULTS) | {section: value})), (section,))


@fuzz
@given(st.sampled_from(PLACES))
def test_a_missing_key_is_reported(place):
    document = copy.deepcopy(DEFAULTS)
    del section_of(document, place)[place[-1]]
    outcome = read(dumped(document))
    assert f"params.yaml: {'.'.join(place)}: expected" in outcome


@fuzz
@given(
    st.sampled_from([(), ("agent",), ("train",), ("train", "grid"), ("animate",)]), values, st.text("abc_", min_size=1)
)
def test_an_unknown_key_is_reported(section, value, name):
    document = copy.deepcopy(DEFAULTS)
    place = (*section, name)
    section_of(document, place)[name] = value
    assert f"params.yaml: {'.'.join(place)}: unknown" in read(dumped(document))


@fuzz
@given(values)
def test_any_document(document):
    assert str(read(dumped(document))).startswith("params.yaml: ")


@fuzz
@given(st.binary(max_size=60))
def test_any_bytes(content):
    assert str(read(content)).startswith("params.yaml: ")


@fuzz
@given(st.integers(0, len(dumped(DEFAULTS)) - 1), st.binary(max_size=3), st.integers(0, 40))
def test_a_damaged_file(position, inserted, dropped):
    content = dumped(DEFAULTS)
    outcome = read(content[:position] + inserted + content[position + dropped :])
    assert isinstance(outcome, Params) or outcome.startswith("params.yaml: ")


@pytest.mark.parametrize(
    "content",
    [
        b"--- {}\n--- {}\n",
        b"a: &a [*a]\n",
        b"\xff\xfe",
        b"!!python/object/apply:os.system ['true']",
        b"a: !!binary '*'",
        b"[" * 3000,
        b"a: " + b"9" * 5000,
        b"&a [&b [*a, *a, *a]]",
        b"? {a: 1}\n: 2\n",
    ],
)
def test_unusual_yaml(content):
    assert str(read(content)).startswith("params.yaml: ")


def test_a_folder_instead_of_the_file(tmp_path):
    (tmp_path / "params.yaml").mkdir()
    with pytest.raises(ParamsError, match=r"params\.yaml: expected a file that can be read, received Is a directory"):
        load(tmp_path / "params.yaml")
