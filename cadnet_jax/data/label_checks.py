"""What the labels of a data set cannot teach, and which weights they cannot choose."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple


class LabelFault(NamedTuple):
    """A split whose labels lack something.

    Attributes:
        kind: 'unlearned': a class has no training pixel; 'no_choice': a split that
            chooses the best weights has no defect.
        split: which one.
        message: with the remedy.
    """

    kind: Literal['unlearned', 'no_choice']
    split: str
    message: str


def label_faults(
    class_names: Sequence[str],
    class_pixels: Mapping[str, Sequence[int]],
    *,
    train_split: str = 'train',
    eval_split: str = 'val',
) -> list[LabelFault]:
    """Looks at the pixels of each class in the splits that a run uses.

    Args:
        class_names: background first.
        class_pixels: split -> pixels of each class.
        train_split: what is learned from; if there is no such split, nothing is said
            about it.
        eval_split: what chooses the best weights, in the same way.
    """
    return [
        *_unlearned(class_names, class_pixels, train_split),
        *_no_choice(class_pixels, eval_split),
    ]


def _unlearned(
    class_names: Sequence[str], class_pixels: Mapping[str, Sequence[int]], split: str
) -> list[LabelFault]:
    pixels = class_pixels.get(split, ())
    missing = [i for i in range(1, len(pixels)) if not pixels[i]]
    if len(missing) == len(pixels) - 1:
        message = (
            f'no pixel of {split!r} is labeled as a defect: give masks, or train with '
            '--paint_defects, which paints changes into good pairs (prepared with '
            '--without_mask=defect_free)'
        )
        return [LabelFault('unlearned', split, message)] if missing else []
    faults = []
    for index in missing:
        others = [
            f'{counts[index]:,} in {name!r}'
            for name, counts in class_pixels.items()
            if counts[index]
        ]
        message = (
            f'the class {class_names[index]!r} has no pixel in {split!r} '
            f'({", ".join(others) or "nor elsewhere"}), so it is not learned: move '
            'pairs with it there (column split of the manifest, --splits, '
            '--split_seed), or give it the name of another class in classes.csv'
        )
        faults.append(LabelFault('unlearned', split, message))
    return faults


def _no_choice(
    class_pixels: Mapping[str, Sequence[int]], split: str
) -> list[LabelFault]:
    if split not in class_pixels or any(class_pixels[split][1:]):
        return []
    message = (
        f'no pixel of {split!r} is labeled as a defect, so its scores cannot choose '
        "the best weights: 'best' are then the last ones evaluated. Move pairs with a "
        'defect there, or name another split by --eval_split'
    )
    return [LabelFault('no_choice', split, message)]
