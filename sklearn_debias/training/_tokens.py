"""Rows of tokens as a tensor, padded to the longest of a batch."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from sklearn_debias.core.internal import COLUMNS, PADDING, TokenLimits
from sklearn_debias.training._blame import blamed
from sklearn_debias.training._joined import of_width
from sklearn_debias.training._sources import Source

EXACT = 2**24  # whole numbers up to this are exact in float32
MASK = COLUMNS.index("attention_mask")
TYPES = COLUMNS.index("token_type_ids")
LOOK = 256  # rows that are looked at together
WIDTH = 32  # tokens; for prediction rows are padded to a multiple
# What networks take, too, and would miss.
OTHERS = ("inputs_embeds", "position_ids", "pixel_values", "decoder_input_ids", "bbox")
TOKEN_ADVICE = (
    "Rows of tokens are dicts of 1-D integer arrays, such as tokenizer(text, truncation=True)."
)


class TokenSource(Source):
    """Rows of tokens, as (columns, length) with ids, mask and types.

    A batch is floating, (b, columns, length), of the longest row's length. Behind its end a row has
    the id `PADDING` and mask 0.

    Parameters
    ----------
    items : sequence of Mapping, or Dataset of Mapping or (Mapping, target)
        Each is looked at when it is read.
    n_columns : int
        Ids and mask, 2, or types as well, 3.

    Attributes
    ----------
    limits : TokenLimits
        What the network can take.
    """

    batches_at_once = 16  # are looked at together, for rows of one width

    def __init__(self, items: Any, n_columns: int) -> None:
        super().__init__(items)
        self.n_columns = n_columns
        self.limits = TokenLimits()

    def limited(self, limits: TokenLimits) -> "TokenSource":
        """Show the same rows; those that a network cannot take are refused as they are read."""
        new = copy.copy(self)
        new.limits = limits
        return new

    def look(self) -> None:
        """Read all rows, and raise where one is refused; what torch Datasets make stays unread."""
        if isinstance(self.items, Dataset):
            return  # it may take long over each
        for start in range(0, len(self), LOOK):
            self.take(np.arange(start, min(start + LOOK, len(self))))

    def groups(self, raw: Tensor) -> list[tuple[np.ndarray, Tensor]]:
        """Return rows by their width, which depends on nothing but the row.

        It is the next multiple of `WIDTH`, or as much as the network can take; a network that
        sees no mask gets padding only as far as it was found to skip it.
        """
        lengths = (raw[:, 0] != PADDING).sum(1).numpy()
        widths = -(-lengths // WIDTH) * WIDTH
        if self.limits.pad_to is not None:
            widths = np.maximum(lengths, np.minimum(widths, self.limits.pad_to))
        if self.limits.length is not None:
            widths = np.minimum(widths, self.limits.length)
        found = []
        for width in np.unique(widths):
            at = np.flatnonzero(widths == width)
            found.append((at, of_width(raw[torch.from_numpy(at)], int(width))))
        return found

    def _take(self, index: np.ndarray) -> Tensor:
        rows = [self._row(int(i), item) for i, item in zip(index, self._read(index), strict=True)]
        out = torch.zeros((len(rows), self.n_columns, max(row.shape[1] for row in rows)))
        out[:, 0] = PADDING
        for place, row in zip(out, rows, strict=True):
            place[:, : row.shape[1]] = torch.from_numpy(row)
        return out

    def _read(self, index: np.ndarray) -> Sequence[Any]:
        """Return items, together where the dataset hands them out so."""
        numbers = index.tolist()
        together = getattr(self.items, "__getitems__", None)
        return [self.items[i] for i in numbers] if together is None else together(numbers)

    def _row(self, i: int, item: Any) -> np.ndarray:
        name = f"{self.argument}[{i}]"
        given = row_in(item)
        with blamed(name, TOKEN_ADVICE):
            row = read_row(given)
            if len(row) != self.n_columns:
                raise ValueError(
                    f"it has the columns {COLUMNS[: len(row)]}, and the first row has "
                    f"{COLUMNS[: self.n_columns]}"
                )
        if given.get(COLUMNS[MASK]) is None:
            check_unpadded(row[0], self.limits, name)
        check_limits(row, self.limits, name)
        return row


def row_in(item: Any) -> Any:
    """Return the input of an item: what it is, or the first of an (input, target) pair."""
    return item[0] if isinstance(item, tuple | list) and item else item


def is_token_row(item: Any) -> bool:
    """Return whether an item is a row of tokens."""
    return isinstance(item, Mapping) and COLUMNS[0] in item


def read_row(item: Mapping) -> np.ndarray:
    """Return a row of tokens as an array (columns, length), without what is padding at its ends.

    Columns of other names are left out.

    Raises
    ------
    TypeError, ValueError
    """
    if not is_token_row(item):
        given = f"the keys {list(item)}" if isinstance(item, Mapping) else type(item).__name__
        raise TypeError(f"it must be a mapping with 'input_ids', got {given}")
    check_known(item)
    if item[COLUMNS[0]] is None:
        raise TypeError("`input_ids` is missing, got None")
    found = {name: _column(item[name], name) for name in COLUMNS if item.get(name) is not None}
    ids = found["input_ids"]
    found.setdefault("attention_mask", np.ones_like(ids))
    lengths = {name: len(column) for name, column in found.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f"its columns have several lengths, {lengths}")
    if len(ids) and not 0 <= ids.min() <= ids.max() <= EXACT:
        raise ValueError(f"`input_ids` must lie in 0 to 2**24, got {ids.min()} to {ids.max()}")
    mask = found["attention_mask"]
    if len(mask) and not 0 <= mask.min() <= mask.max() <= 1:
        raise ValueError(f"`attention_mask` must hold 0 and 1, got {mask.min()} to {mask.max()}")
    if (types := found.get("token_type_ids", ids)).min(initial=0) < 0:
        raise ValueError(f"`token_type_ids` must be 0 or more, got {types.min()}")
    # What a tokenizer has padded is a row like what it has not.
    seen = np.flatnonzero(mask)
    if not len(seen):
        raise ValueError("it has no token that `attention_mask` lets the network see")
    columns = [found[name] for name in COLUMNS if name in found]
    return np.stack(columns)[:, seen[0] : seen[-1] + 1].astype(np.float32)


def check_known(columns: Mapping) -> None:
    """Raise where there is a column that networks take, but are not given."""
    if missed := [name for name in OTHERS if name in columns]:
        raise ValueError(
            f"`X` has {missed[0]!r}, which is not passed on to `module`. Leave it out."
        )


def check_unpadded(ids: np.ndarray, limits: TokenLimits, name: str) -> None:
    """Raise where ids (length,) that came without a mask begin or end in what pads rows.

    Raises
    ------
    ValueError
    """
    for padding, fewest in limits.padding:
        for verb, inwards in (("starts", ids), ("ends", ids[::-1])):
            n = _n_leading(inwards, padding)
            if n >= fewest:
                raise ValueError(
                    f"`{name}` has no attention_mask and {verb} in {n} of the id {padding}, which "
                    "pads rows of `module`: it would count as text. Pass the tokenizer's "
                    "attention_mask, or leave the padding out."
                )


def _n_leading(ids: np.ndarray, value: int) -> int:
    """Return how often a value stands at the beginning."""
    others = np.flatnonzero(ids != value)
    return int(others[0]) if len(others) else len(ids)


def check_limits(row: np.ndarray, limits: TokenLimits, name: str) -> None:
    """Raise where a row (columns, length) is more than a network can take.

    Raises
    ------
    ValueError
    """
    length = row.shape[1]
    if limits.length is not None and length > limits.length:
        raise ValueError(
            f"`{name}` has {length} tokens, and `module` takes {limits.length} at most. Shorten "
            f"it: tokenizer(text, truncation=True, max_length={limits.length})."
        )
    if not limits.sees_masks:
        _check_without_mask(row, name)
    if limits.exactly is not None and length != limits.exactly:
        raise ValueError(
            f"`{name}` has {length} tokens, and the first row has {limits.exactly}, but `module` "
            "takes no attention_mask, and cannot tell padding from text. Let its forward take "
            "attention_mask, (b, length), or leave out the id 0 by itself; or pass rows of one "
            "length."
        )
    largest = int(row[0].max())
    if limits.n_ids is not None and largest >= limits.n_ids:
        raise ValueError(
            f"`{name}` has the id {largest}, and the vocabulary of `module` has {limits.n_ids}. "
            "Use the tokenizer that belongs to it."
        )
    if limits.n_types is not None and len(row) > TYPES and row[TYPES].max() >= limits.n_types:
        raise ValueError(
            f"`{name}` has a token_type_id of {int(row[TYPES].max())}, and `module` knows "
            f"{limits.n_types} types. Leave out the column 'token_type_ids'."
        )


def _check_without_mask(row: np.ndarray, name: str) -> None:
    """Raise where a network that sees no mask would take for text what is none."""
    if not row[MASK].all():
        raise ValueError(
            f"`{name}` has an attention_mask of 0 amid its tokens, but `module` takes no "
            "attention_mask, and would see them. Let its forward take attention_mask."
        )


def _column(values: Any, name: str) -> np.ndarray:
    """Return whole numbers (length,)."""
    values = values.detach().cpu() if isinstance(values, Tensor) else values
    column = np.asarray(values)
    if column.ndim != 1:
        raise ValueError(f"`{name}` must be 1-D, got the shape {column.shape}: pass one row of it")
    if column.dtype.kind not in "iub" and len(column):
        raise TypeError(f"`{name}` must hold integers, got {column.dtype}")
    return column.astype(np.int64)
