"""Image files and images of Pillow as RGB, upright, opaque, and of a size that memory can take."""

import contextlib
import os
from collections.abc import Iterator

import numpy as np
from PIL import Image, UnidentifiedImageError

# Formats that hold pixels and no programs: Ghostscript would run what an EPS file holds. Those
# that hold files of another format, whose size their own header does not tell, are left out too.
FORMATS = (
    *("JPEG", "PNG", "WEBP", "AVIF", "GIF", "BMP", "TIFF", "JPEG2000"),
    *("PPM", "TGA", "DDS", "QOI", "PCX", "SGI"),
)
MODES = {"1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I;16B", "I;16L"}
MAX_PIXELS = 2**26  # some 67 million, 270 MB once decoded: a file of 10 kB may claim more
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
ORIENTATION = 0x0112  # the entry of EXIF data that says how the camera was held


def read_image(path: str | os.PathLike, index: int, size: tuple[int, int] | None) -> np.ndarray:
    """Read an image file as RGB, uint8 of shape (3, h, w), see `read_picture`."""
    with _readable(f"`X[{index}]`: cannot read the image {str(path)!r}"):
        if not os.path.exists(path):
            raise FileNotFoundError(
                "there is no such file. Strings are read as paths of images; make numbers of text "
                "by TfidfVectorizer and TruncatedSVD, or rows of tokens by a tokenizer."
            )
        if not os.path.isfile(path):
            raise OSError("it is no file")  # reading from a pipe would wait for ever
        with _opened(path) as file:
            return _as_rgb(file, size)


def read_picture(picture: Image.Image, index: int, size: tuple[int, int] | None) -> np.ndarray:
    """Return an image of Pillow as RGB, uint8 of shape (3, h, w).

    It is turned as its EXIF data say, and what is transparent shows white. 16-bit greys are scaled
    to 8 bits.
    """
    with _readable(f"`X[{index}]`: cannot read the image {picture}"):
        return _as_rgb(picture, size)


@contextlib.contextmanager
def _readable(complaint: str) -> Iterator[None]:
    """Raise whatever decoders raise as a ValueError."""
    try:
        yield
    except MemoryError:
        raise
    # Damaged files end in errors of nearly any class, by format.
    except Exception as error:
        raise ValueError(f"{complaint}: {error or type(error).__name__}") from error


def _opened(path: str | os.PathLike) -> Image.Image:
    """Open a file of one of the formats that this Pillow can read, whatever the file's name."""
    Image.init()
    formats = [name for name in FORMATS if name in Image.OPEN]
    try:
        return Image.open(path, formats=formats)
    except UnidentifiedImageError as error:
        if not os.path.getsize(path):
            raise ValueError("it is empty; copy it again") from None
        raise ValueError(f"{error}, of the formats {', '.join(formats)}; convert it") from None


def _as_rgb(image: Image.Image, size: tuple[int, int] | None) -> np.ndarray:
    if image.mode not in MODES:
        raise ValueError(f"mode {image.mode!r} is not one of {sorted(MODES)}; convert it")
    if image.width * image.height > MAX_PIXELS:
        raise ValueError(
            f"it claims {image.width}x{image.height} pixels, more than the {MAX_PIXELS} that are "
            "read; store it smaller"
        )
    image.load()  # first: some formats have their EXIF data behind the pixels
    upright = _opaque(_upright(image))
    # Pillow's sizes are (width, height).
    if size is not None and upright.size != size[::-1]:
        upright = upright.resize(size[::-1], Image.Resampling.BILINEAR)
    return np.ascontiguousarray(np.asarray(upright).transpose(2, 0, 1))


def _upright(image: Image.Image) -> Image.Image:
    """Return the image turned as its EXIF data say."""
    if image.format == "TIFF":  # Pillow has turned it, and older versions keep the entry
        return image
    turn = None
    with contextlib.suppress(Exception):  # damaged data turn nothing
        turn = TURNS.get(image.getexif()[ORIENTATION])
    return image if turn is None else image.transpose(turn)


def _opaque(image: Image.Image) -> Image.Image:
    """Return the image as RGB, over white where it is transparent."""
    clear = image.info.get("transparency")
    if image.mode.startswith("I;16"):
        levels = np.asarray(image).astype(np.uint16)
        if clear is not None:
            levels[levels == clear] = 65535
        # By 257, which takes 65535 to 255.
        return Image.fromarray((levels // 257).astype(np.uint8)).convert("RGB")
    if clear is None and image.mode not in ("LA", "PA", "RGBA"):
        return image.convert("RGB")
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
