"""What holds of the readers for any file: images, class maps, manifests.

A reader returns what was written, or raises a ValueError that names the file.
"""

import pathlib

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cadnet_jax.datasets.encoding import encode_png
from cadnet_jax.datasets.paired_folder.class_map import read_class_map
from cadnet_jax.datasets.paired_folder.manifest import COLUMNS
from cadnet_jax.datasets.paired_folder.options import MANIFEST, Options
from cadnet_jax.datasets.paired_folder.source import read_source
from cadnet_jax.files.csv_files import read_rows, write_rows
from cadnet_jax.files.images import read_image, write_png
from tests.support.tiny_pairs import write_classes

# The same examples each time. A file is replaced by that of the next example.
settings.register_profile(
    'fixed',
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=60,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
settings.load_profile('fixed')

SIDES = st.integers(1, 9)
GRAY = st.tuples(SIDES, SIDES)
COLOR = st.tuples(SIDES, SIDES, st.just(3))
# A CSV file in UTF-8 has no surrogates, and `read_rows` strips its values.
TEXT = st.text(st.characters(codec='utf-8', exclude_characters='\0'), max_size=9)
NAMES = st.text(st.sampled_from('abcxyz_09'), min_size=1, max_size=6)


@given(arrays.arrays(np.uint8, GRAY | COLOR))
def test_an_image_is_read_as_it_was_written(
    tmp_path: pathlib.Path, pixels: np.ndarray
) -> None:
    write_png(tmp_path / 'image.png', pixels)
    expected = pixels if pixels.ndim == 3 else np.stack([pixels] * 3, axis=-1)
    np.testing.assert_array_equal(read_image(tmp_path / 'image.png'), expected)


@given(arrays.arrays(np.uint8, GRAY), st.data())
def test_no_byte_of_a_png_changes_unseen(
    tmp_path: pathlib.Path, pixels: np.ndarray, data: st.DataObject
) -> None:
    content = bytearray(encode_png(pixels))
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    path = tmp_path / 'image.png'
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r'image\.png'):
        read_image(path)


@given(arrays.arrays(np.uint8, COLOR), st.data())
def test_a_png_that_is_cut_short_is_refused(
    tmp_path: pathlib.Path, pixels: np.ndarray, data: st.DataObject
) -> None:
    content = encode_png(pixels)
    path = tmp_path / 'image.png'
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    with pytest.raises(ValueError, match=r'image\.png'):
        read_image(path)


@given(
    st.sampled_from([b'', b'\x89PNG\r\n\x1a\n', b'\xff\xd8\xff', b'II*\0', b'BM']),
    st.binary(max_size=200),
)
def test_any_bytes_are_an_image_or_refused(
    tmp_path: pathlib.Path, start: bytes, rest: bytes
) -> None:
    path = tmp_path / 'image'
    path.write_bytes(start + rest)
    try:
        image = read_image(path)
    except ValueError as error:
        assert str(path) in str(error)
    else:
        assert image.dtype == np.uint8 and image.shape[2:] == (3,)


@given(st.lists(st.tuples(TEXT, TEXT), max_size=5))
def test_rows_are_read_as_they_were_written(
    tmp_path: pathlib.Path, rows: list[tuple[str, str]]
) -> None:
    path = tmp_path / 'rows.csv'
    write_rows(path, ('a', 'b'), rows)
    found = [tuple(row.values()) for _, row in read_rows(path, required=('a', 'b'))]
    assert found == [(a.strip(), b.strip()) for a, b in rows]


@given(st.dictionaries(st.integers(1, 65535), NAMES, min_size=1, max_size=8))
def test_classes_are_numbered_as_their_names_first_appear(
    tmp_path: pathlib.Path, names: dict[int, str]
) -> None:
    path = tmp_path / 'classes.csv'
    rows = [('0', 'background'), *((str(value), name) for value, name in names.items())]
    write_rows(path, ('value', 'name'), rows)
    order = list(dict.fromkeys(names.values()))
    classes = read_class_map(path)
    assert classes.class_names == ('background', *order)
    expected = {value: 1 + order.index(name) for value, name in names.items()}
    assert classes.ids == {0: 0, **expected}


@given(st.lists(TEXT, max_size=6).map('\n'.join), st.booleans())
def test_any_text_is_a_class_map_or_refused(
    tmp_path: pathlib.Path, text: str, with_header: bool
) -> None:
    path = tmp_path / 'classes.csv'
    path.write_text(f'value,name\n{text}' if with_header else text, encoding='utf-8')
    try:
        classes = read_class_map(path)
    except ValueError as error:
        assert str(path) in str(error)
    else:
        assert classes.class_names[0] == 'background'
        assert set(classes.ids.values()) <= {*range(len(classes.class_names)), 255}


@given(st.lists(st.lists(TEXT, min_size=4, max_size=6), min_size=1, max_size=4))
def test_any_text_is_a_manifest_or_refused(
    tmp_path: pathlib.Path, rows: list[list[str]]
) -> None:
    """None of the files that it names is there; that is found when they are read."""
    write_classes(tmp_path)
    write_rows(tmp_path / MANIFEST, COLUMNS, [row[: len(COLUMNS)] for row in rows])
    try:
        source = read_source(tmp_path, Options(splits={'train': 1}))
    except ValueError as error:
        assert str(tmp_path) in str(error)
    else:
        assert all(pair.image and pair.reference for pair in source.pairs)
