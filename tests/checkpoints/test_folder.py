"""The folder of a fit's checkpoints: whole files or none, two of them, one writer."""

import errno
import os
import re
import shutil
import signal
import warnings
from multiprocessing import get_context

import numpy as np
import pytest

from sklearn_debias import files
from sklearn_debias.checkpoints import Checkpoints, Interval
from sklearn_debias.checkpoints import _folder as folder_module
from sklearn_debias.exceptions import DebiasWarning

TEXT = {"epoch": 3, "scores": [0.5, None], "name": "Kïnd"}


def arrays(seed=0):
    rng = np.random.default_rng(seed)
    return {
        "weight": rng.normal(size=(3, 4)),
        "seen": rng.integers(9, size=7),
        "step": np.array(2.0),
    }


@pytest.fixture
def checkpoints(tmp_path):
    made = Checkpoints(tmp_path / "run")
    yield made
    made.close()


def test_what_is_written_is_read(checkpoints):
    assert checkpoints.last() is None
    checkpoints.write(3, TEXT, arrays())
    saved = checkpoints.last()
    assert saved.text == TEXT
    assert saved.arrays.keys() == arrays().keys()
    for name, array in arrays().items():
        assert saved.arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(saved.arrays[name], array)


def test_rows_of_a_history_are_read(checkpoints):
    checkpoints.write(3, TEXT, {}, ['{"loss": 0.5}', '["list", []]'])
    saved = checkpoints.last()
    assert saved.text == TEXT
    assert saved.history == [{"loss": 0.5}, ["list", []]]


def test_what_systems_leave_in_folders_is_no_matter(tmp_path):
    for name in (".DS_Store", ".ipynb_checkpoints", "lost+found"):
        (tmp_path / name).mkdir()
    Checkpoints(tmp_path).write(1, TEXT, {})
    (tmp_path / "notes.txt").write_text("of this run")
    again = Checkpoints(tmp_path)
    assert again.numbers() == [1]
    again.close()


@pytest.mark.parametrize("name", ["report.part", "notes.txt", "lock", "epoch-1.pt"])
def test_a_folder_with_other_files_is_refused(tmp_path, name):
    (tmp_path / name).write_text("mine")
    with pytest.raises(ValueError, match=f"must be a folder of its own, and holds '{name}'"):
        Checkpoints(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_folder_that_is_removed_meanwhile_is_no_second_error(tmp_path):
    checkpoints = Checkpoints(tmp_path / "run")
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(OSError, match="run/epoch-000001.safetensors"):
        checkpoints.write(1, TEXT, arrays())
    checkpoints.close()


@pytest.mark.parametrize("name", ["a\0b", "x" * 300, "/dev/null/x"])
def test_what_names_no_folder(name):
    with pytest.raises((ValueError, OSError), match="`checkpoint`"):
        Checkpoints(name)


def test_the_last_two_are_kept(checkpoints):
    for number in (1, 5, 12):
        checkpoints.write(number, TEXT, arrays(number))
    assert checkpoints.numbers() == [5, 12]
    stems = {path.name for path in checkpoints.folder.iterdir() if path.name.startswith("epoch")}
    assert stems == {f"epoch-{n:06d}.{end}" for n in (5, 12) for end in ("json", "safetensors")}


def test_one_that_is_written_again_replaces_the_first(checkpoints):
    checkpoints.write(3, TEXT, arrays(0))
    checkpoints.write(3, {"other": 1}, arrays(1))
    assert checkpoints.last().text == {"other": 1}
    np.testing.assert_array_equal(checkpoints.last().arrays["weight"], arrays(1)["weight"])


def changed(content, rng):
    """A file with one bit turned, a part missing, or something added."""
    content = bytearray(content)
    place = int(rng.integers(len(content)))
    kind = rng.integers(4)
    if kind == 0:
        content[place] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        del content[place:]
    elif kind == 2:
        content[place : place + 9] = bytes(len(content[place : place + 9]))
    else:
        content += b"0"
    return bytes(content)


def test_damage_is_found_and_the_one_before_is_taken(checkpoints):
    rng = np.random.default_rng(0)
    checkpoints.write(1, {"number": 1}, arrays(1))
    checkpoints.write(2, {"number": 2}, arrays(2))
    looked_at = 0
    for name in ("epoch-000002.json", "epoch-000002.safetensors"):
        path = checkpoints.folder / name
        whole = path.read_bytes()
        for _ in range(60):
            path.write_bytes(changed(whole, rng))
            if path.read_bytes() == whole:
                continue
            looked_at += 1
            with pytest.warns(DebiasWarning, match=r"epoch-000002\.json .* is damaged"):
                saved = checkpoints.last()
            assert saved.text == {"number": 1}
            np.testing.assert_array_equal(saved.arrays["weight"], arrays(1)["weight"])
        path.write_bytes(whole)
    assert looked_at > 100
    assert checkpoints.last().text == {"number": 2}


@pytest.mark.parametrize("name", ["epoch-000002.json", "epoch-000002.safetensors"])
def test_a_missing_file_is_damage(checkpoints, name):
    checkpoints.write(1, {"number": 1}, arrays())
    checkpoints.write(2, {"number": 2}, arrays())
    (checkpoints.folder / name).unlink()
    if name.endswith("json"):  # without its text it is no checkpoint
        assert checkpoints.last().text == {"number": 1}
    else:
        with pytest.warns(DebiasWarning, match="its tensors cannot be read"):
            assert checkpoints.last().text == {"number": 1}


def test_none_that_is_whole_is_an_error(checkpoints):
    checkpoints.write(1, TEXT, arrays())
    (checkpoints.folder / "epoch-000001.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match="holds no whole checkpoint: .*Remove the folder"):
        checkpoints.last()


def test_another_format_is_named(checkpoints, monkeypatch):
    monkeypatch.setattr(folder_module, "FORMAT", 99)
    checkpoints.write(1, TEXT, arrays())
    monkeypatch.undo()
    with pytest.raises(ValueError, match="has the format 99, and this version reads 1"):
        checkpoints.last()


def test_a_folder_serves_one_fit_at_a_time(tmp_path):
    first = Checkpoints(tmp_path)
    with pytest.raises(ValueError, match=f"in use by another fit, in process {os.getpid()} on"):
        Checkpoints(tmp_path)
    first.close()
    Checkpoints(tmp_path).close()


def forked(function, folder):
    """Return how a process ends that runs the function; a fork need not import NumPy again."""
    process = get_context("fork").Process(target=function, args=(folder,))
    process.start()
    process.join()
    return process.exitcode


forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork, and no such limits there")
fork_warns = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")


def write_and_be_killed(folder):
    Checkpoints(folder).write(1, {}, {})
    os.kill(os.getpid(), signal.SIGKILL)


@forks
@fork_warns
def test_the_lock_of_a_killed_process_is_taken_over(tmp_path):
    assert forked(write_and_be_killed, tmp_path) == -signal.SIGKILL
    second = Checkpoints(tmp_path)
    assert second.numbers() == [1]
    second.close()


def test_what_a_killed_writer_began_is_removed(tmp_path):
    (tmp_path / ".epoch-000004.safetensors.0a1b.part").write_bytes(b"half")
    checkpoints = Checkpoints(tmp_path)
    assert checkpoints.last() is None
    assert not list(tmp_path.glob("*part"))
    checkpoints.close()


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="must be a folder, and is a file"):
        Checkpoints(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_to(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(OSError, match=str(tmp_path)):
        Checkpoints(tmp_path / "run")
    tmp_path.chmod(0o700)


def write_on_a_full_disk(folder):
    import resource

    checkpoints = Checkpoints(folder)
    checkpoints.write(1, {"number": 1}, {"a": np.ones(3)})
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    for name, text, size in (("safetensors", {}, 10_000), ("json", "x" * 90_000, 2)):
        with pytest.raises(OSError, match=re.escape(f"epoch-000002.{name}")) as found:
            checkpoints.write(2, text, {"a": np.ones(size)})
        # Older versions of safetensors say no more than that it was input or output.
        assert found.value.errno in (errno.EFBIG, errno.EIO)
        assert str(checkpoints.folder / f"epoch-000002.{name}") in str(found.value)
        assert not list(checkpoints.folder.glob("*part"))
        assert checkpoints.last().text == {"number": 1}


@forks
@fork_warns
def test_a_full_disk_names_the_file_and_leaves_the_last_good_one(tmp_path):
    assert forked(write_on_a_full_disk, tmp_path) == 0


def test_an_interrupt_while_writing_leaves_the_one_before(checkpoints, monkeypatch):
    checkpoints.write(1, {"number": 1}, arrays())

    def interrupted(path):
        raise KeyboardInterrupt

    monkeypatch.setattr(files, "_flush", interrupted)
    with pytest.raises(KeyboardInterrupt):
        checkpoints.write(2, {"number": 2}, arrays())
    assert not list(checkpoints.folder.glob("*part"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert checkpoints.last().text == {"number": 1}


@pytest.mark.parametrize(
    ("value", "seconds"), [("30s", 30), ("1.5min", 90), (" 2 h ", 7200), ("0.2s", 0.2)]
)
def test_an_interval_in_time(value, seconds, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("sklearn_debias.checkpoints._interval.monotonic", lambda: now[0])
    interval = Interval.read(value)
    interval.begin(0)
    now[0] += 0.99 * seconds
    assert not interval.is_over(1000)
    now[0] += 0.02 * seconds
    assert interval.is_over(1)
    interval.begin(1)
    assert not interval.is_over(1000)


def test_an_interval_in_epochs():
    interval = Interval.read(3)
    assert [interval.is_over(epoch) for epoch in (1, 2, 3, 4)] == [False, False, True, True]
    interval.begin(4)
    assert [interval.is_over(epoch) for epoch in (5, 6, 7)] == [False, False, True]


@pytest.mark.parametrize("value", ["", "often", "30", "0s", "-1min", "s", "1 day"])
def test_other_texts_are_no_interval(value):
    with pytest.raises(ValueError, match="`checkpoint_every` must be an int >= 1"):
        Interval.read(value)
