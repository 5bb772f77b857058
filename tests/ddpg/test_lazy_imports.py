import gc
import sys

import pytest

from ddpg.lazy_imports import lazily


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


def test_others_load_at_once_and_so_does_all_that_follows(module):
    with lazily("another", "missing.module"):
        __import__(module)
    assert is_loaded(module)
    with lazily(module):
        pass
    del sys.modules[module], sys.modules[f"{module}_loaded"]
    __import__(module)
    assert is_loaded(module)


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
