"""Claims about what the labels of a data set cannot teach or choose."""

import pytest

from cadnet_jax.data.label_checks import label_faults

NAMES = ('background', 'dirt', 'crack')


@pytest.mark.parametrize(
    ('pixels', 'faults'),
    [
        ({'train': [9, 1, 1], 'val': [9, 1, 0]}, []),
        ({'train': [9, 1, 1]}, []),
        ({'test': [9, 0, 0]}, []),
        ({'train': [9, 1, 0], 'val': [9, 1, 0]}, ['unlearned train']),
        ({'train': [9, 1, 1], 'val': [9, 0, 0]}, ['no_choice val']),
        ({'train': [9, 0, 0], 'val': [9, 0, 0]}, ['unlearned train', 'no_choice val']),
    ],
)
def test_splits_that_lack_something_are_found(
    pixels: dict[str, list[int]], faults: list[str]
) -> None:
    found = label_faults(NAMES, pixels)
    assert [f'{fault.kind} {fault.split}' for fault in found] == faults


def test_a_class_without_a_training_pixel_is_named_with_where_it_is() -> None:
    (fault,) = label_faults(NAMES, {'train': [9, 1, 0], 'test': [9, 1, 1200]})
    assert (
        "the class 'crack' has no pixel in 'train' (1,200 in 'test')" in fault.message
    )
    assert '--split_seed' in fault.message


def test_the_splits_of_a_run_are_named() -> None:
    (fault,) = label_faults(
        NAMES, {'a': [9, 1, 1], 'b': [9, 0, 0]}, train_split='a', eval_split='b'
    )
    assert "no pixel of 'b'" in fault.message and '--eval_split' in fault.message
