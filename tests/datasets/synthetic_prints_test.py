"""Prints: inks cover, scripts have letters, codes stay in their area."""

import numpy as np
import pytest

from cadnet_jax.datasets.synthetic_pairs.families import codes, lettering, plates


def test_a_plate_prints_its_ink_where_it_covers() -> None:
    """Far from edges the ink is opaque to 10 %; elsewhere the paper is bare."""
    coverage = np.zeros((60, 60), np.uint8)
    coverage[20:40, 20:40] = 255
    artwork = plates.Artwork([plates.Plate(coverage, (200, 0, 0), True)], [])
    paper = np.full((60, 60, 3), 250, np.uint8)
    printed = plates.press(paper, artwork, [], part=1)
    expected = np.broadcast_to([200, 0, 0], (10, 10, 3))
    np.testing.assert_allclose(printed[25:35, 25:35], expected, atol=27)
    np.testing.assert_array_equal(printed[:15], paper[:15])


@pytest.mark.parametrize('script', range(11))
def test_every_script_has_ink_in_its_letters(script: int) -> None:
    """A font that lacks letters draws the same box for each of them."""
    style = lettering.Type(script, 0)
    line = lettering.random_line(np.random.default_rng(script), style, 22, 300)
    assert line.coverage.shape[1] <= 300
    letters = {
        line.coverage[:, a:b].tobytes()
        for a, b in zip(line.letters[:-1], line.letters[1:], strict=True)
    }
    assert len(letters) > 4


def test_the_bars_of_a_code_are_as_many_as_a_scan_counts() -> None:
    """A defect of a bar code changes the code alone."""
    coverage = np.zeros((120, 120), np.uint8)
    artwork = plates.Artwork([plates.Plate(coverage, (0, 0, 0), True)], [])
    area = plates.Area(20, 10, 60, 100)
    codes.bars(np.random.default_rng(0), artwork, area, 0)
    assert (np.diff(coverage[30].astype(int)) > 60).sum() >= 8
    assert not coverage[:20].any()
    assert not coverage[80:].any()
    for (patch,) in artwork.defects:
        assert patch.place[0].start >= 20
        assert patch.place[0].stop <= 80
