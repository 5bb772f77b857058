"""Executes the notebooks beside this file in place: `python notebooks/execute.py`.

What depends on the machine or the day, such as times of execution, is left out of them.
"""

import os
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode


def execute(path: Path) -> NotebookNode:
    """The notebook with the outputs that its cells have now.

    Raises:
        nbclient.exceptions.CellExecutionError: A cell failed.
    """
    os.environ.setdefault("SDL_VIDEODRIVER", "dummy")  # what looks for a screen complains where there is none
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(notebook, kernel_name="python3", timeout=600, record_timing=False).execute()
    notebook.metadata.language_info = {"name": "python"}
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.outputs = _join_streams(cell.outputs)
    return notebook


def _join_streams(outputs: list[NotebookNode]) -> list[NotebookNode]:
    """The outputs, with consecutive text in one piece: where it is cut depends on time."""
    joined: list[NotebookNode] = []
    for output in outputs:
        if joined and output.output_type == "stream" and output.get("name") == joined[-1].get("name"):
            joined[-1].text += output.text
        else:
            joined.append(output)
    return joined


if __name__ == "__main__":
    for path in sorted(Path(__file__).parent.glob("*.ipynb")):
        nbformat.write(execute(path), path)
