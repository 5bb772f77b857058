import re
from pathlib import Path

import nbformat
import pytest

from notebooks.execute import execute

ROOT = Path(__file__).parents[1]
PATH = ROOT / "notebooks" / "Solving MountainCarContinuous-v0.ipynb"
MIB = 2**20


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def shape(notebook):
    """What each cell shows: the kinds of its outputs in order."""
    return [
        (cell.id, [output.get("name") or sorted(output.data) for output in cell.outputs])
        for cell in code_cells(notebook)
    ]


def printed(notebook, cell_id):
    (cell,) = (cell for cell in notebook.cells if cell.id == cell_id)
    return "".join(output.get("text") or output.data["text/plain"] for output in cell.outputs)


def check_outputs(notebook):
    """What the prose says of the outputs, on any machine."""
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    # Imports show nothing, and the lines of two trainings are left out; nothing is written to standard error.
    assert [cell.id for cell in cells if not cell.outputs] == ["run-setup", "pendulum-agents"]
    assert {output.get("name", "stdout") for cell in cells for output in cell.outputs} == {"stdout"}
    assert shape(notebook)[3] == ("run-training", [["image/png", "text/plain"]])
    assert re.search(r"best .* 100 +True\nfinal", printed(notebook, "run-evaluation"))
    assert "<video" in next(cell for cell in cells if cell.id == "run-animation").outputs[0].data["text/html"]
    assert re.search(r"σ = 0\.25 +9\d .*\nwhite, .* σ = 0\.25 +0 ", printed(notebook, "run-noise"))
    blind, seeing = map(
        float, re.findall(r"activated +(-[\d.]+)", printed(notebook, "pendulum-q").split("mean return")[1])
    )
    assert blind < -900
    assert seeing > -200
    assert "Flags reached in training: 0\nDiagnosis: goal never seen" in printed(notebook, "run-white-training")


def test_the_committed_outputs_bear_out_the_prose():
    check_outputs(nbformat.read(PATH, as_version=4))


def test_the_committed_notebook_is_small_and_tells_nothing_of_a_machine():
    notebook = nbformat.read(PATH, as_version=4)
    nbformat.validate(notebook)
    assert PATH.stat().st_size < 5 * MIB
    assert set(notebook.metadata) == {"kernelspec", "language_info"}
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.metadata.language_info == {"name": "python"}
    assert all(cell.metadata == {} for cell in notebook.cells)
    text = re.sub(r"base64,[\w+/=]+", "", "".join(str(cell.outputs) for cell in code_cells(notebook)))
    assert not re.search(r"/(home|root|tmp|usr|Users)/", text)


@pytest.mark.minutes
def test_the_notebook_runs_and_shows_again_what_it_shows():
    committed, now = nbformat.read(PATH, as_version=4), execute(PATH)
    assert shape(now) == shape(committed)
    check_outputs(now)
