"""Tiles cover an image exactly once, inside it, with their margins kept."""

import itertools

import numpy as np
import pytest

from cadnet_jax.inference import tiling


@pytest.mark.parametrize(('size', 'margin'), [(8, 2), (16, 4), (10, 0), (7, 3)])
def test_spans_of_any_length_keep_their_promises(size: int, margin: int) -> None:
    for length in range(1, 100):
        spans = tiling.spans(length, size=size, margin=margin)
        assert spans[0].core_start == 0 and spans[-1].core_stop == length
        for before, after in itertools.pairwise(spans):
            assert before.core_stop == after.core_start
        for span in spans:
            assert 0 <= span.start <= span.core_start < span.core_stop <= span.stop
            assert span.stop <= length and span.stop - span.start == min(size, length)
            assert span.start == 0 or span.core_start - span.start >= margin
            assert span.stop == length or span.stop - span.core_stop >= margin


@pytest.mark.parametrize(
    ('length', 'expected'),
    [(768, 1), (769, 2), (1408, 2), (1409, 3), (4096, 7)],
)
def test_there_are_no_more_tiles_than_needed(length: int, expected: int) -> None:
    """Two margins of 64 leave 640 of 768 pixels, and the outer two are used too."""
    assert len(tiling.spans(length, size=768, margin=64)) == expected


def test_cores_fill_an_image_exactly_once() -> None:
    """Each pixel of the image is written once, with the tile's pixel of that place."""
    image = np.arange(37 * 23).reshape(37, 23)
    result = np.full_like(image, -1)
    for tile in tiling.tiles(37, 23, size=16, margin=3):
        assert np.all(result[tile.target] == -1)
        result[tile.target] = image[tile.source][tile.core]
    np.testing.assert_array_equal(result, image)
