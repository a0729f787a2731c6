"""Claims about disturbances of an inspected image."""

import numpy as np
import pytest

from cadnet_jax.data import nuisance


def pair(size: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """A gray plate with a bright square, which is the defect."""
    image = np.full((size, size, 3), 100, np.uint8)
    mask = np.zeros((size, size), np.uint8)
    image[20:32, 24:40] = 220
    mask[20:32, 24:40] = 1
    return image, mask


@pytest.mark.parametrize('name', nuisance.NAMES)
def test_a_disturbance_changes_the_image_and_is_drawn_from_its_seed(name: str) -> None:
    image, mask = pair()
    first, label = nuisance.disturb(name, image, mask, np.random.default_rng(3))
    again, _ = nuisance.disturb(name, image, mask, np.random.default_rng(3))
    np.testing.assert_array_equal(first, again)
    assert (first != image).any()
    assert first.dtype == label.dtype == np.uint8
    assert image[0, 0, 0] == 100  # what was given is left as it is


@pytest.mark.parametrize('name', ['shift', 'turn', 'pku'])
def test_the_label_moves_with_the_image(name: str) -> None:
    """The bright square is where the label says, but for its rim."""
    image, mask = pair()
    moved, label = nuisance.disturb(name, image, mask, np.random.default_rng(0))
    level = np.median(moved[label == 0].mean(axis=-1))
    bright = moved.mean(axis=-1) > level + 45
    known = label != 255
    assert (bright[known] != (label[known] == 1)).mean() < 0.02
    assert bright.any()


def test_a_shift_is_two_pixels_to_the_right_and_what_comes_in_is_ignored() -> None:
    image, mask = pair()
    moved, label = nuisance.disturb('shift', image, mask, np.random.default_rng(0))
    np.testing.assert_array_equal(moved[:, 2:], image[:, :-2])
    np.testing.assert_array_equal(label[:, 2:], mask[:, :-2])
    assert (label[:, :2] == 255).all()


@pytest.mark.parametrize(('name', 'expected'), [('brightness', 125), ('gain', 80)])
def test_levels_change_as_they_are_said_to(name: str, expected: int) -> None:
    image, mask = pair()
    changed, _ = nuisance.disturb(name, image, mask, np.random.default_rng(0))
    assert (changed[0, 0] == expected).all()


def test_an_unknown_disturbance_is_refused() -> None:
    image, mask = pair()
    with pytest.raises(ValueError, match="nuisance 'fog' is invalid; it can be: bri"):
        nuisance.disturb('fog', image, mask, np.random.default_rng(0))
