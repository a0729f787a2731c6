"""Writes a user's own pairs as `schema` describes, once they are checked."""

import functools
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from etils import epath
from tqdm import tqdm

from cadnet_jax.datasets import check_report, checks, preparation, schema, worker_pool
from cadnet_jax.datasets.paired_folder.group_hints import suggest_groups
from cadnet_jax.datasets.paired_folder.pair_reading import (
    encode_files,
    examine_files,
)
from cadnet_jax.datasets.paired_folder.source import Source


class Builder(tfds.core.GeneratorBasedBuilder):
    """Writes the pairs of a `Source` and, in check/, what was found in them."""

    VERSION = tfds.core.Version('2.0.0')
    RELEASE_NOTES: ClassVar[dict[str, str]] = {
        '2.0.0': 'A drawn split depends on a group and the seed alone, so that pairs '
        'keep theirs when others are added.',
    }
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        'give the directory with manifest.csv, or with the folders of images, '
        'references and masks'
    )
    # TFDS looks in the wrong place for it where the package is installed editable.
    pkg_dir_path = epath.Path(__file__).parent

    def __init__(
        self, *, source: Source, workers: int | None = None, **options: Any
    ) -> None:
        """A builder.

        Args:
            source: what is prepared.
            workers: processes, which the data do not depend on; None for all cores.
            **options: of TFDS: `data_dir`.
        """
        self.options = {
            'source': f'{source.directory.resolve().name} ({len(source.pairs)} pairs, '
            f'{source.fingerprint})'
        }
        self._source = source
        self._workers = workers
        super().__init__(**options)

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            description="A user's own pairs of an image and its reference.",
            features=schema.features(),
            metadata=schema.Metadata(),
        )

    def _split_generators(
        self, dl_manager: tfds.download.DownloadManager
    ) -> dict[str, Iterator[tuple[str, dict[str, Any]]]]:
        del dl_manager
        report = check_source(self._source, workers=self._workers)
        # TFDS's stdout goes nowhere, see `preparation`.
        tqdm.write(check_report.format_table(report), file=sys.stderr)
        preparation.raise_problems(
            [finding.message for finding in report.errors],
            remedy='Correct them; experiments/check_data.py lists all with remedies.',
        )
        check_report.write(report, self.data_path / 'check')
        self.info.metadata.update(
            class_names=list(self._source.class_map.class_names),
            class_pixels={},
            options=self.options,
            statistics={},
        )
        return {split: self._generate_examples(split) for split in report.num_pairs}

    def _generate_examples(self, split: str) -> Iterator[tuple[str, dict[str, Any]]]:
        class_map = self._source.class_map
        pixels = np.zeros(len(class_map.class_names), np.int64)
        kinds: Counter[str] = Counter()
        of_split = [pair for pair in self._source.pairs if pair.split == split]
        encoded = worker_pool.map_in_order(
            functools.partial(encode_files, class_map), of_split, workers=self._workers
        )
        for pair in tqdm(
            encoded, desc=f'writing {split}', total=len(of_split), unit=' pairs'
        ):
            pixels += pair.class_pixels
            kinds[_kind(pair.class_pixels)] += 1
            yield (
                pair.files.id,
                {
                    'image': pair.image,
                    'reference': pair.reference,
                    'mask': pair.mask,
                    'id': pair.files.id,
                    'group': pair.files.group,
                },
            )
        metadata = self.info.metadata
        metadata['class_pixels'][split] = pixels.tolist()
        metadata['statistics'][split] = {'labels': dict(sorted(kinds.items()))}


def check_source(source: Source, *, workers: int | None = None) -> checks.Report:
    """Reads all pairs of `source` and looks for all faults of `checks.KINDS`."""
    examined = worker_pool.map_in_order(
        functools.partial(examine_files, source.class_map),
        source.pairs,
        workers=workers,
    )
    report = checks.summarize(
        tqdm(examined, desc='checking', total=len(source.pairs), unit=' pairs'),
        class_names=source.class_map.class_names,
    )
    report.findings.extend(
        checks.Finding('unused', '', '', str(path), f'{path}: belongs to no pair')
        for path in source.unused
    )
    report.findings.extend(
        checks.Finding('shares', '', '', '', text) for text in source.split_faults
    )
    ids = [pair.id for pair in source.pairs if pair.group == pair.id]
    if len(ids) == len(source.pairs) and (text := suggest_groups(ids)):
        report.findings.append(checks.Finding('ungrouped', '', '', '', text))
    return report


def _kind(class_pixels: list[int]) -> str:
    """What a pair is by its pixels of each class; those that are ignored are none."""
    if any(class_pixels[1:]):
        return 'defective'
    return 'defect-free' if class_pixels[0] else 'unlabelled'
