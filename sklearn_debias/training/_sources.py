"""Where the inputs come from: arrays, memory maps, image files, datasets."""

import copy
import mmap
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Subset

from sklearn_debias.core.internal import TokenLimits
from sklearn_debias.training._blame import blamed

OF_DATASET = "A dataset must hold numeric arrays, tensors or images, or (input, target) pairs."


def is_picture(value: Any) -> bool:
    """Return whether a value is an image of Pillow."""
    pillow = sys.modules.get("PIL.Image")  # who has an image has imported it
    return pillow is not None and isinstance(value, pillow.Image)


class Source:
    """Rows of inputs by number.

    Parameters
    ----------
    items : array-like
        Indexable by integers.
    index : ndarray of shape (n,), default=None
        Which rows this source shows; None shows all.
    """

    check: Callable[[Tensor], None] | None = None
    argument = "X"  # as what users pass the items
    batches_at_once = 1  # that are read together to predict them

    def __init__(self, items: Any, index: np.ndarray | None = None) -> None:
        self.items = items
        self.index = index

    def __len__(self) -> int:
        return len(self.items) if self.index is None else len(self.index)

    def take(self, index: np.ndarray) -> Tensor:
        """Return the rows ``index`` as a new tensor on the CPU, uint8 or floating."""
        rows = self._take(index if self.index is None else self.index[index])
        if self.check is not None:
            self.check(rows)
        return rows

    def checked(self, check: Callable[[Tensor], None]) -> "Source":
        """Show the same rows; ``check`` sees each of them as it is read, and may raise."""
        new = copy.copy(self)
        new.check = check
        return new

    def called(self, argument: str) -> "Source":
        """Show the same rows, which users pass as ``argument``."""
        new = copy.copy(self)
        new.argument = argument
        return new

    def subset(self, index: np.ndarray) -> "Source":
        """Show the rows ``index`` of this source."""
        # Past __init__, whose arguments differ from class to class, and which may read rows.
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__, index=index if self.index is None else self.index[index])
        return new

    def resident(self) -> bool:
        """Return whether the rows are in memory, so that they may go to the device at once."""
        return False

    def groups(self, raw: Tensor) -> list[tuple[np.ndarray, Tensor]]:
        """Return rows (b, ...) by their shape, with their places; most rows have all one."""
        return [(np.arange(len(raw)), raw)]

    def limited(self, limits: TokenLimits) -> "Source":
        """Show the same rows; those of tokens that exceed ``limits`` are refused when read."""
        return self

    def look(self) -> None:
        """Read all rows of tokens, and raise where one is refused; other rows stay unread.

        So do those that torch Datasets make, which may take long over each.
        """

    def _take(self, index: np.ndarray) -> Tensor:
        """Read the rows ``index`` of ``items``."""
        raise NotImplementedError


class ArraySource(Source):
    """Rows of an array; of a memory map, read when they are needed."""

    def resident(self) -> bool:
        """Return whether the array is in memory and not on disk."""
        return not is_memory_map(self.items)

    def _take(self, index: np.ndarray) -> Tensor:
        check_whole(self.items, self.argument)
        return torch.from_numpy(np.take(self.items, index, axis=0))


class MappedSource(ArraySource):
    """Rows of a memory map that are asked for in another type: each is cast when it is read.

    Parameters
    ----------
    items : ndarray of numbers
        In either byte order.
    dtype : dtype
    """

    def __init__(self, items: np.ndarray, dtype: Any) -> None:
        super().__init__(items)
        self.dtype = np.dtype(dtype)

    def _take(self, index: np.ndarray) -> Tensor:
        check_whole(self.items, self.argument)
        rows = np.take(self.items, index, axis=0)
        if not rows.dtype.isnative:
            rows = rows.astype(rows.dtype.newbyteorder("="))
        # Torch casts float16 in a tenth of NumPy's time.
        return torch.from_numpy(rows).to(getattr(torch, self.dtype.name))


class PictureSource(Source):
    """Images of Pillow, turned into RGB uint8 (3, h, w) when they are needed.

    Parameters
    ----------
    items : sequence of PIL.Image.Image
    size : (height, width) or None
        Resize to this; None takes the size of the first image, and the others must have it too.
    """

    def __init__(self, items: Sequence[Any], size: tuple[int, int] | None = None) -> None:
        super().__init__(items)
        self.size = size

    def _take(self, index: np.ndarray) -> Tensor:
        images = [self._read(int(i)) for i in index]
        for i, image in zip(index, images, strict=True):
            if image.shape != images[0].shape:
                raise ValueError(
                    f"`image_size` must be given where images differ in size: `X[{i}]` "
                    f"({self.items[i]}) has (h, w) = {image.shape[1:]}, another has "
                    f"{images[0].shape[1:]}. Pass image_size=(height, width)."
                )
        return torch.from_numpy(np.stack(images))

    def _read(self, i: int) -> np.ndarray:
        """Return one of the images."""
        from sklearn_debias.training._pictures import read_picture  # and Pillow, where needed

        return read_picture(self.items[i], i, self.size)


class ImageSource(PictureSource):
    """Image files, opened when they are needed; ``items`` are their paths."""

    def _read(self, i: int) -> np.ndarray:
        from sklearn_debias.training._pictures import read_image

        return read_image(self.items[i], i, self.size)


class DatasetSource(Source):
    """Items of a torch Dataset: the inputs, or (input, target) pairs."""

    def item(self, i: int) -> Any:
        """Return an item as the dataset has it."""
        with blamed(f"X[{i}]", OF_DATASET):
            return self.items[i]

    def rows(self, index: np.ndarray, found: list) -> Tensor:
        """Return the rows ``index`` as a tensor, of the items that were read."""
        items = [self._input(int(i), item) for i, item in zip(index, found, strict=True)]
        for i, item in zip(index, items, strict=True):
            if (item.shape, item.dtype) != (items[0].shape, items[0].dtype):
                raise ValueError(
                    f"`X[{i}]`: the items of a dataset must be alike, got {item.dtype} of shape "
                    f"{tuple(item.shape)} beside {items[0].dtype} of shape {tuple(items[0].shape)}."
                )
        return torch.stack(items)

    def _take(self, index: np.ndarray) -> Tensor:
        return self.rows(index, [self.item(int(i)) for i in index])

    def _input(self, index: int, item: Any) -> Tensor:
        """Return the input of an item, checked, as uint8 or float32 on the CPU."""
        with blamed(f"X[{index}]", OF_DATASET):
            x = item[0] if isinstance(item, (tuple, list)) else item
            if is_picture(x):
                from sklearn_debias.training._pictures import read_picture

                x = read_picture(x, index, None)
            x = x.detach().cpu() if isinstance(x, Tensor) else torch.tensor(np.asarray(x))
            if x.is_complex():
                raise TypeError("complex data are not supported")
            x = x if x.dtype == torch.uint8 else x.float()
        if not torch.isfinite(x).all():
            raise ValueError(f"Input X contains NaN or infinity: item {index} of the dataset.")
        return x


def as_given(source: Source) -> Any:
    """Return the rows as an estimator takes them: image paths and datasets stay unread."""
    index = np.arange(len(source.items)) if source.index is None else source.index
    if isinstance(source, PictureSource):
        return [source.items[i] for i in index]
    if isinstance(source, DatasetSource):
        return Subset(source.items, index.tolist())
    return source.take(np.arange(len(source))).numpy()


def is_memory_map(array: Any) -> bool:
    """Return whether an array, or what it is a view of, lives in a file."""
    return _map_of(array) is not None


def check_whole(array: Any, argument: str = "X") -> None:
    """Raise where an array lives in a file that has become shorter: reading would kill the process.

    ``argument`` is what users pass it as.

    Raises
    ------
    ValueError
    """
    found = _map_of(array)
    opened = getattr(found, "_mmap", None)
    if found is None or opened is None:
        return
    begin = found.offset - found.offset % mmap.ALLOCATIONGRANULARITY
    wanted = begin + len(opened)
    there = opened.size()
    if 0 <= there < wanted:
        raise ValueError(
            f"`{argument}` is a memory map of {wanted} bytes, whose file {found.filename} has "
            f"become shorter: {there} bytes. Leave the file alone until the call ends."
        )


def _map_of(array: Any) -> np.memmap | None:
    """Return the memory map that an array is, or is a view of."""
    found = None
    while array is not None:
        if isinstance(array, np.memmap):
            found = array  # the last one is the whole file: offsets of views are not their own
        array = getattr(array, "base", None)
    return found
