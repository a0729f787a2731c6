"""SynLCD: generated pairs of a defective LCD screen and its clean display pattern.

`Builder` is imported when it is first used: worker processes import this package, and
TFDS would slow their start.
"""

from typing import TYPE_CHECKING

__all__ = ['Builder']

if TYPE_CHECKING:
    from cadnet_jax.datasets.synlcd.synlcd_dataset_builder import Builder
else:

    def __getattr__(name: str) -> object:
        if name == 'Builder':
            from cadnet_jax.datasets.synlcd import synlcd_dataset_builder

            return synlcd_dataset_builder.Builder
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
