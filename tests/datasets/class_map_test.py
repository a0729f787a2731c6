"""Claims about class maps: every kind of mask becomes the same ids, or is refused."""

import pathlib

import cv2
import numpy as np
import pytest
from PIL import ExifTags, Image

from cadnet_jax.datasets.paired_folder.class_map import read_class_map, write_first_map
from cadnet_jax.files.images import read_image
from tests.support.tiny_pairs import write, write_classes

IDS = np.array([[0, 0, 1, 1, 2], [0, 0, 1, 255, 2]], np.uint8)
COLORS = {0: (0, 0, 0), 1: (255, 0, 10), 2: (20, 200, 0), 255: (255, 255, 255)}
COLOR_LINES = (
    '#000000,background',
    '#FF000a,scratch',
    '#14c800,dent',
    '#ffffff,ignored',
)
GRAY_LINES = ('0,background', '100,scratch', '200,dent', '255,ignored')


def recoded(values: dict[int, int], dtype: type = np.uint8) -> np.ndarray:
    return np.asarray(np.vectorize(values.get)(IDS), dtype)


def colored() -> np.ndarray:
    return np.array([[COLORS[id] for id in row] for row in IDS.tolist()], np.uint8)


def palette_image(values: np.ndarray) -> Image.Image:
    image = Image.fromarray(values)
    image = image.convert('P')
    image.putdata(values.ravel().tolist())
    palette = [0] * 768
    for id, color in COLORS.items():
        palette[3 * id : 3 * id + 3] = color
    image.putpalette(palette)
    return image


GRAYS = (0, 100, 200, 255)
GRAY = recoded({0: 0, 1: 100, 2: 200, 255: 255})


@pytest.mark.parametrize(
    ('name', 'pixels', 'lines'),
    [
        ('gray.png', GRAY, GRAY_LINES),
        ('gray.bmp', GRAY, GRAY_LINES),
        ('gray.tif', GRAY, GRAY_LINES),
        ('gray_in_colors.png', np.stack([GRAY] * 3, axis=-1), GRAY_LINES),
        ('transparent.png', np.stack([GRAY] * 4, axis=-1), GRAY_LINES),
        ('colors.png', colored(), COLOR_LINES),
        ('colors.bmp', colored(), COLOR_LINES),
        ('colors.tiff', colored(), COLOR_LINES),
        (
            'sixteen_bits.png',
            recoded({0: 0, 1: 1000, 2: 65535, 255: 7}, np.uint16),
            ('0,background', '1000,scratch', '65535,dent', '7,ignored'),
        ),
        (
            'sixteen_bits.tif',
            recoded({0: 0, 1: 1000, 2: 65535, 255: 7}, np.uint16),
            ('0,background', '1000,scratch', '65535,dent', '7,ignored'),
        ),
        (
            'two_values_of_one_name.png',
            recoded({0: 9, 1: 100, 2: 200, 255: 255}),
            ('0,background', *GRAY_LINES[1:], '9,background'),
        ),
        (
            'gray_levels_with_a_map_of_colors.png',
            GRAY,
            (
                '#000000,background',
                '#646464,scratch',
                '#c8c8c8,dent',
                '#ffffff,ignored',
            ),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else '',
)
def test_masks_of_every_kind_become_ids(
    name: str, pixels: np.ndarray, lines: tuple[str, ...], tmp_path: pathlib.Path
) -> None:
    class_map = read_class_map(write_classes(tmp_path, *lines))
    assert class_map.class_names == ('background', 'scratch', 'dent')
    ids = class_map.convert(write(tmp_path / name, pixels))
    assert ids.dtype == np.uint8
    np.testing.assert_array_equal(ids, IDS)


@pytest.mark.parametrize(
    'lines',
    [COLOR_LINES, ('0,background', '1,scratch', '2,dent', '255,ignored')],
    ids=['by color', 'by index'],
)
def test_a_palette_is_read_by_color_or_by_index(
    lines: tuple[str, ...], tmp_path: pathlib.Path
) -> None:
    path = tmp_path / 'mask.png'
    palette_image(IDS).save(path)
    ids = read_class_map(write_classes(tmp_path, *lines)).convert(path)
    np.testing.assert_array_equal(ids, IDS)


@pytest.mark.parametrize('name', ['g.png', 'g.tif', 'g.webp', 'p.png', 'p.tif'])
@pytest.mark.parametrize('orientation', [3, 6])
def test_a_mask_is_turned_as_an_image_is(
    orientation: int, name: str, tmp_path: pathlib.Path
) -> None:
    """By the EXIF orientation: half a turn would be a wrong mask of the right size."""
    path = tmp_path / name
    mask = palette_image(IDS) if name[0] == 'p' else Image.fromarray(IDS).convert('RGB')
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    mask.save(path, exif=exif, lossless=True)
    class_map = read_class_map(
        write_classes(tmp_path, '0,background', '1,scratch', '2,dent', '255,ignored')
    )
    turned = np.rot90(IDS, {3: 2, 6: 3}[orientation])
    np.testing.assert_array_equal(class_map.convert(path), turned)
    if name[0] == 'g':
        np.testing.assert_array_equal(read_image(path)[..., 0], turned)


def test_a_damaged_orientation_is_an_error_that_names_the_file(
    tmp_path: pathlib.Path,
) -> None:
    """A maker's name that is a fraction: Pillow turns by it with an AttributeError."""
    orientation, maker = b'\x01\x12\0\3\0\0\0\1\0\6\0\0', b'\x01\x0f\0\5\0\0\0\2'
    exif = b'Exif\0\0MM\0*\0\0\0\x08\0\2' + orientation + maker + bytes(8)
    path = tmp_path / 'mask.png'
    palette_image(IDS).save(path, exif=exif)
    class_map = read_class_map(write_classes(tmp_path, *GRAY_LINES))
    with pytest.raises(ValueError, match=r'mask\.png: a mask in colors'):
        class_map.convert(path)


def test_a_value_that_is_not_in_the_map_is_named_with_its_count(
    tmp_path: pathlib.Path,
) -> None:
    """Never guessed: 0/255 masks with a map of 0/1 would give IoU 0, silently."""
    class_map = read_class_map(write_classes(tmp_path, '0,background', '1,scratch'))
    path = write(tmp_path / 'mask.png', recoded({0: 0, 1: 255, 2: 255, 255: 7}))
    with pytest.raises(ValueError) as error:
        class_map.convert(path)
    text = str(error.value)
    assert text.startswith(f'{path}: has 255 (5 pixels), 7 (1 pixels), not in ')
    assert "add a line '255,NAME'" in text and str(class_map.path) in text


def test_colors_that_are_not_in_the_map_are_named(tmp_path: pathlib.Path) -> None:
    path = write(tmp_path / 'mask.png', colored())
    class_map = read_class_map(write_classes(tmp_path, *COLOR_LINES[:3]))
    with pytest.raises(ValueError, match=r'has #ffffff \(1 pixels\), not in'):
        class_map.convert(path)
    gray = read_class_map(write_classes(tmp_path, *GRAY_LINES))
    with pytest.raises(ValueError, match=r'mask.png: a mask in colors, but .*#rrggbb'):
        gray.convert(path)


def test_labels_in_the_transparency_alone_are_not_passed_over(
    tmp_path: pathlib.Path,
) -> None:
    """Black, and transparent off the defects: all would become background."""
    layer = np.zeros((*IDS.shape, 4), np.uint8)
    class_map = read_class_map(write_classes(tmp_path))
    mask = tmp_path / 'mask.png'
    Image.fromarray(layer).save(mask)
    assert not class_map.convert(mask).any()
    layer[..., 3] = np.where(IDS == 1, 255, 0)
    Image.fromarray(layer).save(mask)
    with pytest.raises(ValueError, match=r'mask\.png: one color, of which parts'):
        class_map.convert(mask)
    layer[..., :3] = layer[..., 3:]
    Image.fromarray(layer).save(mask)
    np.testing.assert_array_equal(class_map.convert(mask), IDS == 1)


def test_a_mask_in_jpeg_is_refused_with_the_reason(tmp_path: pathlib.Path) -> None:
    values = np.zeros((32, 32), np.uint8)
    values[8:19, 8:19] = 255
    class_map = read_class_map(write_classes(tmp_path))
    with pytest.raises(ValueError, match=r'more, not in .*JPEG changes values'):
        class_map.convert(write(tmp_path / 'mask.jpg', values))


@pytest.mark.parametrize(
    ('lines', 'message'),
    [
        (['0,background', '0,scratch'], 'line 3: the value 0 appears twice'),
        (['0,background', '#ff0000,scratch'], 'gray values and colors are mixed'),
        (['0,background'], 'another name, which is a class of defects'),
        (['0,background', '9,ignored'], 'another name, which is a class of defects'),
        (['0,scratch', '1,dent'], "a value with the name 'background'"),
        (['0,background', '1,'], 'line 3: no name for the value 1'),
        (
            ['0,background', '1,Dent', '2,dent'],
            "line 4: 'dent' also appears with other",
        ),
        (['0,background', 'red,scratch'], "line 3: 'red' is neither a gray value"),
        (['0,background', '65536,scratch'], "'65536' is neither a gray value"),
        (['0,background', '-1,scratch'], "'-1' is neither"),
        (['0,background', *(f'{i},c{i}' for i in range(1, 256))], '256 classes'),
    ],
    ids=lambda value: value[:30] if isinstance(value, str) else '',
)
def test_a_bad_class_map_is_named_with_the_line(
    lines: list[str], message: str, tmp_path: pathlib.Path
) -> None:
    path = write_classes(tmp_path, *lines)
    with pytest.raises(ValueError, match=message) as error:
        read_class_map(path)
    assert str(path) in str(error.value)


def test_the_two_names_with_a_meaning_are_known_in_any_case(
    tmp_path: pathlib.Path,
) -> None:
    path = write_classes(tmp_path, '0,Background', '7,IGNORED', '255,Scratch')
    class_map = read_class_map(path)
    assert class_map.class_names == ('background', 'Scratch')
    assert class_map.ids == {0: 0, 7: 255, 255: 1}


def test_a_first_map_has_the_values_that_are_there(tmp_path: pathlib.Path) -> None:
    gray = write(tmp_path / 'gray.png', GRAY)
    black = write(tmp_path / 'black.png', np.zeros_like(GRAY))
    colors = write(tmp_path / 'colors.png', colored())
    palette = tmp_path / 'palette.png'
    palette_image(IDS).save(palette)
    gray_palette = tmp_path / 'gray_palette.png'
    Image.fromarray(GRAY).convert('P').save(gray_palette)
    white_and_red = np.where(IDS[..., None] == 1, (255, 0, 0), 255).astype(np.uint8)
    white = write(tmp_path / 'white.png', white_and_red)
    written = tmp_path / 'classes.csv'
    for masks, values in (
        ([gray, black], {0: 0, 100: 1, 200: 2, 255: 3}),
        ([black], {0: 0, 255: 1}),
        ([black, colors], {0: 0, 0x14C800: 1, 0xFF000A: 2, 0xFFFFFF: 3}),
        ([palette], {0: 0, 0x14C800: 1, 0xFF000A: 2, 0xFFFFFF: 3}),
        ([gray_palette, gray], {v * 0x010101: i for i, v in enumerate(GRAYS)}),
        ([white], {0xFFFFFF: 0, 0xFF0000: 1}),
    ):
        write_first_map(written, masks)
        class_map = read_class_map(written)
        assert class_map.ids == values
        for mask in masks:
            assert class_map.convert(mask).shape == IDS.shape
    deep = write(
        tmp_path / 'deep.png', recoded({0: 0, 1: 300, 2: 0, 255: 0}, np.uint16)
    )
    with pytest.raises(ValueError, match='some masks have colors and some gray'):
        write_first_map(written, [deep, colors])
    blocks = np.zeros((32, 32), np.uint8)
    blocks[8:19, 8:19] = 255
    with pytest.raises(ValueError, match=r'values; JPEG changes values'):
        write_first_map(written, [write(tmp_path / 'blocks.jpg', blocks)])
    noise = np.random.default_rng(0).integers(0, 255, (40, 40), np.uint8)
    many = r'noise.png: .* more than 32 values.*export it again'
    with pytest.raises(ValueError, match=many):
        write_first_map(written, [write(tmp_path / 'noise.png', noise)])


def test_a_mask_that_jpeg_has_changed_is_named_though_it_is_a_png_now(
    tmp_path: pathlib.Path,
) -> None:
    """When the map is written, and when the mask is read with a map of two values."""
    disc = cv2.circle(np.zeros((32, 32), np.uint8), (15, 16), 9, 255, -1)
    good = write(tmp_path / 'good.png', disc)
    jpeg = write(tmp_path / 'b.jpg', disc)
    again = np.asarray(Image.open(jpeg))
    changed = write(tmp_path / 'changed.png', again)
    written = tmp_path / 'classes.csv'
    assert not write_first_map(written, [good, good])
    class_map = read_class_map(written)
    (line,) = write_first_map(written, [good, changed, good])
    own = len(np.unique(again[(again > 0) & (again < 255)]))
    assert line.startswith(f'{changed}: has {own} values that no other mask has; ')
    with pytest.raises(ValueError, match=r'changed.png: has .*more, not in .*JPEG'):
        class_map.convert(changed)
