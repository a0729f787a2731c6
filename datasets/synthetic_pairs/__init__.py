"""Pairs of every kind, drawn: the training data of the released weights.

`Builder` is imported when it is first used: worker processes import this package, and
TFDS would slow their start.
"""

from typing import TYPE_CHECKING

__all__ = ['Builder']

if TYPE_CHECKING:
    from cadnet_jax.datasets.synthetic_pairs.synthetic_pairs_dataset_builder import (
        Builder,
    )
else:

    def __getattr__(name: str) -> object:
        if name == 'Builder':
            from cadnet_jax.datasets.synthetic_pairs import (
                synthetic_pairs_dataset_builder,
            )

            return synthetic_pairs_dataset_builder.Builder
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
