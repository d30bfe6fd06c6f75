"""Image files as people see them: upright, opaque, of any format that is no program."""

import io

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image, ImageFile, features
from torch.utils.data import Dataset

from sklearn_debias.fitting import open_inputs
from sklearn_debias.training import ImageSource

ORIENTATION = 0x0112
# Where the stored rows and columns are to be seen, by the standard: "the 0th row is at the ...".
SEEN = {  # by orientation
    1: lambda stored: stored,
    2: lambda stored: stored[:, ::-1],
    3: lambda stored: stored[::-1, ::-1],
    4: lambda stored: stored[::-1],
    5: lambda stored: stored.swapaxes(0, 1),
    6: lambda stored: np.rot90(stored, -1),
    7: lambda stored: stored[::-1, ::-1].swapaxes(0, 1),
    8: lambda stored: np.rot90(stored),
}
# Of one colour in each block of 8x8, which every format keeps.
LEVELS = np.random.default_rng(0).integers(40, 220, size=(2, 3, 3), dtype=np.uint8)
LEVELS[..., 1:] = LEVELS[..., :1]
STORED = LEVELS.repeat(8, 0).repeat(8, 1)
FILES = {
    "png": {},
    "jpeg": {"quality": 100},
    "webp": {"lossless": True},
    "tiff": {},
    "avif": {"quality": 100},
}


def read(*items, size=None):
    return ImageSource(items, size).take(np.arange(len(items))).numpy()


def seen(path):
    """The image as (h, w, 3)."""
    return read(path)[0].transpose(1, 2, 0)


def installed(kind):
    return kind != "avif" or (features.version("pil") >= "11.3" and features.check("avif"))


@pytest.mark.parametrize("kind", FILES)
@pytest.mark.parametrize("orientation", SEEN)
def test_images_are_turned_as_their_exif_data_say(kind, orientation, tmp_path):
    if not installed(kind):
        pytest.skip("this Pillow has no AVIF")
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = tmp_path / f"image.{kind}"
    Image.fromarray(STORED).save(path, exif=exif, **FILES[kind])
    expected = SEEN[orientation](STORED)
    found = seen(path)
    assert found.shape == expected.shape
    assert abs(found.astype(int) - expected).max() <= (0 if kind in ("png", "webp", "tiff") else 6)


def test_images_in_memory_are_turned_too():
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    stream = io.BytesIO()
    Image.fromarray(STORED).save(stream, "png", exif=exif)
    found = open_inputs([Image.open(stream)], dtype="float32").source.take(np.zeros(1, int))
    np.testing.assert_array_equal(found[0].numpy().transpose(1, 2, 0), np.rot90(STORED, -1))


@pytest.mark.parametrize("exif", [b"Exif\0\0junk", b"junk"])
@pytest.mark.parametrize("kind", ["png", "webp"])
def test_damaged_exif_data_turn_nothing(kind, exif, tmp_path):
    path = tmp_path / f"image.{kind}"
    Image.fromarray(STORED).save(path, exif=exif, **FILES[kind])
    np.testing.assert_array_equal(seen(path), STORED)


HIDDEN = (200, 10, 30)


def rgba():
    image = np.zeros((2, 3, 4), np.uint8)
    image[...] = (*HIDDEN, 0)
    image[0, 0] = (1, 2, 3, 255)
    return Image.fromarray(image)


def keyed(mode, dtype, key):
    """An image all of one colour that stands for transparent, but for its first pixel."""
    image = Image.fromarray(np.full((2, 3, *np.shape(key)), key, dtype))
    image.putpixel((0, 0), 0 if mode != "RGB" else (0, 0, 0))
    return image


def two_colours():
    image = Image.fromarray(np.array([[0, 1, 1], [1, 1, 1]], np.uint8), "P")
    image.putpalette([1, 2, 3, *HIDDEN])
    return image


TRANSPARENT = {
    "RGBA png": (rgba, "png", {}, (1, 2, 3)),
    "RGBA webp": (rgba, "webp", {"lossless": True, "exact": True}, (1, 2, 3)),
    "RGBA tiff": (rgba, "tiff", {}, (1, 2, 3)),
    "palette png": (lambda: rgba().quantize(8), "png", {}, (1, 2, 3)),
    "palette gif": (two_colours, "gif", {"transparency": 1}, (1, 2, 3)),
    "grey and alpha": (lambda: rgba().convert("LA"), "png", {}, (2, 2, 2)),
    "a grey": (lambda: keyed("L", np.uint8, 70), "png", {"transparency": 70}, (0, 0, 0)),
    "a colour": (lambda: keyed("RGB", np.uint8, HIDDEN), "png", {"transparency": HIDDEN}, (0,) * 3),
    "a 16-bit grey": (
        lambda: keyed("I;16", np.uint16, 7000),
        "png",
        {"transparency": 7000},
        (0, 0, 0),
    ),
}


@pytest.mark.parametrize("row", TRANSPARENT)
def test_what_is_transparent_shows_white(row, tmp_path):
    make, kind, options, opaque = TRANSPARENT[row]
    path = tmp_path / f"image.{kind}"
    try:
        make().save(path, **options)
    except OSError:
        pytest.skip("this Pillow does not write it")
    found = seen(path)
    np.testing.assert_array_equal(found[0, 0], opaque)
    found[0, 0] = 255
    assert (found == 255).all()


def test_half_transparent_pixels_are_mixed_with_white(tmp_path):
    Image.new("RGBA", (2, 2), (0, 100, 200, 51)).save(tmp_path / "image.png")  # a fifth of 255
    np.testing.assert_allclose(seen(tmp_path / "image.png")[0, 0], [204, 224, 244], atol=1)


def test_no_program_in_a_file_is_run(tmp_path, monkeypatch):
    """Ghostscript would run an EPS file, whatever its name."""
    ran = []
    monkeypatch.setattr(EpsImagePlugin, "Ghostscript", lambda *args, **options: ran.append(args))
    path = tmp_path / "image.png"
    Image.fromarray(STORED).save(path, "eps")
    with pytest.raises(ValueError, match=r"(?s)`X\[0\]`.*image\.png.*formats JPEG, PNG.*convert"):
        read(path)
    assert not ran


def test_the_size_is_looked_at_before_pixels_are(tmp_path, monkeypatch):
    """A file of 10 kB would take 400 MB."""
    decoded = []
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda self: decoded.append(self.size))
    path = tmp_path / "image.png"
    Image.new("1", (9000, 9000)).save(path)
    assert path.stat().st_size < 20_000
    with pytest.raises(ValueError, match=r"`X\[0\]`.*9000x9000 pixels, more than the 67108864"):
        read(path)
    words = r"`X\[0\]`.*9000x9000 pixels"
    with Image.open(path) as image, pytest.raises(ValueError, match=words):
        open_inputs([image], dtype="float32", image_size=8)
    assert not decoded


@pytest.mark.parametrize("kind", [*FILES, "dds", "gif", "bmp", "jpeg2000", "tga", "qoi", "blp"])
def test_damaged_files_are_named_whatever_their_decoder_says(kind, tmp_path):
    if not installed(kind):
        pytest.skip("this Pillow has no AVIF")
    good = tmp_path / "good.png"
    Image.fromarray(STORED).save(good)
    stream = io.BytesIO()
    image = Image.fromarray(STORED)
    try:
        (image.quantize(8) if kind == "blp" else image).save(stream, kind)
    except (KeyError, OSError, ValueError):
        pytest.skip(f"this Pillow writes no {kind}")
    content = stream.getvalue()
    rng = np.random.default_rng(0)
    complaints = []
    path = tmp_path / f"bad.{kind}"
    for length in rng.integers(0, len(content), 15):
        damaged = bytearray(content[: max(length, 1)])
        damaged[rng.integers(len(damaged))] ^= 255
        path.write_bytes(damaged)
        try:
            read(good, path, size=(16, 24))
        except ValueError as error:
            complaints.append(str(error))
    words = f"`X[1]`: cannot read the image '{path}'"
    assert len(complaints) > 5
    assert all(complaint.startswith(words) for complaint in complaints)


def test_an_empty_file_is_named_and_said_to_be_empty(tmp_path):
    path = tmp_path / "3.png"
    path.write_bytes(b"")
    wrong = rf"`X\[0\]`: cannot read the image '{path}': it is empty; copy it again"
    with pytest.raises(ValueError, match=wrong):
        read(path)


class Pictures(Dataset):
    """Items as torchvision's datasets give them without a transform."""

    def __len__(self):
        return 3

    def __getitem__(self, i):
        return Image.fromarray(STORED[:, ::-1] if i else STORED), i


def test_a_dataset_may_hold_images_of_pillow():
    rows = open_inputs(Pictures(), dtype="float32").source.take(np.array([0, 1])).numpy()
    np.testing.assert_array_equal(rows.transpose(0, 2, 3, 1), [STORED, STORED[:, ::-1]])


def test_a_header_that_claims_too_many_pixels_is_refused_before_they_are_decoded(tmp_path):
    stream = io.BytesIO()
    Image.new("RGB", (16, 16)).save(stream, "jpeg")
    whole = stream.getvalue()
    size = whole.index(b"\xff\xc0") + 5
    path = tmp_path / "bomb.jpg"
    path.write_bytes(whole[:size] + b"\xff" * 4 + whole[size + 4 :])  # 65535 x 65535
    for asked in (None, (8, 8)):
        with pytest.raises(ValueError, match=r"X\[0\].*exceeds limit of \d+ pixels"):
            read(path, size=asked)
