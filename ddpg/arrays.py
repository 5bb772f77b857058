"""Named arrays in files whose bytes depend on the arrays alone, also of arrays that do not fit into memory."""

import io
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from ddpg.files import DamagedFileError, replacing


@runtime_checkable
class Blocks(Protocol):
    """An array that is read a block at a time."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]

    def __iter__(self) -> Iterator[NDArray[Any]]:
        """Yields the array's rows in order, some at a time."""


def save_arrays(file: Path | IO[bytes], arrays: Mapping[str, Any]) -> None:
    """As `numpy.savez`, but the bytes depend on the arrays alone.

    They are not compressed, because builds of Python ship different implementations of zlib.

    Args:
        file: Where to.
        arrays: Arrays, or `Blocks`, which are never in memory as a whole.
    """
    if isinstance(file, Path):
        with replacing(file) as temporary, temporary.open("wb") as stream:
            save_arrays(stream, arrays)
        return
    with zipfile.ZipFile(file, "w") as archive:
        for name, array in arrays.items():
            blocks = array if isinstance(array, Blocks) and not isinstance(array, np.ndarray) else None
            head = _header(blocks) if blocks is not None else _whole(array)
            entry = zipfile.ZipInfo(f"{name}.npy")
            entry.create_system = 3  # what Unix writes
            entry.file_size = len(head)
            if blocks is not None:
                entry.file_size += int(np.prod(blocks.shape)) * blocks.dtype.itemsize
            with archive.open(entry, "w") as member:
                member.write(head)
                for block in blocks or ():
                    member.write(np.ascontiguousarray(block).data)


def _whole(array: Any) -> bytes:
    content = io.BytesIO()
    np.lib.format.write_array(content, np.asarray(array), allow_pickle=False)
    return content.getvalue()


def _header(blocks: Blocks) -> bytes:
    content = io.BytesIO()
    description = {"descr": blocks.dtype.str, "fortran_order": False, "shape": blocks.shape}
    np.lib.format.write_array_header_1_0(content, description)
    return content.getvalue()


def load_arrays(file: Path | IO[bytes]) -> dict[str, NDArray[Any]]:
    """Reads what `save_arrays` wrote.

    Raises:
        FileNotFoundError: There is no such file.
        DamagedFileError: The file holds something else; the message names it.
    """
    # np.load would leave a damaged file open.
    with file.open("rb") if isinstance(file, Path) else nullcontext(file) as stream:
        try:
            with np.load(stream, allow_pickle=False) as arrays:
                return dict(arrays)
        except (ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise DamagedFileError(f"{file}: expected arrays (.npz), received something else ({error})") from error
