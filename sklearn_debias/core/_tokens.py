"""Rows of tokens as one tensor, and networks that take them by name.

A row is (columns, length): ids, mask and types, as far as there are any. In a batch all rows have
the length of the longest, so that everything between X and the network sees one tensor.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

COLUMNS = ("input_ids", "attention_mask", "token_type_ids")
MASK = COLUMNS.index("attention_mask")
ANY = -1  # length of a row, as its shape has it
PADDING = -1  # stands for an id where a row has ended
# Of the outputs of transformers: the first that is there.
POOLED = ("logits", "image_embeds", "text_embeds", "last_hidden_state")
# Ids by which tokenizers begin, part and end a text; some pad with one of them, too.
SPECIAL = ("bos_token_id", "cls_token_id", "sep_token_id", "eos_token_id")


def is_tokens(shape: tuple[int, ...]) -> bool:
    """Return whether rows of this shape are rows of tokens.

    Examples
    --------
    >>> from sklearn_debias.core.internal import is_tokens
    >>> is_tokens((2, -1)), is_tokens((3, 32, 32))
    (True, False)
    """
    return len(shape) == 2 and shape[1] == ANY


@dataclass(frozen=True)
class TokenLimits:
    """What a network can take of a row of tokens; None is any number.

    Parameters
    ----------
    length : int or None, default=None
        Tokens of a row.
    n_ids : int or None, default=None
        Ids are smaller than this.
    n_types : int or None, default=None
        Ids of types are smaller than this.
    padding : frozenset of (int, int), default={}
        Ids that pad rows, and from how many at an end of a row on.
    sees_masks : bool, default=True
        Whether the network takes ``attention_mask``.
    pad_to : int or None, default=None
        Tokens up to which padding behind a row leaves its output as it is; 0 if it never does.
    exactly : int or None, default=None
        Tokens of each row, where all must be of one length.
    """

    length: int | None = None
    n_ids: int | None = None
    n_types: int | None = None
    padding: frozenset[tuple[int, int]] = frozenset()
    sees_masks: bool = True
    pad_to: int | None = None
    exactly: int | None = None

    @property
    def may_pad(self) -> bool:
        """Whether rows of several lengths may be in one batch."""
        return self.pad_to != 0

    def __and__(self, other: "TokenLimits") -> "TokenLimits":
        """Return what both allow."""
        return TokenLimits(
            _smaller(self.length, other.length),
            _smaller(self.n_ids, other.n_ids),
            _smaller(self.n_types, other.n_types),
            self.padding | other.padding,
            self.sees_masks and other.sees_masks,
            _smaller(self.pad_to, other.pad_to),
            _smaller(self.exactly, other.exactly),
        )

    @classmethod
    def of(cls, module: nn.Module) -> "TokenLimits":
        """Return what a module takes, as far as its parts say so in their ``config``."""
        limits = cls()
        for part in module.modules():
            if isinstance(part, Unpacked):
                limits &= _limits_of(part)
        return limits


class Unpacked(nn.Module):
    """A network that is called with tokens by name, as a network of tensors.

    Images go to the network as they are, as its only argument.

    Parameters
    ----------
    network : nn.Module
        Takes ``input_ids`` and, where it likes, ``attention_mask`` and ``token_type_ids``, int64
        (b, length); what it does not take is left out. Returns a tensor, or what has it as
        ``logits`` or ``last_hidden_state``.
    head : str, default=""
        Name of the network's last layer, where that was taken out.

    Attributes
    ----------
    pads_to : int
        Tokens up to which the network was found to tell padding from text without a mask.

    Examples
    --------
    >>> import torch
    >>> from sklearn_debias.core.internal import Unpacked
    >>> class Lengths(torch.nn.Module):
    ...     def forward(self, input_ids, attention_mask):
    ...         return attention_mask.sum(1)
    >>> rows = torch.tensor([[[7, 8], [1, 1]], [[9, -1], [1, 0]]])
    >>> Unpacked(Lengths())(rows).tolist()
    [2, 1]
    """

    def __init__(self, network: nn.Module, head: str = "") -> None:
        super().__init__()
        self.network = network
        self.head_name = head
        self.pads_to = 0  # until it was tried

    @property
    def sees_masks(self) -> bool:
        """Whether the network takes a mask, or no tokens at all."""
        forward = self.network.forward
        return _takes(forward, COLUMNS[MASK]) or not _takes(forward, COLUMNS[0])

    def forward(self, x: Tensor) -> Tensor:
        """Return the tensor that the network makes of ``x`` (b, columns, length)."""
        output: Any = self.network(**self._arguments(x)) if x.ndim == 3 else self.network(x)
        if isinstance(output, tuple) and is_of_transformers(self.network):
            output = output[0]  # where its configuration asks for no names
        if isinstance(output, Tensor):
            return output
        found = (getattr(output, name, None) for name in POOLED)
        return next((tensor for tensor in found if isinstance(tensor, Tensor)), output)

    def _arguments(self, x: Tensor) -> dict[str, Tensor]:
        named = dict(zip(COLUMNS, x.long().unbind(1), strict=False))
        ids = named["input_ids"]
        padding = getattr(getattr(self.network, "config", None), "pad_token_id", None)
        # A list where there are several, and None where there is none.
        padding = padding if isinstance(padding, int) else 0
        named["input_ids"] = ids.masked_fill(ids == PADDING, padding)
        if _answers_at_the_end(self.network):
            n_padded = (ids == PADDING).sum(1)
            named = {name: _moved(column, n_padded) for name, column in named.items()}
        # The mask is ours where X has none, and tokenizers give types to networks that have none:
        # who does not look at them need not take them.
        forward = self.network.forward
        return {
            name: column
            for name, column in named.items()
            if name == COLUMNS[0] or _takes(forward, name)
        }


def is_of_transformers(module: nn.Module) -> bool:
    """Return whether a module is one of transformers: its package is not asked."""
    return hasattr(module, "config") and hasattr(module, "base_model_prefix")


def split_transformer(network: Any) -> tuple[nn.Module, nn.Module | None]:
    """Take the classifier's last layer out of a network of transformers, in place.

    Returns
    -------
    body : nn.Module
        All of it, where the last layer cannot be told.
    head : nn.Module or None
    """
    wanted = getattr(network.config, "num_labels", None)
    inside = f"{network.base_model_prefix}."
    found = [
        name
        for name, layer in network.named_modules()
        if isinstance(layer, nn.Linear)
        and layer.out_features == wanted
        and not name.startswith(inside)
        and name.count(".") < 2  # deeper ones are of the body, where that has no part of its own
    ]
    # A second classifier, such as that of a distilled network, has a part in the logits.
    if len(found) != 1:
        return Unpacked(network), None
    owner, _, name = found[0].rpartition(".")
    head = network.get_submodule(found[0])
    setattr(network.get_submodule(owner), name, nn.Identity())
    return Unpacked(network, found[0]), head


def advice_on(module: nn.Module, x: Tensor) -> str | None:
    """Return what to do where a network of transformers cannot be run on ``x``.

    It is told by the configuration: None where that says nothing.
    """
    for part in module.modules():
        config = getattr(part.network, "config", None) if isinstance(part, Unpacked) else None
        if hasattr(config, "vision_config"):
            return (
                "It takes text and images together: pass the part for one, such as CLIPVisionModel "
                "or CLIPTextModel."
            )
        if getattr(config, "is_encoder_decoder", False):
            return (
                "It has an encoder and a decoder. A *ForSequenceClassification of this kind needs "
                f"the id eos_token_id={getattr(config, 'eos_token_id', None)} at the end of each "
                "row, as its tokenizer sets it; of others pass the encoder, network.get_encoder()."
            )
        if x.ndim == 3 and config is not None and getattr(config, "pad_token_id", 0) is None:
            return (
                "It may need to know its padding: set network.config.pad_token_id to "
                "tokenizer.pad_token_id, or to tokenizer.eos_token_id where there is none."
            )
    return None


def _answers_at_the_end(network: nn.Module) -> bool:
    """Return whether a network sums a row up at the last place of a batch, as XLNet does."""
    last = getattr(getattr(network, "config", None), "summary_type", None) == "last"
    return last and hasattr(network, "sequence_summary")


def _moved(column: Tensor, n: Tensor) -> Tensor:
    """Return rows (b, length) each moved to the right by its number, around the end."""
    places = torch.arange(column.shape[1], device=column.device) - n[:, None]
    return column.gather(1, places % column.shape[1])


def _takes(function: Callable, name: str) -> bool:
    """Return whether a function takes an argument of this name."""
    parameters = inspect.signature(function).parameters
    return name in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values())


def _limits_of(part: Unpacked) -> TokenLimits:
    network = part.network
    if not _takes(network.forward, COLUMNS[0]):  # such as one of images, or of embeddings
        return TokenLimits()
    config = getattr(network, "config", None)
    length = getattr(config, "max_position_embeddings", None)
    for name, layer in network.named_modules():
        # RoBERTa and its kin count positions from behind the one of the padding.
        if name.endswith("position_embeddings") and isinstance(layer, nn.Embedding):
            first = 0 if layer.padding_idx is None else layer.padding_idx + 1
            length = layer.num_embeddings - first
    n_ids, n_types = (getattr(config, name, None) for name in ("vocab_size", "type_vocab_size"))
    # Who sees no mask skips padding by itself, or takes it for text.
    padding = _padding_of(config) if part.sees_masks else frozenset()
    return TokenLimits(
        _counted(length),
        _counted(n_ids),
        _counted(n_types),
        padding,
        part.sees_masks,
        # Pickles of older versions do not have it.
        None if part.sees_masks else vars(part).get("pads_to", 0),
    )


def _padding_of(config: Any) -> frozenset[tuple[int, int]]:
    """Return the id that pads rows, and how many at an end of a row are no text for sure."""
    padding = getattr(config, "pad_token_id", None)
    if not isinstance(padding, int) or padding < 0:
        return frozenset()
    found = [getattr(config, name, None) for name in SPECIAL]
    special = {i for ids in found for i in (ids if isinstance(ids, list | tuple) else [ids])}
    return frozenset({(padding, 2 if padding in special else 1)})


def _counted(value: Any) -> int | None:
    """Return a positive number, or None: some configurations hold -1 where any will do."""
    return value if isinstance(value, int) and value > 0 else None


def _smaller(one: int | None, other: int | None) -> int | None:
    known = [value for value in (one, other) if value is not None]
    return min(known, default=None)
