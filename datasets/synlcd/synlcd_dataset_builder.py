"""SynLCD: synthetic defects of LCD screens, after Table 1 of the paper.

Nothing is downloaded: ten display patterns are drawn, and lines and abnormal points
laid over them. Configs: `line`, `abpt`, and `mixed` with both in every defective
sample. Splits: `train` has the patterns 1 to 7, `test` 8 to 10. For each pattern there
are `count` defective samples and as many defect-free ones, which are disturbed alike.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from etils import epath
from tqdm import tqdm

from cadnet_jax.datasets import preparation, schema, worker_pool
from cadnet_jax.datasets.encoding import encode_png
from cadnet_jax.datasets.synlcd import composition, patterns
from cadnet_jax.datasets.synlcd.composition import CLASS_NAMES, Recipe, Tally

COUNTS = range(1, 10_001)
SIZES = range(64, 4097, 32)
SEEDS = range(2**32)
WORKERS = range(1, 257)

_SPLITS = {'train': patterns.TRAIN, 'test': patterns.TEST}
_CITATION = """\
@article{liu2024change,
  title={Change-Aware Siamese Network for Surface Defects Segmentation under Complex
    Background},
  author={Liu, Biyuan and Chen, Huaixin and Zhan, Huiyao and Luo, Sijie and Huang, Zhou
    and Cheng, Hao},
  year={2024}
}"""


class Builder(tfds.core.GeneratorBasedBuilder):
    """Writes SynLCD as `schema` describes."""

    VERSION = tfds.core.Version('3.0.0')
    BUILDER_CONFIGS = [  # noqa: RUF012 (TFDS reads it off the class)
        tfds.core.BuilderConfig(name='line', description='Line defects.'),
        tfds.core.BuilderConfig(name='abpt', description='Abnormal points.'),
        tfds.core.BuilderConfig(name='mixed', description='Lines and points together.'),
    ]
    # TFDS looks in the wrong place for it where the package is installed editable.
    pkg_dir_path = epath.Path(__file__).parent

    def __init__(
        self,
        *,
        count: int = 300,
        size: int = 512,
        seed: int = 0,
        workers: int | None = None,
        **options: Any,
    ) -> None:
        """A builder.

        Args:
            count: defective samples of each pattern, and as many defect-free ones.
            size: pixels a side.
            seed: of all that is random; one seed, one data set.
            workers: processes, which the data do not depend on; None for all cores.
            **options: of TFDS: `data_dir` and `config`.

        Raises:
            ValueError: an option is out of range.
        """
        preparation.check_range('count', count, COUNTS)
        preparation.check_range('size', size, SIZES)
        preparation.check_range('seed', seed, SEEDS)
        if workers is not None:
            preparation.check_range('workers', workers, WORKERS)
        self.options = {'count': count, 'size': size, 'seed': seed}
        self._workers = workers
        super().__init__(**options)

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description='Synthetic line defects and abnormal points on LCD screens.',
            features=schema.features(),
            homepage='https://github.com/qaz670756/CADNet',
            citation=_CITATION,
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
        return {split: self._generate_examples(split) for split in _SPLITS}

    def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        pixels = np.zeros(len(CLASS_NAMES), np.int64)
        tally: Tally = Counter({('samples', 'patterns'): len(_SPLITS[split])})
        recipes = self._recipes(split)
        samples = worker_pool.map_in_order(
            composition.compose_encoded, recipes, workers=self._workers
        )
        pattern, reference = '', b''
        for sample in tqdm(
            samples, desc=f'writing {split}', total=len(recipes), unit=' pairs'
        ):
            recipe = sample.recipe
            if recipe.pattern != pattern:
                pattern = recipe.pattern
                reference = encode_png(patterns.draw(pattern, recipe.size))
            pixels += sample.class_pixels
            tally += sample.tally
            yield (
                recipe.id,
                {
                    'image': sample.image,
                    'reference': reference,
                    'mask': sample.mask,
                    'id': recipe.id,
                    'group': pattern,
                },
            )
        self.info.metadata['class_pixels'][split] = pixels.tolist()
        self.info.metadata['statistics'][split] = _nested(tally)

    def _recipes(self, split: str) -> list[Recipe]:
        kind = self.builder_config.name
        count, size, seed = (self.options[key] for key in ('count', 'size', 'seed'))
        return [
            Recipe(kind, pattern, number, defective, size, seed)
            for pattern in _SPLITS[split]
            for number in range(count)
            for defective in (True, False)
        ]


def _nested(tally: Tally) -> dict[str, dict[str, int]]:
    """{what: {value: how many}}, with values in ascending order, as text for JSON."""
    nested: dict[str, dict[str, int]] = {what: {} for what, _ in tally}
    for what, value in sorted(tally):
        nested[what][str(value)] = tally[what, value]
    return nested
