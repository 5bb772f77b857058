"""Lists that lie on disk, for what is collected over a long training and seldom read."""

import tempfile
import weakref
from collections.abc import Iterable, Iterator, MutableSequence
from typing import IO, Any, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

_BLOCK = 2**20  # bytes that are read at a time
Item = TypeVar("Item", bound=tuple[Any, ...])


class DiskList(MutableSequence[Item]):
    """A list of named tuples of one class, whose fields are integers, or arrays of one shape and type each.

    Items lie in a temporary file, which has no name and goes with the list; what is read is a copy. Appending, reading
    and removing the last items take as long for many items as for few.

    Args:
        items: The first ones.

    Raises:
        OSError: There is no more space for temporary files.
    """

    def __init__(self, items: Iterable[Item] = ()) -> None:
        self._file: IO[bytes] | None = None
        self._class: type[Item]
        self._row: np.dtype[Any]
        self._length = 0
        self.extend(items)

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> Item: ...
    @overload
    def __getitem__(self, index: slice) -> list[Item]: ...
    def __getitem__(self, index: int | slice) -> Item | list[Item]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self._length))]
        i = index + self._length if index < 0 else index
        if not 0 <= i < self._length:
            raise IndexError(f"expected an index below {self._length}, received {index}")
        (row,) = self._rows(i, 1)
        return self._class(*(row[name] if row[name].ndim else row[name].item() for name in self._row.names or ()))

    def insert(self, index: int, value: Item) -> None:
        """As of any list; quick at the end."""
        if index < self._length:
            self._rewrite([*self[:index], value, *self[index:]])
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the list)
            weakref.finalize(self, self._file.close)
        if not self._length:
            self._class = type(value)
            fields = zip(value._fields, map(np.asarray, value), strict=True)  # type: ignore[attr-defined]
            self._row = np.dtype([(name, array.dtype, array.shape) for name, array in fields])
        row = np.array(tuple(value), self._row)
        self._file.seek(self._length * self._row.itemsize)
        self._file.write(row.tobytes())
        self._length += 1

    def __setitem__(self, index: int | slice, value: Any) -> None:
        items = self[:]
        items[index] = value
        self._rewrite(items)

    def __delitem__(self, index: int | slice) -> None:
        removed = range(self._length)[index]
        removed = range(removed, removed + 1) if isinstance(removed, int) else removed
        if removed == range(self._length)[self._length - len(removed) :]:
            self._length -= len(removed)
        else:
            items = self[:]
            del items[index]
            self._rewrite(items)

    def __reduce__(self) -> tuple[Any, ...]:
        return list, (self[:],)

    def column(self, name: str) -> "Column":
        """A field of all items that there are now."""
        return Column(self, name)

    def _rewrite(self, items: Iterable[Item]) -> None:
        self._length = 0
        self.extend(items)

    def _rows(self, start: int, n: int) -> NDArray[Any]:
        assert self._file is not None
        self._file.seek(start * self._row.itemsize)
        return np.frombuffer(bytearray(self._file.read(n * self._row.itemsize)), self._row)


class Column:
    """A field of a `DiskList`'s items; see `ddpg.arrays.Blocks`."""

    def __init__(self, items: DiskList[Any], name: str) -> None:
        self._items, self._name = items, name
        field = items._row[name]
        self.dtype: np.dtype[Any] = field.base
        self.shape: tuple[int, ...] = (len(items), *field.shape)

    def __iter__(self) -> Iterator[NDArray[Any]]:
        at_once = max(1, _BLOCK // self._items._row.itemsize)
        for start in range(0, self.shape[0], at_once):
            yield self._items._rows(start, min(at_once, self.shape[0] - start))[self._name]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.concatenate(list(self), dtype=dtype)
