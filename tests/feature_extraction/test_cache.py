"""The cache: what is computed once, what is told apart, what becomes of damaged and large ones."""

import os
import stat
import subprocess
import sys
import tempfile
import textwrap
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from embedded import IMAGES, ROWS, UINT8, Counting, counting, rows_seen, y
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.utils.data import Dataset

from sklearn_debias.content import fingerprint
from sklearn_debias.exceptions import DebiasWarning
from sklearn_debias.feature_extraction import Embedder
from sklearn_debias.feature_extraction._cache import TIER, RowCache
from sklearn_debias.feature_extraction._storage import default_folder

PROBES = 6  # rows of the three looks that fit takes at a network


def fitted(module=None, **params):
    return Embedder(counting() if module is None else module, **{"batch_size": 1, **params}).fit(
        IMAGES
    )


def files(cache, kind="rows"):
    return sorted(cache.glob(f"*/*.{kind}.npy"))


def test_a_row_is_computed_once(cache):
    embedder = fitted()
    assert rows_seen(lambda: embedder.transform(IMAGES[:30])) == 30
    assert rows_seen(lambda: embedder.transform(IMAGES[10:])) == 10
    first = embedder.transform(IMAGES)
    assert rows_seen(lambda: fitted().transform(IMAGES)) == PROBES
    np.testing.assert_array_equal(fitted().transform(IMAGES[::-1]), first[::-1])
    np.testing.assert_array_equal(fitted(cache_dir=None).transform(IMAGES), first)


def test_nothing_is_kept_without_a_cache(cache):
    embedder = fitted(cache_dir=None)
    assert [rows_seen(lambda: embedder.transform(IMAGES)) for _ in range(2)] == [40, 40]
    assert not cache.exists()


def test_equal_rows_are_stored_once(cache):
    fitted().transform(np.concatenate([IMAGES, IMAGES]))
    assert sum(len(np.load(f)) for f in files(cache)) == 40


def test_a_search_computes_no_embedding_twice():
    pipe = make_pipeline(Embedder(counting(), batch_size=1), StandardScaler(), LogisticRegression())
    search = GridSearchCV(pipe, {"logisticregression__C": [0.1, 1.0, 10.0]}, cv=4)
    fits = 3 * 4 + 1
    assert rows_seen(lambda: search.fit(IMAGES, y)) == 40 + fits * PROBES
    assert rows_seen(lambda: search.predict(IMAGES)) == 0


class Scaled(Counting):
    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def forward(self, x):
        return self.scale * super().forward(x)


FACTOR = 1.0


class Global(Counting):
    def forward(self, x):
        return FACTOR * super().forward(x)


class Squared(Counting):
    def forward(self, x):
        return super().forward(x) ** 2


def same_weights(module):
    module.load_state_dict(counting().state_dict())
    return module


OTHERS = {
    "weights": {"module": counting(seed=1)},
    "a plain attribute": {"module": same_weights(Scaled(2.0))},
    "code": {"module": same_weights(Squared())},
    "layer": {"layer": "conv"},
    "normalize": {"normalize": "imagenet"},
    "dtype": {"dtype": "float64"},
    "batch size": {"batch_size": 2},
    "pool": {"layer": "conv", "pool": "flatten"},
}


@pytest.mark.parametrize("row", OTHERS)
def test_what_decides_an_embedding_is_told_apart(row):
    fitted().transform(IMAGES)
    fitted(layer="conv").transform(IMAGES) if row == "pool" else None
    embedder = fitted(**OTHERS[row])
    assert rows_seen(lambda: embedder.transform(IMAGES)) == 40
    np.testing.assert_array_equal(
        embedder.transform(IMAGES), fitted(**OTHERS[row], cache_dir=None).transform(IMAGES)
    )


def test_constants_that_code_refers_to_count(monkeypatch):
    module = same_weights(Global())
    first = fitted(module).transform(IMAGES)
    monkeypatch.setitem(globals(), "FACTOR", 2.0)
    np.testing.assert_array_equal(fitted(module).transform(IMAGES), 2 * first)


class CountsInItsClass(Counting):
    calls = 0

    def forward(self, x):
        CountsInItsClass.calls += 1
        return super().forward(x)


def hooked():
    sizes = []
    module = counting()
    module.register_forward_hook(lambda _, args, output: sizes.append(len(output)))
    return module


@pytest.mark.parametrize(
    "module", [same_weights(CountsInItsClass()), hooked()], ids=["class", "hook"]
)
def test_what_a_forward_pass_changes_does_not_count(module):
    fitted(module).transform(IMAGES)
    assert rows_seen(lambda: fitted(module).transform(IMAGES)) == PROBES


def test_the_default_folder(monkeypatch, tmp_path):
    assert default_folder() == tmp_path / "cache"
    monkeypatch.delenv("SKLEARN_DEBIAS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert default_folder() == tmp_path / "xdg" / "sklearn_debias"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert default_folder() == Path.home() / ".cache" / "sklearn_debias"


def test_another_size_of_images_is_told_apart():
    small, large = IMAGES, IMAGES.repeat(2, 2).repeat(2, 3)
    for X in (small, large, small):
        found = Embedder(counting()).fit_transform(X)
        np.testing.assert_array_equal(found, Embedder(counting(), cache_dir=None).fit_transform(X))


def test_a_module_without_a_name_is_not_cached(cache):
    module = counting()
    module.attribute = open(os.devnull)  # noqa: SIM115
    with module.attribute, pytest.raises(TypeError, match="`module` failed .* copy.deepcopy"):
        Embedder(module).fit(IMAGES)

    class Unnamed:
        def __deepcopy__(self, memo):
            return self

        def __reduce_ex__(self, protocol):
            raise TypeError("no content")

    module.attribute = Unnamed()
    with pytest.warns(DebiasWarning, match="not cached: `module` holds .*no content"):
        embedder = Embedder(module).fit(IMAGES)
    assert embedder.transform(IMAGES).shape == (40, 5)
    assert not files(cache)


def test_image_files_count_by_content(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        for i, image in enumerate(UINT8[:6]):
            Image.fromarray(image.transpose(1, 2, 0)).save(tmp_path / folder / f"{i}.png")
    here, there = ([tmp_path / folder / f"{i}.png" for i in range(6)] for folder in ("a", "b"))
    embedder = fitted()
    first = embedder.transform(here)
    assert rows_seen(lambda: embedder.transform(there)) == 0
    Image.fromarray(UINT8[9].transpose(1, 2, 0)).save(here[2])
    assert rows_seen(lambda: embedder.transform(here)) == 1
    changed = embedder.transform(here)
    assert not np.array_equal(changed[2], first[2])
    np.testing.assert_array_equal(changed[[0, 1, 3, 4, 5]], first[[0, 1, 3, 4, 5]])


class Restless(Dataset):
    """Items that differ each time they are asked for, as under a random augmentation."""

    def __init__(self):
        self.rng = np.random.default_rng(0)

    def __len__(self):
        return 5

    def __getitem__(self, i):
        return torch.tensor(IMAGES[i] * self.rng.random(dtype=np.float32)), 0


def test_items_of_a_dataset_count_by_what_they_are_now():
    embedder = fitted()
    first, second = embedder.transform(Restless()), embedder.transform(Restless())
    assert not np.array_equal(first, embedder.transform(IMAGES[:5]))
    restless = Restless()
    assert not np.array_equal(embedder.transform(restless), embedder.transform(restless))
    np.testing.assert_array_equal(first, second)


def damage(kind, path):
    content = path.read_bytes()
    if kind == "cut short":
        path.write_bytes(content[: len(content) // 2])
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "another file":
        path.write_bytes(b"hello")
    elif kind == "removed":
        path.unlink()
    else:
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


@pytest.mark.parametrize("file", ["rows", "keys"])
@pytest.mark.parametrize("kind", ["cut short", "empty", "another file", "one bit"])
def test_a_damaged_cache_is_noticed_and_repaired(kind, file, cache):
    embedder = fitted()
    expected = embedder.transform(IMAGES)
    (path,) = files(cache, file)
    damage(kind, path)
    with pytest.warns(
        DebiasWarning, match="1 damaged files in the cache .* were dropped"
    ) as caught:
        found = embedder.transform(IMAGES)
    assert len(caught) == 1
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(found, expected)
    assert rows_seen(lambda: embedder.transform(IMAGES)) == 0


def test_one_damaged_row_costs_one_row(cache):
    embedder = fitted()
    embedder.transform(IMAGES)
    damage("one bit", files(cache)[0])
    with pytest.warns(DebiasWarning, match="damaged"):
        assert rows_seen(lambda: embedder.transform(IMAGES)) == 1


def test_every_single_bit_flip_is_harmless(cache):
    embedder = fitted()
    expected = embedder.transform(IMAGES[:3])
    rng = np.random.default_rng(0)
    for _ in range(150):
        path = files(cache, rng.choice(["rows", "keys"]))[0]
        content = bytearray(path.read_bytes())
        content[rng.integers(len(content))] ^= 1 << rng.integers(8)
        path.write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DebiasWarning)
            np.testing.assert_array_equal(embedder.transform(IMAGES[:3]), expected)


@pytest.mark.parametrize("file", ["rows", "keys"])
def test_files_that_vanish_are_computed_again(file, cache):
    embedder = fitted()
    expected = embedder.transform(IMAGES)
    files(cache, file)[0].unlink()
    if file == "rows":
        with pytest.warns(DebiasWarning, match="damaged"):
            found = embedder.transform(IMAGES)
    else:
        found = embedder.transform(IMAGES)
    np.testing.assert_array_equal(found, expected)


def size(cache):
    return sum(file.stat().st_size for file in cache.rglob("*") if file.is_file())


def test_the_cache_keeps_within_its_size_and_what_was_used_last(cache):
    a, b = (
        fitted(counting(seed), cache_size=20_000, layer="conv", pool="flatten") for seed in (0, 1)
    )
    a.transform(IMAGES[:10])
    for file in files(cache, "keys"):
        os.utime(file, (time.time() - 100,) * 2)
    a.transform(IMAGES[:2])
    b.transform(IMAGES[10:30])
    assert 30 * a.transform(IMAGES[:1]).nbytes > 20_000 >= size(cache)
    assert rows_seen(lambda: a.transform(IMAGES[:2])) == 0
    assert rows_seen(lambda: b.transform(IMAGES[10:30])) == 0
    assert rows_seen(lambda: a.transform(IMAGES[3:10])) > 0


def test_more_rows_than_the_cache_may_hold_are_told(cache):
    embedder = fitted(cache_size=2000, layer="conv", pool="flatten")
    with pytest.warns(DebiasWarning, match="take more than `cache_size`=2000 bytes"):
        found = embedder.transform(IMAGES)
    assert size(cache) <= 2000
    reference = fitted(cache_dir=None, layer="conv", pool="flatten").transform(IMAGES)
    np.testing.assert_array_equal(found, reference)


def test_files_of_others_are_left_alone(cache):
    (cache / "mine").mkdir(parents=True)
    others = [cache / "notes.txt", cache / "mine" / "data.npy"]
    for file in others:
        file.write_text("mine" * 1000)
        os.utime(file, (0, 0))
    fitted(cache_size=3000).transform(IMAGES)
    assert all(file.exists() for file in others)


def test_what_a_killed_process_left_is_removed(cache):
    fitted().transform(IMAGES[:5])
    folder = files(cache)[0].parent
    left = [folder / f"{'0' * 32}.rows.tmp", folder / f"{'1' * 32}.rows.npy"]
    for file in left:
        file.write_bytes(b"half")
    fitted().transform(IMAGES[5:8])
    assert all(file.exists() for file in left)  # its owner may still be at work
    for file in left:
        os.utime(file, (0, 0))
    fitted().transform(IMAGES[8:])
    assert not any(file.exists() for file in left)
    assert rows_seen(lambda: fitted().transform(IMAGES)) == PROBES


def test_many_small_files_become_one(cache):
    embedder = fitted()
    for i in range(40):
        embedder.transform(IMAGES[i : i + 1])
    assert len(files(cache)) < 2 * TIER
    assert rows_seen(lambda: embedder.transform(IMAGES)) == 0


class Interrupted(Counting):
    def forward(self, x):
        if ROWS["seen"] >= ROWS.get("stop", np.inf):
            raise KeyboardInterrupt
        return super().forward(x)


def test_an_interrupt_leaves_a_valid_cache_with_what_was_done(cache, monkeypatch):
    embedder = fitted(same_weights(Interrupted()))
    monkeypatch.setitem(ROWS, "stop", ROWS["seen"] + 25)
    with pytest.raises(KeyboardInterrupt):
        embedder.transform(IMAGES)
    monkeypatch.delitem(ROWS, "stop")
    assert rows_seen(lambda: embedder.transform(IMAGES)) == 15
    assert not list(cache.rglob("*.tmp"))


def test_a_full_disk_costs_only_the_cache(monkeypatch, cache):
    from sklearn_debias.feature_extraction import _cache

    def full(*args):
        raise OSError(28, "No space left on device")

    embedder = fitted()
    monkeypatch.setattr(_cache, "write_segment", full)
    with pytest.warns(DebiasWarning, match="could not be stored .*No space left"):
        found = embedder.transform(IMAGES)
    np.testing.assert_array_equal(found, fitted(cache_dir=None).transform(IMAGES))


def test_the_cache_is_read_from_a_memory_map(cache):
    embedder = fitted()
    embedder.transform(IMAGES)
    (folder,) = (path for path in cache.iterdir() if path.is_dir())
    stored = RowCache(cache, folder.name, 5, "float32", 10**9)
    assert all(isinstance(segment.rows, np.memmap) for segment in stored.segments)


def test_names_are_the_same_in_processes():
    program = """
        import torch
        from embedded import counting
        from torch import nn
        from sklearn_debias.content import fingerprint
        torch.manual_seed(0)
        orthogonal = nn.utils.parametrizations.orthogonal(nn.Linear(3, 3))
        hooked = counting()
        hooked.register_forward_hook(print)
        hooked.extra = {"a": {1, 2, "three"}, "f": torch.relu, "d": torch.float32}
        whole = nn.Sequential(nn.ReLU(), orthogonal)
        print(fingerprint(counting()), fingerprint(hooked), fingerprint(whole))
    """
    command = [sys.executable, "-c", textwrap.dedent(program)]
    found = {
        subprocess.run(
            command,
            cwd=os.path.dirname(__file__),
            capture_output=True,
            text=True,
            check=True,
            env=os.environ | {"PYTHONHASHSEED": str(seed)},
        ).stdout
        for seed in (1, 2)
    }
    assert len(found) == 1


def test_names_tell_hyperparameters_apart():
    layers = [
        nn.Conv2d(3, 4, 3),
        nn.Conv2d(3, 4, 3, stride=2),
        nn.Conv2d(3, 4, 3, padding=1),
        nn.Conv2d(3, 4, 3, dilation=2),
    ]
    for layer in layers:
        layer.load_state_dict(layers[0].state_dict())
    layers += [
        nn.Sequential(layers[0], nn.ReLU()),
        nn.Sequential(layers[0], nn.GELU()),
        nn.Sequential(nn.ReLU(), layers[0]),
    ]
    layers += [lambda x: x + 1, lambda x: x + 2]
    names = [fingerprint(layer) for layer in layers]
    assert len(set(names)) == len(layers)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["loky", "threading"])
def test_in_processes_and_threads_that_share_a_cache(backend, cache):
    from joblib import Parallel, delayed, parallel_config

    expected = Embedder("simple_cnn", cache_dir=None).fit_transform(IMAGES)

    def work(i):
        rows = np.random.default_rng(i).permutation(40)
        return rows, Embedder("simple_cnn", cache_dir=str(cache), cache_size="30KB").fit(
            IMAGES
        ).transform(IMAGES[rows])

    with parallel_config(backend, n_jobs=2):
        for rows, found in Parallel()(delayed(work)(i) for i in range(12)):
            np.testing.assert_array_equal(found, expected[rows])
    assert size(cache) <= 60_000


def test_images_of_pillow_count_by_their_pixels():
    embedder = fitted()
    first, again = (
        [Image.fromarray(image.transpose(1, 2, 0)) for image in UINT8[:6]] for _ in range(2)
    )
    expected = embedder.transform(first)
    assert rows_seen(lambda: embedder.transform(again)) == 0
    np.testing.assert_array_equal(embedder.transform(UINT8[:6]), expected)


def mode(folder):
    return stat.S_IMODE(folder.stat().st_mode)


def test_what_is_stored_is_the_users_alone(cache, monkeypatch, tmp_path):
    """Embeddings tell of the rows, whatever the umask lets others read."""
    before = os.umask(0o022)
    try:
        fitted().transform(IMAGES)
        assert [mode(folder) for folder in (cache, files(cache)[0].parent)] == [0o700, 0o700]
        monkeypatch.delenv("SKLEARN_DEBIAS_CACHE")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
        ours = tmp_path / "home" / "sklearn_debias"
        ours.mkdir(parents=True)  # as older versions made it
        fitted().transform(IMAGES)
        assert (mode(ours.parent), mode(ours)) == (0o755, 0o700)
        named = tmp_path / "named"
        named.mkdir()
        fitted(cache_dir=named).transform(IMAGES)
        assert (mode(named), mode(files(named)[0].parent)) == (0o755, 0o700)
    finally:
        os.umask(before)


@pytest.mark.parametrize("module", [None, "linear", nn.Sequential(nn.Flatten())])
@pytest.mark.parametrize("X", [IMAGES.reshape(40, -1), IMAGES], ids=["features", "images"])
def test_rows_that_are_handed_on_are_not_written(module, X, cache):
    if module is None and X.ndim == 4:
        pytest.skip("a network for images by default")
    found = Embedder(module).fit_transform(X)
    np.testing.assert_array_equal(found, X.reshape(40, -1))
    assert not list(cache.rglob("*.npy"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize("kind", ["rows", "keys"])
def test_a_pipe_in_the_cache_is_not_waited_for(kind, cache):
    embedder = fitted()
    expected = embedder.transform(IMAGES)
    (path,) = files(cache, kind)
    path.unlink()
    os.mkfifo(path)
    with pytest.warns(DebiasWarning, match="1 damaged files in the cache .* were dropped"):
        np.testing.assert_array_equal(embedder.transform(IMAGES), expected)
    assert rows_seen(lambda: embedder.transform(IMAGES)) == 0


def test_no_room_for_a_large_result_is_an_error_before_the_first_row(monkeypatch, tmp_path):
    """To write to the map of a file without room would end the process by a bus error."""

    def full(*args):
        raise OSError(28, "No space left on device")

    embedder = fitted(max_memory=100)
    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "room"))
    (tmp_path / "room").mkdir()
    words = "take 800 bytes, more than `max_memory`.*No space left.*TMPDIR"
    with pytest.raises(OSError, match=words):
        embedder.transform(IMAGES)
    assert not list((tmp_path / "room").iterdir())


def test_room_is_made_on_systems_that_cannot_reserve_it(monkeypatch):
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    found = fitted(max_memory=100).transform(IMAGES)
    assert isinstance(found, np.memmap)
    np.testing.assert_array_equal(found, fitted().transform(IMAGES))
