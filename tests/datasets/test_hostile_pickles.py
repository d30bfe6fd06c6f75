"""Small pickles that ask for much: memory, time, messages without end."""

import contextlib
import copyreg
import pickle
import struct
import time
import zipfile
from collections import defaultdict

import pytest
import torch

from sklearn_debias.datasets import read_features
from sklearn_debias.datasets.readers._array_pickle import read_pickle
from sklearn_debias.datasets.readers._layouts_metashift import _pairs
from sklearn_debias.datasets.readers._plain_pickle import read_plain_pickle
from sklearn_debias.datasets.readers._shown import shown
from sklearn_debias.datasets.readers._splits import some
from sklearn_debias.datasets.readers._unpickler import REFUSED

MB = 1_000_000
READERS = [read_plain_pickle, read_pickle]
MUCH = struct.pack("<Q", 3 << 30)  # 3 GB


def nested(opening, levels=40):
    """Return opcodes of a container that holds another one twice, and so on."""
    level = b"(h\x00h\x00" + opening[1:] + b"q\x000"
    return opening[:1] + b"q\x000" + level * levels + b"h\x00"


NUMBERS = b"".join(b"M" + struct.pack("<H", i) for i in range(10_000))
LISTS, TUPLES = nested(b"]l"), nested(b")t")


def refused(reader, path, stream, message="must be a pickle of"):
    """Refuse a stream in little time, and in few words."""
    path.write_bytes(stream)
    start = time.process_time()
    with pytest.raises(ValueError, match=message) as caught:
        reader(path)
    assert time.process_time() - start < 1
    assert len(str(caught.value)) < 1500
    assert path.name in str(caught.value)


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "stream",
    [
        b"\x96" + MUCH,
        b"\x8e" + MUCH,
        b"\x8d" + MUCH,
        b"\x95" + MUCH,
        b"\x8b" + struct.pack("<i", 1 << 30),
        b"B" + struct.pack("<I", 3 << 30),
        b"X" + struct.pack("<I", 3 << 30),
        b"T" + struct.pack("<i", 1 << 30),
        b"Nr" + struct.pack("<I", 1 << 30),
        b"(" + NUMBERS + b"lq\x000" + b"c__builtin__\nset\nh\x00\x85R" * 300,
        b"X\xa0\x86\x01\x00" + b"a" * 100_000 + b"q\x00X\x06\x00\x00\x00latin1q\x0100"
        b"c_codecs\nencode\nq\x020" + b"h\x02h\x00h\x01\x86R" * 3000,
    ],
    ids=[
        *("bytearray", "bytes", "text", "frame", "number", "short bytes", "short text"),
        *("Python 2's text", "memo", "copies of lists", "copies of text"),
    ],
)
def test_a_pickle_takes_no_more_memory_than_it_has_bytes(tmp_path, grown, reader, stream):
    path = tmp_path / "table.pkl"
    path.write_bytes(b"\x80\x05" + stream + b".")

    def read():
        with contextlib.suppress(ValueError):
            reader(path)
        time.sleep(0.25)  # long enough for the watcher

    assert grown(read) < 20 * MB


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", REFUSED)
def test_opcodes_that_no_such_file_needs(tmp_path, reader, name):
    stream = b"\x80\x05" + getattr(pickle, name) + b"\x01" * 9 + b"."
    refused(reader, tmp_path / "table.pkl", stream, f"it has the opcode {name}, which no such")


@pytest.mark.parametrize("reader", READERS)
def test_what_the_process_has_registered_is_not_called(tmp_path, monkeypatch, reader):
    monkeypatch.setitem(copyreg._extension_cache, 77, print)
    stream = b"\x80\x02\x82\x4dX\x04\x00\x00\x00gone\x85R."
    assert pickle._loads(stream) is None  # Python's own calls it
    refused(reader, tmp_path / "table.pkl", stream, "it has the opcode EXT1")


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize(
    "stream",
    [
        b"}" + TUPLES + b"Ns.",
        b"}(" + TUPLES + b"Nu.",
        b"}(NN" + TUPLES + b"Nu.",
        b"(" + TUPLES + b"\x88d.",
        b"\x8f(" + TUPLES + b"\x90.",
        b"(" + TUPLES + b"\x91.",
        b"c__builtin__\nset\n]" + TUPLES + b"a\x85R.",
        b"c__builtin__\nfrozenset\n" + TUPLES + b"\x85R.",
        b"c__builtin__\ndict\n]" + TUPLES + b"N\x86a\x85R.",
        b"ccollections\ndefaultdict\nN]" + TUPLES + b"N\x86a\x86RN.",
    ],
    ids=[
        *("one", "several", "a later one", "a dict", "set", "frozenset", "set by a call"),
        *("frozenset by a call", "dict by a call", "defaultdict by a call"),
    ],
)
def test_a_key_that_would_be_hashed_forever(tmp_path, reader, stream):
    refused(reader, tmp_path / "table.pkl", b"\x80\x04" + stream)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_keys_are_text_bytes_and_whole_numbers(tmp_path, protocol):
    table = {"a": 1, 2: [3.5, None], b"c": {4}, True: frozenset("d")}
    path = tmp_path / "table.pkl"
    path.write_bytes(pickle.dumps(table, protocol))
    if protocol > 2:  # bytes are a call of an encoder before
        assert read_plain_pickle(path) == table
    for key in (None, 0.5, (1, 2), frozenset("a")):
        stream = pickle.dumps({key: 1}, protocol)
        refused(read_plain_pickle, path, stream, r"it has a \w+ for a key")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_dict_with_defaults_is_a_dict(tmp_path, protocol):
    path = tmp_path / "table.pkl"
    for kind in (list, set, dict, tuple, None):
        path.write_bytes(pickle.dumps(defaultdict(kind, {"a": [1]}), protocol))
        found = read_plain_pickle(path)
        assert found == {"a": [1]}
        assert type(found) is dict


@pytest.mark.parametrize("key", [b"X\x01\x00\x00\x000", b"K\x00"])
@pytest.mark.parametrize("value", [LISTS, TUPLES, b"]" + LISTS + b"a", b"N", b"G" + b"\x3f" * 8])
def test_a_table_of_nested_lists_is_told_in_few_words(tmp_path, key, value):
    def pairs(path):
        list(_pairs(read_plain_pickle(path), path, {}))

    message = "must hold the groups of each image, as texts; found '?0'?: .*, a (list|tuple|No|fl)"
    refused(pairs, tmp_path / "table.pkl", b"\x80\x04}" + key + value + b"s.", message)


def test_a_number_of_thousands_of_digits_is_no_name(tmp_path):
    def pairs(path):
        list(_pairs(read_plain_pickle(path), path, {}))

    stream = pickle.dumps({"0": [10**5000]})
    refused(pairs, tmp_path / "table.pkl", stream, "found '0': .*<whole number of 16,610 bits>")


def test_the_type_of_an_array_that_is_nested_lists(tmp_path):
    array = b"cnumpy.core.multiarray\n_reconstruct\n)R"
    state = b"(K\x01K\x01\x85cnumpy\ndtype\n" + LISTS + b"\x85RK\x00U\x01at"
    stream = b"\x80\x02}U\x04data" + array + state + b"bs."
    refused(read_pickle, tmp_path / "batch", stream, "it has a list where a name should be")


def test_values_are_shown_in_few_letters():
    value = [10**5000, "a" * 1000]
    for _ in range(40):
        value = [value] * 9
    assert len(shown(value)) < 1000
    assert len(some([value] * 3)) < 3000
    name = "/a/folder/of/some/name/" + "a" * 100
    assert shown(name) == repr(name)
    assert some(["a", 1, True, None]) == "'a', 1, True and 1 more"


def save_with(path, stream):
    """Write a file of torch that holds another pickle."""
    torch.save({}, path)
    with zipfile.ZipFile(path) as whole:
        parts = {name: whole.read(name) for name in whole.namelist()}
    with zipfile.ZipFile(path, "w") as changed:
        for name, content in parts.items():
            changed.writestr(name, stream if name.endswith("data.pkl") else content)


def test_a_file_of_torch_with_lists_without_end(tmp_path):
    path = tmp_path / "features.pt"
    lists = b"]q\x00" + b"](h\x00h\x00eq\x00" * 40
    part = b"}(" + b"".join(b"X\x01\x00\x00\x00" + name + b"h\x00" for name in (b"x", b"y", b"m"))
    save_with(path, b"\x80\x02" + lists + b"}X\x02\x00\x00\x00tr" + part + b"us.")
    start = time.process_time()
    message = "train, 'x' must be a tensor.*; found a list that holds a list of 'list'"
    with pytest.raises(ValueError, match=message):
        read_features(path)
    assert time.process_time() - start < 1


def test_a_name_in_a_file_of_torch_is_told_in_few_words(tmp_path):
    path = tmp_path / "features.pt"
    tuples = b")q\x00" + b"h\x00h\x00\x86q\x00" * 18  # torch hashes them, each level twice
    save_with(path, b"\x80\x02" + tuples + b"}h\x00Ns.")
    with pytest.raises(
        ValueError, match=r"for each of 'tr', 'va', 'te'; .* is a NoneType"
    ) as caught:
        read_features(path)
    assert len(str(caught.value)) < 1500
