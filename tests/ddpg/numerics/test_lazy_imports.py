import gc
import sys

import pytest

from ddpg.numerics.lazy_imports import lazily


@pytest.fixture
def module(tmp_path, monkeypatch):
    """The name of a module that, once loaded, is `loaded`."""
    monkeypatch.syspath_prepend(tmp_path)
    name = f"{tmp_path.name}_module"
    (tmp_path / f"{name}.py").write_text("import sys\nsys.modules[__name__ + '_loaded'] = True\nvalue = 7\n")
    yield name
    for each in (name, f"{name}_loaded"):
        sys.modules.pop(each, None)


def is_loaded(name):
    return f"{name}_loaded" in sys.modules


def test_a_module_loads_at_its_first_use(module):
    with lazily(module):
        found = __import__(module)
    assert not is_loaded(module)
    assert found.value == 7
    assert is_loaded(module)


def test_others_load_at_once(module):
    with lazily(f"{module}.part"):
        __import__(module)
    assert is_loaded(module)


def test_all_that_follows_loads_at_once(module):
    with lazily(module):
        pass
    __import__(module)
    assert is_loaded(module)


def test_a_module_that_was_loaded_stays_as_it_is(module):
    before = __import__(module)
    before.value = 8
    with lazily(module):
        assert __import__(module) is before
    assert before.value == 8


@pytest.mark.parametrize("collects", [True, False])
def test_an_import_that_fails_leaves_all_as_it_was(collects):
    finders = list(sys.meta_path)
    (gc.enable if collects else gc.disable)()
    try:
        with pytest.raises(ModuleNotFoundError), lazily("missing"):  # noqa: PT012
            assert not gc.isenabled()
            import missing  # noqa: F401
        assert gc.isenabled() == collects
    finally:
        gc.enable()
    assert sys.meta_path == finders
