"""Finds faults of an image file in its bytes, before it is used.

Decoders silently fill in what is missing: the lower half of a truncated JPEG is gray.
They also decode kinds of files that they support poorly into wrong pixels. A file that
may be read wrongly is refused here, and its fault is named.
"""

import contextlib
import functools
import io
import os
import re
import threading
import warnings
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image

from cadnet_jax.files import tiff_tags

_PNG_SIGNATURE = b'\x89PNG\r\n\x1a\n'
_PNG_BIT_DEPTH = 24  # where its header has it

_JPEG_SIGNATURE = b'\xff\xd8\xff'
_JPEG_END = 0xD9
_JPEG_PROGRESSIVE = 0xC2
# In a JPEG's entropy-coded data, 0xFF stands for itself when a 0 follows and for a
# restart marker (0xD0 to 0xD7); 0xFF may be repeated ahead of a marker.
_JPEG_MARKER = re.compile(rb'\xff[^\x00\xd0-\xd7\xff]', re.DOTALL)
_CORNER = 4  # pixels a side
_DRAFT = 8  # a baseline JPEG decodes at this fraction of its size for a third

_STDERR = threading.Lock()


def kind_fault(data: bytes) -> str | None:
    """Why this kind of file is not read, and the remedy; None if it is."""
    if tiff_tags.is_tiff(data):
        return tiff_tags.kind_fault(data)
    if not data.startswith(_JPEG_SIGNATURE):
        return None  # of the other kinds none has the colors of a printer
    with contextlib.suppress(Exception), Image.open(io.BytesIO(data)) as image:
        if image.mode == 'CMYK':
            return 'CMYK; convert the file to RGB'
    return None


def size_fault(data: bytes) -> str | None:
    """The fault of a header that claims more pixels than Pillow's limit, or None."""
    limit = 2 * (Image.MAX_IMAGE_PIXELS or 0)
    fault = f'an image of more than {limit:,} pixels (or a header that says so)'
    if tiff_tags.is_tiff(data) and tiff_tags.num_pixels(data) > limit:
        return fault
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        try:
            Image.open(io.BytesIO(data)).close()
        except Image.DecompressionBombError:
            return fault
        except Exception:  # what Pillow does not know is left to OpenCV
            return None
    return None


def damage(data: bytes) -> str | None:
    """Why `data` is not a complete file, or None; most kinds are not decoded."""
    if not data:
        return 'an empty file'
    if data.startswith(_PNG_SIGNATURE):
        return _png_fault(data)
    if data.startswith(_JPEG_SIGNATURE):
        return _jpeg_fault(data)
    if tiff_tags.is_tiff(data):
        return _tiff_fault(data)
    return None


def ends_early(data: bytes, pixels: np.ndarray) -> bool:
    """Whether `data` is a JPEG file whose pixels end before its end marker.

    Decoders fill in what is missing. So more data before the end marker changes the
    pixels of such a file, and no pixel of a complete one.

    Args:
        data: bytes of the file.
        pixels: [H, W] or [H, W, 3], decoded from it, in any orientation.
    """
    if not data.startswith(_JPEG_SIGNATURE):
        return False
    markers = list(_jpeg_markers(data))
    is_progressive = any(kind == _JPEG_PROGRESSIVE for kind, _ in markers)
    # What is missing of a baseline file is decoded as one color, up to a corner; of a
    # progressive one details are missing.
    if not (is_progressive or _has_plain_corner(pixels)):
        return False
    end = markers[-1][1]
    longer = [data[:end] + more + data[end:] for more in _more_data()]
    try:
        # Pillow, since OpenCV would print complaints about the longer ones.
        decoded = _decode_jpeg(data, reduced=not is_progressive)
        return not all(
            np.array_equal(decoded, _decode_jpeg(other, reduced=not is_progressive))
            for other in longer
        )
    except Exception:  # OpenCV has decoded it
        return False


def has_16_bits(data: bytes) -> bool:
    """Whether `data` is a PNG or TIFF file of 16 bits a channel."""
    if data.startswith(_PNG_SIGNATURE):
        return data[_PNG_BIT_DEPTH] == 16
    return tiff_tags.is_tiff(data) and tiff_tags.has_16_bits(data)


def _has_plain_corner(pixels: np.ndarray) -> bool:
    return any(
        (corner == corner[:1, :1]).all()
        for rows in (pixels[:_CORNER], pixels[-_CORNER:])
        for corner in (rows[:, :_CORNER], rows[:, -_CORNER:])
    )


@functools.cache
def _more_data() -> list[bytes]:
    """Random JPEG data, drawn twice, since one may begin with the code for 'no more'.

    Both contain restart markers, because a file may stop at any of them.
    """
    rng, data = np.random.default_rng(0), []
    for _ in range(2):
        parts = rng.integers(0xFF, size=(65, 64), dtype=np.uint8)  # no 0xFF, a marker
        markers = [b'', *(bytes([0xFF, 0xD0 + number % 8]) for number in range(64))]
        data.append(
            b''.join(m + part.tobytes() for m, part in zip(markers, parts, strict=True))
        )
    return data


def _decode_jpeg(data: bytes, *, reduced: bool) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as image:
        if reduced:
            image.draft(None, (image.width // _DRAFT, image.height // _DRAFT))
        return np.asarray(image)


def _png_fault(data: bytes) -> str | None:
    """Why `data` is not a complete PNG file, or None; checks the sum of every chunk."""
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
    """Why `data` is not a complete JPEG file, or None; reads every segment."""
    kinds = [kind for kind, _ in _jpeg_markers(data)]
    return None if kinds[-1:] == [_JPEG_END] else 'a truncated JPEG'


def _jpeg_markers(data: bytes) -> Iterator[tuple[int, int]]:
    """Kind and position of each segment, up to the one that ends the image."""
    position = 2
    while marker := _JPEG_MARKER.search(data, position):
        kind = data[marker.start() + 1]
        yield kind, marker.start()
        if kind == _JPEG_END:
            return
        length = int.from_bytes(data[marker.end() : marker.end() + 2])
        position = marker.end() + max(length, 2)


def _tiff_fault(data: bytes) -> str | None:
    """Why `data` is not a complete TIFF file, or None.

    OpenCV decodes what precedes a fault, leaves the rest black, and reports nothing.
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


@contextlib.contextmanager
def _stderr_held_back() -> Iterator[None]:
    """Silences Pillow's libtiff, which writes to the file descriptor directly."""
    with _STDERR, open(os.devnull, 'wb') as nowhere:
        kept = os.dup(2)
        os.dup2(nowhere.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(kept, 2)
            os.close(kept)
