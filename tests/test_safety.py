"""No code reads untrusted files or values in a way that runs them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import pytest

from ddpg.algorithm.networks import make_actor, make_critic
from ddpg.config import AgentConfig

ROOT = Path(__file__).parents[1]
FILES = [
    *(file for folder in ("ddpg", "pipeline", ".ci") for file in sorted((ROOT / folder).rglob("*.py"))),
    ROOT / "notebooks/execute.py",
]
# Reading a file with these may run code in it.
UNSAFE_MODULES = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal"}
UNSAFE_CALLS = {
    "eval",
    "exec",
    "os.system",
    "os.popen",
    "joblib.load",
    "joblib.dump",
    "pd.read_pickle",
    "pandas.read_pickle",
    "tarfile.open",
    "zipfile.ZipFile.extractall",
    "shutil.unpack_archive",
    "enable_unsafe_deserialization",
    "keras.config.enable_unsafe_deserialization",
    "Markup",
    "markupsafe.Markup",
}


def faults(source: str) -> list[str]:
    """Lines of a module that could run code from a file or value."""
    return [f"{line}: {what}" for line, what in _faults(ast.parse(source))]


def _faults(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        yield from ((node.lineno, name) for name in names if name.split(".")[0] in UNSAFE_MODULES)
        if isinstance(node, ast.Call):
            yield from ((node.lineno, what) for what in _faults_of_call(node))


def _faults_of_call(call: ast.Call) -> Iterator[str]:
    name = ast.unparse(call.func)
    options = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    if name in UNSAFE_CALLS or name.endswith((".extractall", ".Lambda")):
        yield name
    if name in ("np.load", "numpy.load") and options.get("allow_pickle") != "False":
        yield f"{name} that may unpickle"
    elif options.get("allow_pickle") == "True":
        yield f"{name} with pickles"
    if options.get("safe_mode", "True") != "True":
        yield f"{name} without Keras' safe mode"
    if options.get("shell", "False") != "False":
        yield f"{name} through a shell"
    if name == "YAML" and options.get("typ") not in (None, "'safe'", "'rt'"):
        yield f"{name} that creates any object"
    if name == "Environment" and options.get("autoescape") != "True":
        yield f"{name} that does not escape"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_no_code_is_unsafe(file: Path) -> None:
    assert faults(file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from pickle import loads",
        "np.load(file)",
        "np.load(file, allow_pickle=True)",
        "np.lib.format.write_array(file, array, allow_pickle=True)",
        "keras.models.load_model(file, safe_mode=False)",
        "keras.layers.Lambda(f)",
        "archive.extractall(folder)",
        "subprocess.run(text, shell=True)",
        "YAML(typ='unsafe')",
        "Environment(loader=loader)",
        "eval(text)",
    ],
)
def test_unsafe_code_is_found(source: str) -> None:
    assert len(faults(source)) == 1, faults(source)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_text_files_have_an_explicit_encoding(file: Path) -> None:
    calls = [node for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    for call in calls:
        if isinstance(call.func, ast.Attribute) and call.func.attr in ("read_text", "write_text"):
            assert "encoding" in {keyword.arg for keyword in call.keywords}, f"{file}:{call.lineno}"


def test_templates_do_not_disable_escaping() -> None:
    templates = sorted((ROOT / "pipeline/reports/templates").glob("*.html"))
    assert templates
    for template in templates:
        text = template.read_text(encoding="utf-8")
        assert "autoescape" not in text, template.name
        assert "|safe" not in text.replace(" ", ""), template.name


def test_networks_are_saved_without_code_and_load_in_safe_mode(tmp_path: Path) -> None:
    config = AgentConfig(bn_momentum_actor=0.9)
    for make in (make_actor, make_critic):
        network = make(2, 1, config, np.random.default_rng(0))
        file = tmp_path / f"{network.name}.keras"
        network.save(file)
        loaded = keras.models.load_model(file, safe_mode=True)
        kinds = {type(layer).__name__ for layer in loaded.layers}
        assert kinds
        assert "Lambda" not in kinds
        assert all(type(layer).__module__.startswith("keras.") for layer in loaded.layers)
