"""Image files: whole or not at all, in both directions.

Reading refuses what a decoder would quietly complete (a truncated JPEG has a gray
lower half), and what would fill the memory. A PNG proves by checksums that nothing in
it has changed; of other files a change that leaves them decodable goes unseen.
"""

import contextlib
import io
import os
import pathlib
import re
import threading
import warnings
import zlib
from collections.abc import Iterator
from typing import Literal

import cv2
import numpy as np
from PIL import Image

from cadnet_jax.files.atomic import write_bytes

_PNG_SIGNATURE = b'\x89PNG\r\n\x1a\n'
_JPEG_SIGNATURE = b'\xff\xd8\xff'
_JPEG_END = 0xD9
# In a JPEG's entropy-coded data, 0xFF stands for itself when a 0 follows and for a
# restart marker (0xD0 to 0xD7); 0xFF may be repeated ahead of a marker.
_JPEG_MARKER = re.compile(rb'\xff[^\x00\xd0-\xd7\xff]', re.DOTALL)
_TIFF_SIGNATURES = (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+')
# Tags of a TIFF file, the type of their values, and a value (TIFF 6.0).
_PHOTOMETRIC, _SAMPLES_PER_PIXEL, _EXTRA_SAMPLES = 262, 277, 338
_SHORT, _CMYK, _MOST_TAGS = 3, 5, 4096

_PNG_BIT_DEPTH = 24  # where its header has it

_STDERR = threading.Lock()

_MOST_BYTES = 2**31 - 1  # OpenCV decodes no more

SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp')


def _png_fault(data: bytes) -> str | None:
    """Why `data` is no whole PNG file, or None: every chunk with its checksum."""
    position = len(_PNG_SIGNATURE)
    while position + 12 <= len(data):
        end = position + 12 + int.from_bytes(data[position : position + 4])
        if end > len(data):
            break
        kind = data[position + 4 : position + 8]
        checksum = int.from_bytes(data[end - 4 : end])
        if zlib.crc32(data[position + 4 : end - 4]) != checksum:
            return f'a damaged PNG (the checksum of its {kind!r} chunk is wrong)'
        if kind == b'IEND':
            return None
        position = end
    return 'a truncated PNG'


def _jpeg_fault(data: bytes) -> str | None:
    """Why `data` is no whole JPEG file, or None: every segment up to the end marker."""
    position = 2
    while marker := _JPEG_MARKER.search(data, position):
        kind = data[marker.start() + 1]
        if kind == _JPEG_END:
            return None
        length = int.from_bytes(data[marker.end() : marker.end() + 2])
        position = marker.end() + max(length, 2)
    return 'a truncated JPEG'


def _tiff_fault(data: bytes) -> str | None:
    """Why `data` is no whole TIFF file, or None.

    OpenCV decodes what is in front of a fault, leaves the rest black and says nothing.
    """
    with warnings.catch_warnings(), _stderr_held_back():
        warnings.simplefilter('ignore')
        try:
            image = Image.open(io.BytesIO(data))
        except Exception:  # what Pillow does not know is left to OpenCV
            return None
        try:
            image.load()
        except Exception:
            return 'a damaged TIFF'
    return None


def _with_plain_bands(path: pathlib.Path, data: bytes) -> bytes:
    """A TIFF file whose fourth band is not taken for transparency.

    libtiff multiplies colors by what is tagged as unassociated alpha, as GDAL tags any
    fourth band, such as near infrared. Its tag is set to 'unspecified' in `data`.

    Raises:
        ValueError: the file has more than four bands, or the colors of a printer.
    """
    tags = _short_tags(data)
    bands = tags.get(_SAMPLES_PER_PIXEL, (1, 0))[0]
    if tags.get(_PHOTOMETRIC, (0, 0))[0] == _CMYK:
        raise ValueError(f'{path}: CMYK; convert the file to RGB.')
    if bands > 4:
        raise ValueError(f'{path}: {bands} bands; export three of them.')
    if bands == 4 and _EXTRA_SAMPLES in tags:
        offset = tags[_EXTRA_SAMPLES][1]
        return data[:offset] + bytes(2) + data[offset + 2 :]
    return data


def _short_tags(data: bytes) -> dict[int, tuple[int, int]]:
    """First value of each 16-bit tag of a TIFF file, and where it is, if inline."""
    order: Literal['little', 'big'] = 'little' if data[:1] == b'I' else 'big'

    def number(start: int, length: int) -> int:
        return int.from_bytes(data[start : start + length], order)

    is_big = number(2, 2) == 43
    start = number(8, 8) if is_big else number(4, 4)
    # Bytes of the number of entries, of an entry, and ahead of its value.
    count, size, ahead = (8, 20, 12) if is_big else (2, 12, 8)
    tags = {}
    for index in range(min(number(start, count), _MOST_TAGS)):
        entry = start + count + index * size
        if number(entry + 2, 2) == _SHORT:
            tags[number(entry, 2)] = (number(entry + ahead, 2), entry + ahead)
    return tags


@contextlib.contextmanager
def _stderr_held_back() -> Iterator[None]:
    """For Pillow's libtiff, which writes to the file descriptor itself."""
    with _STDERR, open(os.devnull, 'wb') as nowhere:
        kept = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)


class _Silent:
    """OpenCV's messages are held back as long as any thread is inside."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._level = 0

    def __enter__(self) -> None:
        with self._lock:
            if not self._inside:
                silent = cv2.utils.logging.LOG_LEVEL_SILENT
                self._level = cv2.utils.logging.setLogLevel(silent)
            self._inside += 1

    def __exit__(self, *error: object) -> None:
        with self._lock:
            self._inside -= 1
            if not self._inside:
                cv2.utils.logging.setLogLevel(self._level)


_OPENCV_SILENT = _Silent()


def _size_fault(data: bytes) -> str | None:
    """That the header of `data` claims more pixels than Pillow's limit, or None."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        try:
            Image.open(io.BytesIO(data)).close()
        except Image.DecompressionBombError:
            limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
            return f'an image of more than {limit:,} pixels (or a header that says so)'
        except Exception:  # what Pillow does not know is left to OpenCV
            return None
    return None


def decode(data: bytes, flags: int = cv2.IMREAD_COLOR_RGB) -> np.ndarray | None:
    """Pixels of an image file's bytes, or None; OpenCV's own messages are held back.

    `flags` are OpenCV's, one of `cv2.IMREAD_*`.
    """
    with _OPENCV_SILENT:
        try:
            return cv2.imdecode(np.frombuffer(data, np.uint8), flags)
        except cv2.error:
            return None


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """Reads an image file, whole and of a size that can be decoded.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is empty, truncated, damaged, or has too many bytes or pixels.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such image file; check the path.')
    if (size := path.stat().st_size) > _MOST_BYTES:
        raise ValueError(f'{path}: a file of {size:,} bytes; cut it into parts.')
    data = path.read_bytes()
    if fault := _size_fault(data):
        raise ValueError(f'{path}: {fault}; cut it into parts.')
    if not data:
        fault = 'an empty file'
    elif data.startswith(_PNG_SIGNATURE):
        fault = _png_fault(data)
    elif data.startswith(_JPEG_SIGNATURE):
        fault = _jpeg_fault(data)
    elif data.startswith(_TIFF_SIGNATURES):
        fault = _tiff_fault(data)
    if fault:
        raise ValueError(f'{path}: {fault}; copy or export the file again.')
    if data.startswith(_TIFF_SIGNATURES):
        return _with_plain_bands(path, data)
    return data


def stored_pixels(path: str | os.PathLike[str], data: bytes) -> np.ndarray:
    """The pixels of the file `path`, whose bytes are `data`, turned by its EXIF.

    Returns:
        uint8 or uint16, as they are stored: [H, W], or [H, W, 3], BGR.

    Raises:
        ValueError: it is no image, or its pixels are of another type.
    """
    # Unlike IMREAD_UNCHANGED these turn a mask as `read_image` turns its image.
    pixels = decode(data, cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH)
    if pixels is None:
        raise _not_an_image(path)
    if pixels.dtype not in (np.uint8, np.uint16):
        raise ValueError(
            f'{path}: pixels of the type {pixels.dtype}; export the file with 8 or 16 '
            'bits, as whole numbers without a sign.'
        )
    return pixels


def _not_an_image(path: str | os.PathLike[str]) -> ValueError:
    return ValueError(
        f'{path}: not an image that can be read (damaged, or of another format); '
        'give a PNG, JPEG, BMP, TIFF or WebP file.'
    )


def read_image(path: str | os.PathLike[str], bit_depth: int = 16) -> np.ndarray:
    """Reads a color or gray image file.

    Args:
        path: a PNG, JPEG, BMP, TIFF or WebP file. Transparency is dropped, the EXIF
            orientation is applied.
        bit_depth: bits that a camera fills of 16, counted from the lowest, 8 to 16:
            they are brought to 8. Files of 8 bits are read as they are.

    Returns:
        uint8 [H, W, 3], RGB.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is empty, truncated, damaged, too large or not an image, its
            pixels are signed or not of 8 or 16 bits, or its values do not fit
            `bit_depth`: too large, or all in the lowest sixteenth, which would be
            black.
    """
    data = read_bytes(path)
    if _may_have_16_bits(data):
        stored = stored_pixels(path, data)
        if stored.dtype == np.uint16:
            # Where OpenCV makes 8 bits itself it garbles tiles at the edge of gray
            # images, and rounds colors in another way.
            pixels = _to_8_bits(path, stored, bit_depth)
            is_gray = pixels.ndim == 2
            order = cv2.COLOR_GRAY2RGB if is_gray else cv2.COLOR_BGR2RGB
            return np.asarray(cv2.cvtColor(pixels, order))
    image = decode(data)
    if image is None:
        raise _not_an_image(path)
    return image


def _may_have_16_bits(data: bytes) -> bool:
    """Whether `data` is a TIFF file, or a PNG file whose header says so."""
    if data.startswith(_PNG_SIGNATURE):
        return data[_PNG_BIT_DEPTH] == 16
    return data.startswith(_TIFF_SIGNATURES)


def _to_8_bits(
    path: str | os.PathLike[str], stored: np.ndarray, bit_depth: int
) -> np.ndarray:
    """The upper 8 of the bits that are filled, uint8 of the shape of `stored`."""
    largest = int(stored.max())
    if largest >= 2**bit_depth:
        raise ValueError(
            f'{path}: has the value {largest}, and {bit_depth} bits allow '
            f'{2**bit_depth - 1}; set bit_depth to {max(8, largest.bit_length())}.'
        )
    if largest < 2 ** (bit_depth - 4):
        raise ValueError(
            f'{path}: no value is above {largest}, which is black of {bit_depth} bits; '
            'set bit_depth to that of the camera (10 or 12 bits are often stored in '
            '16).'
        )
    return (stored >> (bit_depth - 8)).astype(np.uint8)


def write_png(path: str | os.PathLike[str], image: np.ndarray) -> None:
    """Writes uint8 [H, W] (gray, class ids) or [H, W, 3] (RGB) as a PNG, atomically.

    Raises:
        ValueError: `image` is not uint8 of such a shape.
    """
    if image.dtype != np.uint8 or not (image.ndim == 2 or image.shape[2:] == (3,)):
        raise ValueError(
            f'{path}: image must be uint8 [H, W] or [H, W, 3], '
            f'not {image.dtype} {list(image.shape)}.'
        )
    pixels = image if image.ndim == 2 else image[:, :, ::-1]
    write_bytes(pathlib.Path(path), cv2.imencode('.png', pixels)[1].tobytes())
