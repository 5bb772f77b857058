import pickle
import tracemalloc
from typing import Any, NamedTuple

import numpy as np
import pytest

from ddpg.arrays import load_arrays, save_arrays
from ddpg.disk_list import DiskList


class Row(NamedTuple):
    step: int
    plane: Any


def rows(n):
    return [Row(i, np.full((2, 3), i, np.float32)) for i in range(n)]


def steps(items):
    return [item.step for item in items]


def test_what_is_read_is_what_was_appended():
    items = DiskList(rows(3))
    assert [type(item) for item in items] == [Row] * 3
    assert type(items[1].step) is int
    for item, expected in zip(items, rows(3), strict=True):
        assert item.step == expected.step
        assert item.plane.dtype == np.float32
        np.testing.assert_array_equal(item.plane, expected.plane)


def test_does_as_a_list_does():
    items, plain = DiskList(rows(9)), rows(9)
    assert not DiskList()

    def delete(some):
        del some[-1], some[6:], some[2], some[:0]

    changes = [
        delete,
        lambda some: some.append(Row(50, some[0].plane)),
        lambda some: some.insert(1, Row(60, some[0].plane)),
        lambda some: some.__setitem__(slice(None), [each for each in some if each.step != 3]),
        lambda some: some.__setitem__(0, Row(70, some[0].plane)),
        lambda some: some.__iadd__(rows(2)),
        lambda some: some.pop(),
    ]
    for change in changes:
        change(items)
        change(plain)
        assert steps(items) == steps(plain)
        assert (steps(items[1:4]), items[-2].step) == (steps(plain[1:4]), plain[-2].step)
    items.clear()
    assert steps(items) == []
    for index in (0, -1):
        with pytest.raises(IndexError):
            items[index]


def test_what_was_read_does_not_change_the_list():
    items = DiskList(rows(2))
    items[1].plane[:] = 9
    assert items[1].plane.max() == 1


def test_is_a_plain_list_in_another_process():
    copied = pickle.loads(pickle.dumps(DiskList(rows(2))))
    assert type(copied) is list
    assert steps(copied) == [0, 1]


def test_memory_holds_none_of_the_items(tmp_path):
    plane = np.zeros((1000, 100), np.float32)
    tracemalloc.start()
    items = DiskList(Row(i, plane) for i in range(100))
    save_arrays(tmp_path / "items.npz", {name: items.column(name) for name in Row._fields})
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20 * plane.nbytes


@pytest.mark.parametrize("n", [1, 5])
def test_a_file_has_the_same_bytes_as_from_memory(tmp_path, n, monkeypatch):
    monkeypatch.setattr("ddpg.disk_list._BLOCK", 70)  # two rows
    items = DiskList(rows(n))
    save_arrays(tmp_path / "disk.npz", {name: items.column(name) for name in Row._fields})
    in_memory = {"step": np.arange(n), "plane": np.stack([row.plane for row in rows(n)])}
    save_arrays(tmp_path / "memory.npz", in_memory)
    assert (tmp_path / "disk.npz").read_bytes() == (tmp_path / "memory.npz").read_bytes()
    np.testing.assert_array_equal(load_arrays(tmp_path / "disk.npz")["plane"], np.asarray(items.column("plane")))
