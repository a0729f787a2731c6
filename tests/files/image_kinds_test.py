"""Which kinds of image files are read, and what their pixels mean; others by name.

The oracle is the array that Pillow, tifffile or a few bytes by hand were given. A table
in docs/own_pairs.md says the same.
"""

import io
import pathlib
import struct
import zlib
from typing import Any, Literal

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from cadnet_jax.datasets.paired_folder.class_map import read_mask
from cadnet_jax.files.images import read_image


def _smooth(bands: int) -> np.ndarray:
    coarse = np.random.default_rng(bands).integers(256, size=(5, 7, bands), dtype='u1')
    return cv2.resize(coarse, (56, 40), interpolation=cv2.INTER_CUBIC)


def _wide(pixels: np.ndarray) -> np.ndarray:
    """16 bits that are read as `pixels`: the lower 8 are dropped."""
    return pixels.astype(np.uint16) * 256 + 77


RGB, GRAY, ALPHA = _smooth(3), _smooth(3)[..., 0].copy(), _smooth(4)[..., 3].copy()
BLACK_WHITE = GRAY > 128
INDEX = GRAY // 16
PALETTE = np.random.default_rng(0).integers(256, size=(256, 3), dtype=np.uint8)

Separate: Any = {'planarconfig': 'separate', 'photometric': 'rgb'}
Gray: Any = {'photometric': 'minisblack', 'planarconfig': 'contig'}
White: Any = {'photometric': 'miniswhite'}
Colors: Any = {'photometric': 'rgb'}

# kind -> stored, what is read, how tifffile writes it
TIFF: dict[str, tuple[np.ndarray, np.ndarray, dict[str, Any]]] = {
    'gray': (GRAY, GRAY, Gray),
    'gray 16': (_wide(GRAY), GRAY, Gray),
    'white is zero': (255 - GRAY, GRAY, White),
    'white is zero 16': (65535 - _wide(GRAY), GRAY, White),
    'one bit': (BLACK_WHITE, BLACK_WHITE * np.uint8(255), Gray),
    'one bit, white is zero': (~BLACK_WHITE, BLACK_WHITE * np.uint8(255), White),
    'gray, alpha': (
        np.dstack([GRAY, ALPHA]),
        GRAY,
        {'extrasamples': ['unassalpha'], **Gray},
    ),
    'colors': (RGB, RGB, Colors),
    'colors 16': (_wide(RGB), RGB, Colors),
    'colors, called gray': (RGB, RGB, Gray),
    'colors, called gray 16': (_wide(RGB), RGB, Gray),
    'infrared, called gray': (np.dstack([RGB, ALPHA]), RGB, Gray),
    'infrared, called gray 16': (_wide(np.dstack([RGB, ALPHA])), RGB, Gray),
    'colors, alpha': (
        np.dstack([RGB, ALPHA]),
        RGB,
        {'extrasamples': ['unassalpha'], **Colors},
    ),
    'tiles': (RGB, RGB, {'tile': (32, 32), **Colors}),
    'tiles, alpha 16': (
        _wide(np.dstack([RGB, ALPHA])),
        RGB,
        {'tile': (32, 32), 'extrasamples': ['unassalpha'], **Colors},
    ),
    'planes': (np.moveaxis(RGB, 2, 0), RGB, Separate),
    'compressed': (RGB, RGB, {'compression': 'zlib', **Colors}),
    'compressed 16, differences': (
        _wide(RGB),
        RGB,
        {'compression': 'zlib', 'predictor': True, **Colors},
    ),
    'palette': (
        INDEX,
        PALETTE[INDEX],
        {'photometric': 'palette', 'colormap': PALETTE.T.astype(np.uint16) * 257},
    ),
    'first of two pages': (
        np.stack([GRAY, ALPHA]),
        GRAY,
        {'photometric': 'minisblack'},
    ),
}

# kind -> stored, words of the error, how tifffile writes it
REFUSED_TIFF: dict[str, tuple[np.ndarray, str, dict[str, Any]]] = {
    'CMYK': (
        np.dstack([RGB, ALPHA]),
        'CMYK; convert the file to RGB',
        {'photometric': 'separated'},
    ),
    'CIELab': (RGB, 'CIELab; convert the file to RGB', {'photometric': 'cielab'}),
    'five bands': (
        np.dstack([RGB, ALPHA, ALPHA]),
        '5 bands; export three of them',
        Colors,
    ),
    'planes 16': (_wide(np.moveaxis(RGB, 2, 0)), 'separate planes; export', Separate),
    'gray, alpha 16': (
        _wide(np.dstack([GRAY, ALPHA])),
        '16 bits with transparency',
        {'extrasamples': ['unassalpha'], **Gray},
    ),
    'real numbers': (GRAY.astype('f4'), 'of the type float32; export', Gray),
    'short real numbers': (GRAY.astype('f2'), 'real or complex numbers of 16', Gray),
    'complex numbers': (GRAY.astype('c8'), 'real or complex numbers of 64', Gray),
    'signed numbers': (GRAY.astype('i2'), 'of the type int16; export', Gray),
    '32 bits': (GRAY.astype('u4'), 'of the type uint32; export', Gray),
}


def _with_palette() -> Image.Image:
    image = Image.fromarray(INDEX, 'P')
    image.putpalette(PALETTE.ravel().tolist())
    return image


# kind -> what Pillow writes, what is read, the ending, how Pillow writes it
PILLOW: dict[str, tuple[Image.Image, np.ndarray, str, dict[str, Any]]] = {
    'gray': (Image.fromarray(GRAY), GRAY, 'png', {}),
    'gray 16': (Image.fromarray(_wide(GRAY)), GRAY, 'png', {}),
    'colors': (Image.fromarray(RGB), RGB, 'png', {}),
    'gray, alpha': (Image.fromarray(np.dstack([GRAY, ALPHA])), GRAY, 'png', {}),
    'colors, alpha': (Image.fromarray(np.dstack([RGB, ALPHA])), RGB, 'png', {}),
    'one bit': (Image.fromarray(BLACK_WHITE), BLACK_WHITE * np.uint8(255), 'png', {}),
    'palette': (_with_palette(), PALETTE[INDEX], 'png', {}),
    'palette, a color': (_with_palette(), PALETTE[INDEX], 'png', {'transparency': 3}),
    'palette of 4 bits': (_with_palette(), PALETTE[INDEX], 'png', {'bits': 4}),
    'bitmap': (Image.fromarray(RGB), RGB, 'bmp', {}),
    'gray bitmap': (Image.fromarray(GRAY), GRAY, 'bmp', {}),
    'bitmap, palette': (_with_palette(), PALETTE[INDEX], 'bmp', {}),
    'webp': (Image.fromarray(RGB), RGB, 'webp', {'lossless': True}),
    'lzw': (Image.fromarray(RGB), RGB, 'tif', {'compression': 'tiff_lzw'}),
    'packed': (Image.fromarray(RGB), RGB, 'tif', {'compression': 'packbits'}),
    'fax': (
        Image.fromarray(BLACK_WHITE),
        BLACK_WHITE * np.uint8(255),
        'tif',
        {'compression': 'group4'},
    ),
}


def _png(pixels: np.ndarray, *, bits: int, color_type: int) -> bytes:
    """A PNG file by hand, 56 x 40: rows of `pixels` as bytes, no filter (PNG 1.2)."""
    height, width = GRAY.shape
    header = struct.pack('>IIBBBBB', width, height, bits, color_type, 0, 0, 0)
    rows = b''.join(b'\0' + row.tobytes() for row in pixels)
    chunks = ((b'IHDR', header), (b'IDAT', zlib.compress(rows)), (b'IEND', b''))
    return b'\x89PNG\r\n\x1a\n' + b''.join(
        struct.pack('>I', len(data))
        + kind
        + data
        + struct.pack('>I', zlib.crc32(kind + data))
        for kind, data in chunks
    )


def _four_in_a_byte(pixels: np.ndarray) -> np.ndarray:
    quadruples = pixels.reshape(len(pixels), -1, 4) << np.array([6, 4, 2, 0], np.uint8)
    return np.asarray(np.bitwise_or.reduce(quadruples, axis=-1))


PNG = {
    'gray, alpha 16': (
        _png(_wide(np.dstack([GRAY, ALPHA])).astype('>u2'), bits=16, color_type=4),
        GRAY,
    ),
    'colors 16': (_png(_wide(RGB).astype('>u2'), bits=16, color_type=2), RGB),
    'colors, alpha 16': (
        _png(_wide(np.dstack([RGB, ALPHA])).astype('>u2'), bits=16, color_type=6),
        RGB,
    ),
    'gray of two bits': (
        _png(_four_in_a_byte(GRAY >> 6), bits=2, color_type=0),
        (GRAY >> 6) * np.uint8(85),
    ),
}


def _in_colors(pixels: np.ndarray) -> np.ndarray:
    return np.broadcast_to(pixels.reshape(*pixels.shape[:2], -1), (40, 56, 3))


def _assert_read_as(path: pathlib.Path, expected: np.ndarray) -> None:
    """As an image, and as a mask: both mean the same pixels."""
    np.testing.assert_array_equal(read_image(path), _in_colors(expected))
    is_wide = ' 16' in path.stem
    if not (is_wide and expected.ndim == 3):  # masks in colors have 8 bits
        mask = read_mask(path, colored=True)
        values = mask.values >> (8 if is_wide else 0)
        if mask.colored:
            values = np.stack([values >> 16, values >> 8 & 255, values & 255], axis=-1)
        np.testing.assert_array_equal(
            _in_colors(values) if values.ndim == 2 else values, _in_colors(expected)
        )


@pytest.mark.parametrize('bigtiff', [False, True])
@pytest.mark.parametrize('byteorder', ['<', '>'])
@pytest.mark.parametrize('kind', TIFF)
def test_a_tiff_is_read_by_its_tags(
    kind: str, byteorder: Literal['<', '>'], bigtiff: bool, tmp_path: pathlib.Path
) -> None:
    stored, expected, options = TIFF[kind]
    path = tmp_path / f'{kind}.tif'
    tifffile.imwrite(path, stored, byteorder=byteorder, bigtiff=bigtiff, **options)
    _assert_read_as(path, expected)


@pytest.mark.parametrize('kind', PILLOW)
def test_what_pillow_writes_is_read(kind: str, tmp_path: pathlib.Path) -> None:
    image, expected, ending, options = PILLOW[kind]
    path = tmp_path / f'{kind}.{ending}'
    image.save(path, **options)
    _assert_read_as(path, expected)


@pytest.mark.parametrize('kind', PNG)
def test_a_png_is_read_by_its_header(kind: str, tmp_path: pathlib.Path) -> None:
    data, expected = PNG[kind]
    path = tmp_path / f'{kind}.png'
    path.write_bytes(data)
    _assert_read_as(path, expected)


@pytest.mark.parametrize('kind', REFUSED_TIFF)
def test_a_kind_that_is_not_read_is_refused_by_its_name(
    kind: str, tmp_path: pathlib.Path
) -> None:
    stored, words, options = REFUSED_TIFF[kind]
    path = tmp_path / 'image.tif'
    tifffile.imwrite(path, stored, **options)
    for read in (read_image, lambda path: read_mask(path, colored=False)):
        with pytest.raises(ValueError, match=words) as error:
            read(path)
        assert str(error.value).startswith(f'{path}: ')
        assert 'damaged' not in str(error.value)


def test_a_jpeg_of_cmyk_is_refused_by_its_name(tmp_path: pathlib.Path) -> None:
    path = tmp_path / 'image.jpg'
    Image.fromarray(np.dstack([RGB, ALPHA]), 'CMYK').save(path)
    with pytest.raises(ValueError, match=r'image\.jpg: CMYK; convert the file to RGB'):
        read_image(path)


@pytest.mark.parametrize('ending', ['png', 'tif', 'webp'])
@pytest.mark.parametrize('orientation', range(2, 9))
def test_images_and_masks_are_turned_by_their_exif(
    orientation: int, ending: str, tmp_path: pathlib.Path
) -> None:
    exif = Image.Exif()
    exif[274] = orientation
    path, buffer = tmp_path / f'image.{ending}', io.BytesIO()
    Image.fromarray(RGB).save(path, exif=exif, lossless=True)
    Image.fromarray(RGB).save(buffer, 'PNG', exif=exif)
    expected = np.asarray(ImageOps.exif_transpose(Image.open(buffer)))
    np.testing.assert_array_equal(read_image(path), expected)
    values = read_mask(path, colored=True).values
    red, green, blue = (expected[..., i].astype(np.int32) for i in range(3))
    np.testing.assert_array_equal(values, red << 16 | green << 8 | blue)


def _jpeg(*, progressive: bool, restarts: int) -> bytes:
    options = (
        *(cv2.IMWRITE_JPEG_PROGRESSIVE, int(progressive)),
        *(cv2.IMWRITE_JPEG_RST_INTERVAL, restarts),
    )
    large = cv2.resize(RGB, (280, 200), interpolation=cv2.INTER_CUBIC)
    return cv2.imencode('.jpg', large, options)[1].tobytes()


@pytest.mark.parametrize('restarts', [0, 3])
@pytest.mark.parametrize('progressive', [False, True])
def test_a_jpeg_that_ends_early_is_refused_even_with_an_end_marker(
    progressive: bool, restarts: int, tmp_path: pathlib.Path
) -> None:
    """Decoders fill up what is missing, and say nothing."""
    path = tmp_path / 'image.jpg'
    data = _jpeg(progressive=progressive, restarts=restarts)
    path.write_bytes(data)
    whole = read_image(path)
    assert whole.shape == (200, 280, 3)
    scan = data.index(b'\xff\xda') + 14
    for length in np.linspace(scan + 20, len(data) - 40, 12, dtype=int):
        path.write_bytes(data[:length].rstrip(b'\xff') + b'\xff\xd9')
        with pytest.raises(ValueError, match='truncated or damaged JPEG'):
            read_image(path)


def test_a_jpeg_of_one_color_is_whole(tmp_path: pathlib.Path) -> None:
    """Its corners look like what is missing of others."""
    path = tmp_path / 'image.jpg'
    for size in ((1, 1), (8, 8), (33, 47), (200, 280)):
        for progressive in (0, 1):
            pixels = np.full((*size, 3), 255, np.uint8)
            cv2.imwrite(str(path), pixels, [cv2.IMWRITE_JPEG_PROGRESSIVE, progressive])
            np.testing.assert_array_equal(read_image(path), pixels)


def test_a_tiff_with_a_huge_header_is_refused(tmp_path: pathlib.Path) -> None:
    """Also of a kind that Pillow does not know, before it is decoded."""
    path = tmp_path / 'image.tif'
    tifffile.imwrite(path, np.dstack([RGB, ALPHA]), **Gray)
    with pytest.raises(OSError):
        Image.open(path)
    data = path.read_bytes()
    for tag, value in ((256, 56), (257, 40)):
        entry, huge = (struct.pack('<HHII', tag, 4, 1, v) for v in (value, 60_000))
        short = struct.pack('<HHIHH', tag, 3, 1, value, 0)
        assert entry in data or short in data
        data = data.replace(entry, huge).replace(short, huge)
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r'image\.tif: .*more than 178,956,970 pixels'):
        read_image(path)
