"""Image files are read whole or refused, and written whole or not at all."""

import json
import os
import pathlib
import resource
import struct
import zlib
from typing import Any, Literal

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, UnidentifiedImageError

from cadnet_jax.files import atomic, disk, images, tiff_tags


def smooth_image(height: int = 40, width: int = 56) -> np.ndarray:
    rng = np.random.default_rng(0)
    coarse = rng.integers(256, size=(5, 7, 3), dtype=np.uint8)
    return cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)


def encoded(suffix: str, *parameters: int) -> bytes:
    return cv2.imencode(suffix, smooth_image()[:, :, ::-1], parameters)[1].tobytes()


PNG, JPEG, TIFF = encoded('.png'), encoded('.jpg'), encoded('.tif')
PROGRESSIVE = encoded('.jpg', cv2.IMWRITE_JPEG_PROGRESSIVE, 1)


@pytest.mark.parametrize('suffix', ['.png', '.bmp', '.tif'])
def test_lossless_files_give_their_pixels_in_rgb(
    suffix: str, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / f'image{suffix}'
    path.write_bytes(encoded(suffix))
    np.testing.assert_array_equal(images.read_image(path), smooth_image())


@pytest.mark.parametrize('data', [JPEG, PROGRESSIVE, JPEG + b'appended by a camera'])
def test_whole_jpegs_are_read(data: bytes, tmp_path: pathlib.Path) -> None:
    path = tmp_path / 'image.jpg'
    path.write_bytes(data)
    error = images.read_image(path).astype(int) - smooth_image()
    assert np.abs(error).mean() < 3


@pytest.mark.parametrize(
    ('stored', 'expected'),
    [
        (np.full((3, 4), 9, np.uint8), 9),  # gray
        (np.full((3, 4), 99 * 256, np.uint16), 99),  # 16 bits
        (np.full((3, 4, 4), 9, np.uint8), 9),  # transparency
    ],
)
def test_every_kind_of_png_becomes_three_channels_of_eight_bits(
    stored: np.ndarray, expected: int, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / 'image.png'
    cv2.imwrite(str(path), stored)
    image = images.read_image(path)
    assert image.shape == (3, 4, 3) and image.dtype == np.uint8
    assert np.all(image == expected)


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        (b'', 'empty'),
        (b'image,reference\n', 'not an image'),
        (PNG[:-1], 'truncated PNG'),
        (PNG[:-12], 'truncated PNG'),
        (PNG[: len(PNG) // 2], 'truncated PNG'),
        (PNG[:20], 'truncated PNG'),
        (PNG[:60] + bytes([PNG[60] ^ 1]) + PNG[61:], 'checksum'),
        (JPEG[:-1], 'truncated JPEG'),
        (JPEG[: len(JPEG) // 2], 'truncated JPEG'),
        (PROGRESSIVE[: len(PROGRESSIVE) // 2], 'truncated JPEG'),
        (JPEG[:10], 'truncated JPEG'),
        (JPEG[: len(JPEG) // 2] + bytes(len(JPEG) // 2), 'truncated JPEG'),
        (encoded('.bmp')[:-99], 'not an image'),
        (TIFF[: len(TIFF) // 2] + bytes(99) + TIFF[len(TIFF) // 2 + 99 :], 'damaged T'),
        (TIFF[:-99], 'not an image'),
    ],
)
def test_a_bad_file_is_named_with_the_fault(
    data: bytes,
    message: str,
    tmp_path: pathlib.Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The error is all there is: the decoders' own messages are held back."""
    path = tmp_path / 'bad.img'
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message) as error:
        images.read_image(path)
    assert str(path) in str(error.value)
    assert len(str(error.value).splitlines()) == 1
    assert capfd.readouterr() == ('', '')


@pytest.mark.parametrize(('kind', 'channels'), [('u1', 1), ('u1', 3), ('u2', 1)])
def test_tiled_tiffs_give_their_pixels(
    kind: str, channels: int, tmp_path: pathlib.Path
) -> None:
    """Also those of tiles that go beyond the image."""
    path, pixels = tmp_path / 'image.tif', smooth_image()[..., :channels]
    stored = pixels.astype(kind) * (256 if kind == 'u2' else 1)
    tifffile.imwrite(path, stored.squeeze(), tile=(32, 32))
    expected = np.broadcast_to(pixels, (40, 56, 3))
    np.testing.assert_array_equal(images.read_image(path), expected)


@pytest.mark.parametrize('bigtiff', [False, True])
@pytest.mark.parametrize('byteorder', ['<', '>'])
@pytest.mark.parametrize('kind', ['u1', 'u2'])
@pytest.mark.parametrize('extra', ['unassalpha', 'assocalpha', 'unspecified'])
def test_a_fourth_band_is_left_out_and_changes_nothing(
    extra: str,
    kind: str,
    byteorder: Literal['<', '>'],
    bigtiff: bool,
    tmp_path: pathlib.Path,
) -> None:
    """Near infrared is no transparency, whatever GDAL tags it as."""
    path, colors = tmp_path / 'image.tif', smooth_image()
    infrared = np.random.default_rng(1).integers(256, size=(40, 56, 1), dtype=np.uint8)
    stored = np.concatenate([colors, infrared], axis=2).astype(kind)
    tifffile.imwrite(
        path,
        stored * (256 if kind == 'u2' else 1),
        photometric='rgb',
        extrasamples=[extra],
        byteorder=byteorder,
        bigtiff=bigtiff,
    )
    np.testing.assert_array_equal(images.read_image(path), colors)


@pytest.mark.parametrize('bigtiff', [False, True])
@pytest.mark.parametrize('byteorder', ['<', '>'])
@pytest.mark.parametrize('bands', [1, 2, 3, 4, 5])
def test_a_fourth_band_is_known_without_reading_pixels(
    bands: int,
    byteorder: Literal['<', '>'],
    bigtiff: bool,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of a file of 300 kB and more a few kB are read."""
    path = tmp_path / 'image.png'  # what a file is, its bytes say
    pixels = np.ones((600, 500, bands), np.uint8)
    photometric: Any = 'rgb' if bands > 2 else 'minisblack'
    tifffile.imwrite(
        path, pixels, photometric=photometric, byteorder=byteorder, bigtiff=bigtiff
    )
    lengths: list[int] = []
    read = tiff_tags.FileBytes.__getitem__

    def counted(self: tiff_tags.FileBytes, part: slice) -> bytes:
        lengths.append(len(found := read(self, part)))
        return found

    monkeypatch.setattr(tiff_tags.FileBytes, '__getitem__', counted)
    assert images.has_fourth_band(path) == (bands == 4)
    assert 0 < sum(lengths) < 4000


@pytest.mark.parametrize(
    'data', [b'', b'II', b'II*\0', b'II*\0\xff\xff\xff\xff', b'GIF']
)
def test_a_file_that_is_cut_off_in_its_header_has_no_fourth_band(
    data: bytes, tmp_path: pathlib.Path
) -> None:
    path = tmp_path / 'image.tif'
    path.write_bytes(data)
    assert not images.has_fourth_band(path)


def test_bands_that_are_no_colors_are_refused_by_name(tmp_path: pathlib.Path) -> None:
    path = tmp_path / 'image.tif'
    tifffile.imwrite(path, np.ones((8, 8, 4), 'u1'), photometric='separated')
    with pytest.raises(ValueError, match=r'image\.tif: CMYK; convert the file to RGB'):
        images.read_image(path)
    five = np.ones((8, 8, 5), 'u1')
    tifffile.imwrite(path, five, photometric='rgb', extrasamples=['unspecified'] * 2)
    with pytest.raises(ValueError, match=r'image\.tif: 5 bands; export three'):
        images.read_image(path)


@pytest.mark.parametrize('shape', [(5, 6), (5, 6, 3)])
@pytest.mark.parametrize('kind', ['i1', 'i2', 'i4', 'f4', 'f8'])
def test_signed_and_real_numbers_are_refused_by_their_type(
    kind: str, shape: tuple[int, ...], tmp_path: pathlib.Path
) -> None:
    """Whatever the values are: -1 would be taken for 255, and 300 for 1."""
    path = tmp_path / 'image.tif'
    cv2.imwrite(str(path), np.ones(shape, kind))
    with pytest.raises(ValueError, match=f'of the type {np.dtype(kind)}; ') as error:
        images.read_image(path)
    assert str(error.value).startswith(f'{path}: ')


def test_a_tiff_that_pillow_does_not_know_is_not_taken_for_damaged(
    tmp_path: pathlib.Path,
) -> None:
    """Four gray channels: the tag 262 says that they are no colors."""
    path = tmp_path / 'image.tif'
    data = cv2.imencode('.tif', np.full((3, 4, 4), 9, np.uint8))[1].tobytes()
    colors, gray = (struct.pack('<HHIHH', 262, 3, 1, value, 0) for value in (2, 1))
    path.write_bytes(data.replace(colors, gray))
    with pytest.raises(UnidentifiedImageError):
        Image.open(path)
    assert np.all(images.read_image(path) == 9)


def test_a_huge_header_is_refused_before_it_is_decoded(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """60,000 x 60,000 pixels in 100 bytes; decoded they would take 10 GB."""
    header = b'IHDR' + (60_000).to_bytes(4) * 2 + bytes([8, 2, 0, 0, 0])
    checksum = zlib.crc32(header).to_bytes(4)
    path = tmp_path / 'huge.png'
    path.write_bytes(PNG[:12] + header + checksum + PNG[33:])
    monkeypatch.setattr(images, 'decode', None)
    with pytest.raises(ValueError, match='more than 178,956,970 pixels') as error:
        images.read_image(path)
    assert str(path) in str(error.value) and 'cut it into parts' in str(error.value)


@pytest.mark.parametrize('suffix', ['png', 'jpg'])
def test_an_image_cut_anywhere_is_refused(suffix: str, tmp_path: pathlib.Path) -> None:
    """cv2 alone decodes many of these, with gray in place of what is missing."""
    path = tmp_path / f'a.{suffix}'
    pixels = np.random.default_rng(0).integers(0, 256, (31, 37, 3), np.uint8)
    cv2.imwrite(str(path), pixels)
    data = path.read_bytes()
    for length in np.linspace(0, len(data) - 1, 23, dtype=int):
        path.write_bytes(data[:length])
        with pytest.raises(ValueError, match=r'truncated|not an image|empty'):
            images.read_image(path)
    path.write_bytes(data + bytes(16))  # padding after the end does no harm
    assert images.read_image(path).shape == (31, 37, 3)


def test_a_file_that_would_fill_the_memory_is_not_read(tmp_path: pathlib.Path) -> None:
    path = tmp_path / 'image.png'
    path.write_bytes(PNG)
    os.truncate(path, 2**31)  # takes no place on the disk
    with pytest.raises(ValueError, match=r'image\.png: a file of 2,147,483,648 bytes'):
        images.read_image(path)


def test_a_missing_file_is_named(tmp_path: pathlib.Path) -> None:
    for path in (tmp_path / 'none.png', tmp_path):
        with pytest.raises(FileNotFoundError, match=f'{path}: no such image file'):
            images.read_image(path)


@pytest.mark.parametrize('shape', [(5, 6), (5, 6, 3)])
def test_what_is_written_as_png_is_read_back(
    shape: tuple[int, ...], tmp_path: pathlib.Path
) -> None:
    image = np.arange(np.prod(shape), dtype=np.uint8).reshape(shape)
    path = tmp_path / 'folder' / 'image.png'
    images.write_png(path, image)
    expected = image if image.ndim == 3 else np.repeat(image[..., None], 3, axis=2)
    np.testing.assert_array_equal(images.read_image(path), expected)


@pytest.mark.parametrize('dtype_and_shape', [('f4', (2, 2)), ('u1', (2, 2, 4))])
def test_what_a_png_cannot_hold_is_refused(
    dtype_and_shape: tuple[str, tuple[int, ...]], tmp_path: pathlib.Path
) -> None:
    dtype, shape = dtype_and_shape
    with pytest.raises(ValueError, match='must be uint8'):
        images.write_png(tmp_path / 'image.png', np.zeros(shape, dtype))
    assert not list(tmp_path.iterdir())


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / 'values.json'
    atomic.write_json(path, {'a': 1})

    def full(*_: object) -> None:
        raise OSError('No space left on device')

    monkeypatch.setattr(os, 'replace', full)
    with pytest.raises(OSError, match='No space'):
        atomic.write_json(path, {'a': 2})
    assert json.loads(path.read_text()) == {'a': 1}
    assert list(tmp_path.iterdir()) == [path]


def test_json_never_holds_what_is_no_number(tmp_path: pathlib.Path) -> None:
    """NaN is not JSON; nothing is written."""
    with pytest.raises(ValueError):
        atomic.write_json(tmp_path / 'values.json', {'iou': float('nan')})
    assert not list(tmp_path.iterdir())


def test_a_write_to_a_full_disk_names_the_file(tmp_path: pathlib.Path) -> None:
    """Python's own error of a write names none."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(OSError) as error:
            atomic.write_bytes(tmp_path / 'large', bytes(10_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert error.value.filename == str(tmp_path / 'large')
    assert disk.is_full(error.value) and not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ('raised', 'is_explained'),
    [
        (OSError(28, 'No space left on device'), True),
        (
            ValueError("Failed writing: No space left on device [os_error_code='28']"),
            True,
        ),
        (RuntimeError('Disk quota exceeded'), True),
        (ValueError('a bad value'), False),
    ],
)
def test_a_full_disk_is_explained_whoever_says_so(
    tmp_path: pathlib.Path, raised: Exception, is_explained: bool
) -> None:
    with (
        pytest.raises((OSError, ValueError)) as error,
        disk.full_disk_explained(tmp_path, remedy='make room'),
    ):
        raise raised
    if is_explained:
        assert error.value.args[1] == 'no space left on the disk; make room'
        assert isinstance(error.value, OSError)
        assert error.value.filename == str(tmp_path)
    else:
        assert error.value is raised
