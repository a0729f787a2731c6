"""The record that a checkpoint keeps of itself: step, and a digest of each item.

A changed bit in compressed weights is often decoded without an error, and a weight that
is no number gives a network that finds no defect. What is read is therefore compared
with what was written.
"""

import hashlib
import json
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

_DIGITS = 32  # of a SHA-256, which is 64 hexadecimal digits long


def make_record(step: int, items: Mapping[str, Any], **values: Any) -> dict[str, Any]:
    """What is written beside the items of a checkpoint.

    Args:
        step: number of steps done.
        items: name -> tree of arrays and numbers.
        **values: what JSON can hold: what else is kept.
    """
    digests = {name: _item_digest(tree) for name, tree in items.items()}
    record = {**values, 'step': step, 'digests': digests}
    return record | {'digest': _text_digest(record)}


def check_record(
    record: Mapping[str, Any], folder: pathlib.Path, items: Mapping[str, Any]
) -> None:
    """Compares what was read of a checkpoint with its record.

    Args:
        record: as read; one of an earlier version has no digests, and says nothing.
        folder: of the checkpoint, named after its step.
        items: what was read; others are not compared.

    Raises:
        ValueError: the record or an item has changed since it was written, or the
            folder is a copy of another step.
    """
    if not {'digest', 'digests', 'step'} & record.keys():
        return
    rest = {name: value for name, value in record.items() if name != 'digest'}
    if record.get('digest') != _text_digest(rest):
        raise ValueError('its record has changed since it was written')
    if str(record['step']) != folder.name:
        raise ValueError(
            f'it is the checkpoint of step {record["step"]}, copied or renamed'
        )
    for name, tree in items.items():
        if record['digests'].get(name) != _item_digest(tree):
            raise ValueError(f'{name} has changed since it was written')


def tree_digest(tree: Any) -> str:
    """SHA-256 of all leaves of a tree: their names, types, shapes and values."""
    state = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        array = np.asarray(leaf)
        about = jax.tree_util.keystr(path), array.dtype.name, array.shape
        state.update(repr(about).encode())
        state.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8).data)
    return state.hexdigest()


def not_finite(tree: Any) -> str | None:
    """Name of the first array with a value that is no number or infinite, or None."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(tree):
        if not np.isfinite(leaf).all():
            return str(jax.tree_util.keystr(path, simple=True, separator='/'))
    return None


def _item_digest(tree: Any) -> str:
    return tree_digest(tree)[:_DIGITS]


def _text_digest(values: Mapping[str, Any]) -> str:
    text = json.dumps(values, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
