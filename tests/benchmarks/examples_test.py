"""Example parts: counts of the network and of differencing, and the page."""

import dataclasses
import pathlib
from typing import Any

import cv2
import jax.numpy as jnp
import numpy as np
import pytest

from cadnet_jax.benchmarks import example_page, examples
from cadnet_jax.benchmarks.examples import Found
from cadnet_jax.config import Config
from cadnet_jax.data.transforms import Pair
from cadnet_jax.datasets.example_parts import draw_parts
from cadnet_jax.inference.predictor import Predictor, make_predictor
from cadnet_jax.models.cadnet import Features, Outputs
from tests.support.tiny_run import Differencing


class Marks(Differencing):
    """A network that marks what differs by half of the range of normalized values."""

    def compare(self, image: Features, reference: Features, **options: Any) -> Outputs:
        del options
        distance = jnp.mean(jnp.abs(image[0] - reference[0]), axis=-1)
        logits = jnp.stack([jnp.full_like(distance, 0.5), distance], axis=-1)
        return Outputs(100 * logits, distance, ())


def predictor() -> Predictor:
    names = ('background', 'defect')
    return dataclasses.replace(
        make_predictor(Config(), names, {'params': {}}, workdir='run', step=7),
        model=Marks(),
    )


def board() -> np.ndarray:
    """Rectangles that registration can hold on to."""
    image = np.full((160, 160, 3), 60, np.uint8)
    for top, left in ((20, 20), (30, 100), (100, 30), (110, 110)):
        cv2.rectangle(image, (left, top), (left + 30, top + 20), (200, 180, 90), -1)
    return image


def part(*, defect: bool, shift: int = 0) -> Pair:
    """A part that lies `shift` pixels to the right, with one defect or none."""
    image, mask = board(), np.zeros((160, 160), np.uint8)
    if defect:
        image[70:80, 70:80] = 255
        mask[70:80, 70:80] = 1
    image, mask = (np.roll(x, shift, axis=1) for x in (image, mask))
    image[0, 0] += 1  # a picture of its own
    return Pair(image, board(), mask)


def test_found_missed_and_false_are_counted_where_the_part_lies() -> None:
    """The network of these tests marks what differs clearly, as differencing does."""
    drawn = {
        'good': part(defect=False),
        'bad': part(defect=True),
        'moved': part(defect=True, shift=3),
    }
    parts, differencing = examples.inspect_examples(predictor(), drawn)
    assert [part.inspection.verdict for part in parts] == ['OK', 'NG', 'NG']
    assert [part.difference_verdict for part in parts] == ['OK', 'NG', 'NG']
    assert [part.network for part in parts] == [(0, 0, 0), (1, 0, 0), (1, 0, 0)]
    assert [part.differencing for part in parts] == [(0, 0, 0), (1, 0, 0), (1, 0, 0)]
    assert differencing.threshold < 195  # gray levels of the defect
    label = examples.label_over_reference(parts[2].pair, parts[2].inspection)
    assert (label[72:78, 72:78] == 1).all() and (label == 1).sum() <= 120


def test_totals_add_up() -> None:
    assert examples.total([Found(1, 2, 3), Found(4, 0, 1)]) == (5, 2, 4)


def test_a_part_that_lies_elsewhere_is_invalid_and_nothing_is_found() -> None:
    drawn = part(defect=True)._replace(image=board()[:, ::-1].copy())
    parts, _ = examples.inspect_examples(predictor(), {'elsewhere': drawn})
    assert parts[0].inspection.verdict == 'INVALID'
    assert parts[0].difference_verdict == 'INVALID'
    assert parts[0].network == parts[0].differencing == (0, 1, 0)


def test_the_page_and_the_table_name_each_part(tmp_path: pathlib.Path) -> None:
    drawn = {'good': part(defect=False), 'bad': part(defect=True)}
    parts, differencing = examples.inspect_examples(predictor(), drawn)
    example_page.write_page(tmp_path / 'page.html', parts, differencing)
    page = (tmp_path / 'page.html').read_text()
    assert page.count('<img') == 10 and 'src="http' not in page
    lines = example_page.table(parts)
    assert [line.split() for line in lines[2:]] == [
        ['good', 'OK', *'000', 'OK', *'000'],
        ['bad', 'NG', *'100', 'NG', *'100'],
        ['all', *'100100'],
    ]


@pytest.mark.slow
def test_the_parts_of_the_quickstart_are_good_and_bad() -> None:
    """Twelve, the same each time; a label where there is a defect."""
    drawn = draw_parts(board())
    bad = [name for name, pair in drawn.items() if (pair.mask == 1).any()]
    assert len(drawn) == 12
    assert bad == ['board 2', 'screen 2', 'panel 3', 'panel 4', 'pack 3', 'pack 4']
    again = draw_parts(board())
    assert list(again) == list(drawn)
    for name, pair in drawn.items():
        for array, same in zip(pair, again[name], strict=True):
            np.testing.assert_array_equal(array, same)
