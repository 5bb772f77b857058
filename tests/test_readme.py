import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.pipeline.small import write_params

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()


@pytest.mark.slow
def test_the_python_of_the_readme_runs(tmp_path, monkeypatch, capsys):
    blocks = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    assert len(blocks) == 8
    monkeypatch.chdir(tmp_path)
    write_params(tmp_path)
    session = {}
    for block in blocks:
        exec(block.replace("train_n_episodes(50", "train_n_episodes(2"), session)
    printed = capsys.readouterr().out
    assert "Total params: 1,137" in printed
    assert re.search(r"Episode 2 - epsilon: 0\.96, memory size: \d+, training score: .*, test score: ", printed)
    assert len(list(tmp_path.glob("training_animation_*.mp4"))) == 1
    assert (tmp_path / "explorer.html").exists()
    assert (tmp_path / "returns.png").exists()
    assert len(session["agent"].records) == session["params"].train.n_episodes


def test_the_readme_opens_with_the_two_commands_and_names_files_that_exist():
    assert README.index("make repro") < README.index("make test") < README.index("## ")
    for link in re.findall(r"\]\(((?!http)[^)]+)\)", README):
        assert (ROOT / unquote(link)).exists(), link
