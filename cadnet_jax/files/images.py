"""Image files: whole or not at all, in both directions.

Reading refuses what a decoder would quietly complete, and what would fill the memory
(`image_faults`). A PNG proves by checksums that nothing in it has changed; of other
files a change that leaves them decodable goes unseen.
"""

import os
import pathlib
import threading

import cv2
import numpy as np

from cadnet_jax.files import image_faults, tiff_tags
from cadnet_jax.files.atomic import write_bytes

_MOST_BYTES = 2**31 - 1  # OpenCV decodes no more

SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.tif', '.tiff', '.webp')


def list_images(folder: pathlib.Path) -> list[pathlib.Path]:
    """The image files in a folder, by name; none of folders inside it.

    Hidden ones are passed over: macOS writes companions, `._x.png`, that are no images.
    """
    return sorted(
        path
        for path in folder.iterdir()
        if path.suffix.lower() in SUFFIXES and not path.name.startswith('.')
    )


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
        ValueError: it is empty, truncated, damaged, of a kind that is not read, or has
            too many bytes or pixels.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f'{path}: no such image file; check the path.')
    if (size := path.stat().st_size) > _MOST_BYTES:
        raise ValueError(f'{path}: a file of {size:,} bytes; cut it into parts.')
    data = path.read_bytes()
    if fault := image_faults.size_fault(data):
        raise ValueError(f'{path}: {fault}; cut it into parts.')
    if fault := image_faults.kind_fault(data):
        raise ValueError(f'{path}: {fault}.')
    if tiff_tags.is_tiff(data):
        data = tiff_tags.with_plain_bands(data)
    if fault := image_faults.damage(data):
        raise ValueError(f'{path}: {fault}; copy or export the file again.')
    return data


def stored_pixels(path: str | os.PathLike[str], data: bytes) -> np.ndarray:
    """The pixels of the file `path`, whose bytes are `data`, turned by its EXIF.

    Returns:
        uint8 or uint16, as they are stored: [H, W], or [H, W, 3], BGR.

    Raises:
        ValueError: it is no image, or its pixels are of another type.
    """
    # Unlike IMREAD_UNCHANGED these turn a mask as `read_image` turns its image.
    pixels = _decode_whole(path, data, cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH)
    if pixels.dtype not in (np.uint8, np.uint16):
        raise ValueError(
            f'{path}: pixels of the type {pixels.dtype}; export the file with 8 or 16 '
            'bits, as whole numbers without a sign.'
        )
    if pixels.dtype == np.uint16 and tiff_tags.is_tiff(data):
        # OpenCV does it for 8 bits alone.
        return np.invert(pixels) if tiff_tags.is_inverted(data) else pixels
    return pixels


def _decode_whole(
    path: str | os.PathLike[str], data: bytes, flags: int = cv2.IMREAD_COLOR_RGB
) -> np.ndarray:
    """`decode`, with an error for what is no image or a JPEG that ends early."""
    pixels = decode(data, flags)
    if pixels is None:
        raise _not_an_image(path)
    if image_faults.ends_early(data, pixels):
        raise ValueError(
            f'{path}: a truncated or damaged JPEG; copy or export the file again.'
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
    if not (tiff_tags.is_tiff(data) or image_faults.has_16_bits(data)):
        return _decode_whole(path, data)
    # Where OpenCV makes 8 bits itself it garbles tiles at the edge of gray images, and
    # rounds colors in another way.
    stored = stored_pixels(path, data)
    pixels = stored if stored.dtype == np.uint8 else _to_8_bits(path, stored, bit_depth)
    order = cv2.COLOR_GRAY2RGB if pixels.ndim == 2 else cv2.COLOR_BGR2RGB
    return np.asarray(cv2.cvtColor(pixels, order))


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


def has_fourth_band(path: str | os.PathLike[str]) -> bool:
    """Whether a file has a band that `read_image` leaves out: TIFF files alone can.

    It is transparency or, as near infrared, a measurement; the tags tell no difference.
    No pixel is read.
    """
    with pathlib.Path(path).open('rb') as file:
        header = tiff_tags.FileBytes(file)
        return tiff_tags.is_tiff(header) and tiff_tags.num_bands(header) == 4


def png_bytes(image: np.ndarray) -> bytes:
    """The bytes of a PNG file of uint8 [H, W] (gray, class ids) or [H, W, 3] (RGB)."""
    pixels = image if image.ndim == 2 else image[:, :, ::-1]
    return cv2.imencode('.png', pixels)[1].tobytes()


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
    write_bytes(pathlib.Path(path), png_bytes(image))
