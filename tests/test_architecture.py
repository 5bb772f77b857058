"""What may import what, held against the code itself."""

import ast
import functools
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
LEAVES = {
    "algorithm.noise",
    "algorithm.replay_buffer",
    "algorithm.scaling",
    "arrays",
    "base_config",
    "config",
    "disk_list",
    "evaluation.statistics",
    "finite",
    "grid_config",
    "history",
    "records",
    "seeding",
}
# What a leaf may import: parts of settings and of files.
PARTS = {"ddpg.arrays", "ddpg.base_config", "ddpg.disk_list", "ddpg.files", "ddpg.grid_config"}
# What each room may import of the others in its package.
ROOMS = {
    "ddpg": {
        "numerics": set(),
        "algorithm": {"numerics"},
        "environments": {"algorithm"},
        "evaluation": {"algorithm", "environments"},
        "training": {"numerics", "algorithm", "environments", "evaluation"},
        "visualizations": {"algorithm", "environments", "evaluation"},
    },
    "pipeline": {
        "provenance": set(),
        "execution": {"provenance"},
        "tracking": {"provenance"},
        "revisions": {"provenance", "tracking"},
        "reports": {"provenance", "tracking", "revisions"},
    },
}
STAGES = ("train", "evaluate", "animate")
# Code that the environment may come from, and the packages.
INPUTS = ("environments", "ddpg/environments/quadcopter", "requirements.lock")
# What a stage imports without any effect on what it writes.
NO_DEPENDENCIES = {
    "contract",
    "digests",
    "documents",
    "errors",
    "files",
    "git",
    "inputs",
    "keywords",
    "params",
    "plots",
    "progress",
    "revision",
    "seed_store",
    "stage",
    "stages",
    "tracking",
    "workers",
}


def module_name(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for package in ("ddpg", "pipeline") for path in (ROOT / package).rglob("*.py")}


@functools.cache
def imports(path, for_types=False):
    """Modules imported anywhere in a file; those for type checking alone only if asked for."""
    tree = ast.parse(path.read_text())
    checking = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    ]
    ignored = {id(child) for block in checking for node in block.body for child in ast.walk(node)}
    found = set()
    for node in ast.walk(tree):
        if id(node) in ignored and not for_types:
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def own_imports(name, for_types=False):
    """Modules of this project; `from pipeline import results` imports `pipeline.results`, and `pipeline` is empty."""
    return {imported for imported in imports(MODULES[name], for_types) if imported in MODULES and "." in imported}


def reachable(name, without=frozenset()):
    """The module, and all it imports directly or through others, but for these and what only they import."""
    found, waiting = set(), {name}
    while waiting:
        current = waiting.pop()
        found.add(current)
        waiting |= {each for each in own_imports(current) - found if each.split(".")[-1] not in without}
    return found


def test_the_library_knows_nothing_of_the_pipeline_or_its_tools():
    for name, path in MODULES.items():
        if name.startswith("ddpg"):
            roots = {imported.split(".")[0] for imported in imports(path)}
            assert not roots & {"pipeline", "dvc", "mlflow", "argparse", "ruamel", "yaml"}, name


@pytest.mark.parametrize("package", ROOMS)
def test_rooms_import_only_those_below(package):
    rooms = ROOMS[package]
    assert rooms.keys() == {path.parent.name for path in (ROOT / package).glob("*/__init__.py")}
    for name, path in MODULES.items():
        owner, _, inside = name.partition(".")
        room = inside.partition(".")[0]
        if owner == package and room in rooms:
            imported = {each.split(".")[1] for each in imports(path, for_types=True) if each.startswith(f"{package}.")}
            assert imported & rooms.keys() <= {*rooms[room], room}, name


def test_leaves_import_no_sibling():
    for leaf in LEAVES:
        assert own_imports(f"ddpg.{leaf}") <= PARTS, f"{leaf} takes numbers, and knows no other module"


def test_imports_make_no_circle():
    """Those for type checking count; a package and what it exports may know each other."""
    order = graphlib.TopologicalSorter()
    for name in MODULES:
        order.add(name, *(each for each in own_imports(name, for_types=True) if not name.startswith(f"{each}.")))
    order.prepare()  # raises CycleError, which names the circle


def test_stages_never_import_each_other():
    for stage in STAGES:
        assert not reachable(f"pipeline.{stage}") & {f"pipeline.{other}" for other in STAGES if other != stage}


def test_only_tracking_imports_mlflow():
    importers = {name for name, path in MODULES.items() if any(i.split(".")[0] == "mlflow" for i in imports(path))}
    assert {name.rpartition(".")[0] for name in importers} == {"pipeline.tracking"}


@pytest.mark.parametrize("stage", STAGES)
def test_a_stage_depends_on_just_the_modules_that_decide_what_it_writes(stage):
    dvc = YAML(typ="safe", pure=True).load(ROOT / "dvc.yaml")["stages"][stage]
    files = set()
    for dependency in dvc["deps"]:
        path = ROOT / dependency
        if not dependency.startswith(("results", *INPUTS)):
            files |= set(path.rglob("*.py")) if path.is_dir() else {path}
    assert set(INPUTS) <= set(dvc["deps"])
    modules = reachable(f"pipeline.{stage}", without=NO_DEPENDENCIES)
    modules |= {name.rpartition(".")[0] for name in modules} - {"ddpg", "pipeline"}
    # A room's docstring decides nothing.
    expected = {MODULES[name] for name in modules if len(ast.parse(MODULES[name].read_text()).body) > 1}
    named, expected = ({path.relative_to(ROOT).as_posix() for path in paths} for paths in (files, expected))
    assert named == {path for path in expected if not path.startswith(INPUTS)}


QUICK = [
    "ddpg",
    "ddpg.visualizations",
    "ddpg.algorithm.policy",
    "ddpg.algorithm.action_value",
    "pipeline.animate",
    "pipeline.evaluate",
    "pipeline.train",
]


def test_what_needs_no_tensorflow_or_mlflow_does_not_load_them():
    script = (
        f"import sys, {', '.join(QUICK)}; print([name for name in ('tensorflow', 'mlflow') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
