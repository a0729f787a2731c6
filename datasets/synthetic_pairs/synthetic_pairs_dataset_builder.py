"""Synthetic pairs: products of every kind, drawn, with and without a change.

Nothing is downloaded. Split `train` has the families of `composition.FAMILIES` in equal
shares, `val` those of `composition.HELD_OUT`, which are never trained on. With
`leave_out` a family moves from `train` to a split `test`.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from etils import epath
from tqdm import tqdm

from cadnet_jax.datasets import preparation, schema, worker_pool
from cadnet_jax.datasets.synthetic_pairs import composition, photographs
from cadnet_jax.datasets.synthetic_pairs.composition import (
    CLASS_NAMES,
    FAMILIES,
    HELD_OUT,
    Recipe,
    Tally,
)

COUNTS = range(12, 10_000_001)
SIZES = range(64, 1025, 32)
SEEDS = range(2**32)
WORKERS = range(1, 257)
_VALIDATION_SHARE = 40  # one pair of `val` or `test` for so many of `train`


class Builder(tfds.core.GeneratorBasedBuilder):
    """Writes synthetic pairs as `schema` describes."""

    VERSION = tfds.core.Version('1.2.0')
    # TFDS looks in the wrong place for it where the package is installed editable.
    pkg_dir_path = epath.Path(__file__).parent

    def __init__(
        self,
        *,
        count: int = 40_000,
        size: int = 256,
        seed: int = 0,
        leave_out: str = '',
        photo_dir: str = '',
        workers: int | None = None,
        **options: Any,
    ) -> None:
        """A builder.

        Args:
            count: pairs of the split `train`, rounded down to equal shares of families.
            size: pixels a side.
            seed: of all that is random; one seed, one data set.
            leave_out: a family that `train` lacks; '' for none.
            photo_dir: a folder of photographs that collages show too; '' for none.
            workers: processes, which the data do not depend on; None for all cores.
            **options: of TFDS: `data_dir`.

        Raises:
            FileNotFoundError: there is no `photo_dir`.
            ValueError: an option is out of range, or `photo_dir` holds no image, or one
                that cannot be read or is too small.
        """
        preparation.check_range('count', count, COUNTS)
        preparation.check_range('size', size, SIZES)
        preparation.check_range('seed', seed, SEEDS)
        if workers is not None:
            preparation.check_range('workers', workers, WORKERS)
        if leave_out and leave_out not in FAMILIES:
            raise ValueError(
                f'leave_out={leave_out} is invalid; it can be: {", ".join(FAMILIES)}.'
            )
        self.options: dict[str, Any] = {
            'count': count,
            'size': size,
            'seed': seed,
            'leave_out': leave_out,
        }
        if photo_dir:
            self.options['photographs'] = photographs.digest(photo_dir)
        self._photo_dir = photo_dir
        self._workers = workers
        super().__init__(**options)

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description='Drawn pairs of products of every kind, with changes.',
            features=schema.features(),
            metadata=schema.Metadata(),
        )

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Iterator[tuple[str, dict[str, Any]]]]:
        del dl_manager
        self.info.metadata.update(
            class_names=list(CLASS_NAMES),
            class_pixels={},
            options=self.options,
            statistics={},
        )
        recipes = self._recipes()
        return {
            split: self._generate_examples(split, recipes[split]) for split in recipes
        }

    def _generate_examples(
        self, split: str, recipes: list[Recipe]
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        pixels = np.zeros(len(CLASS_NAMES), np.int64)
        tally: Tally = Counter()
        samples = worker_pool.map_in_order(
            composition.compose_encoded, recipes, workers=self._workers
        )
        for sample in tqdm(
            samples, desc=f'writing {split}', total=len(recipes), unit=' pairs'
        ):
            pixels += sample.class_pixels
            tally += sample.tally
            yield (
                sample.recipe.id,
                {
                    'image': sample.image,
                    'reference': sample.reference,
                    'mask': sample.mask,
                    'id': sample.recipe.id,
                    'group': sample.recipe.family,
                },
            )
        self.info.metadata['class_pixels'][split] = pixels.tolist()
        nested: dict[str, dict[str, int]] = {what: {} for what, _ in sorted(tally)}
        for what, value in sorted(tally):
            nested[what][value] = tally[what, value]
        self.info.metadata['statistics'][split] = nested

    def _recipes(self) -> dict[str, list[Recipe]]:
        """Split -> its pairs, family after family."""
        count, size, seed, leave_out = (
            self.options[name] for name in ('count', 'size', 'seed', 'leave_out')
        )
        trained = [family for family in FAMILIES if family != leave_out]
        few = max(2 * len(HELD_OUT), count // _VALIDATION_SHARE)
        splits = {'train': (trained, count), 'val': (list(HELD_OUT), few)}
        if leave_out:
            splits['test'] = ([leave_out], few)
        return {
            split: [
                Recipe(family, number, size, seed, self._photo_dir)
                for family in families
                for number in range(total // len(families))
            ]
            for split, (families, total) in splits.items()
        }
