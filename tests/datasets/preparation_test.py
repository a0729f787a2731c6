"""Claims about preparation for data that are generated: options, shuffling, disk."""

import errno
import json
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tensorflow_datasets as tfds
from etils import epath
from tensorflow_datasets.core import shuffle
from tensorflow_datasets.core.example_serializer import ExampleSerializer

from cadnet_jax.datasets import preparation, schema, tfds_patches

PAIRS = 30


class Numbered(tfds.core.GeneratorBasedBuilder):
    """Pairs of 8 x 8 pixels with their number in them."""

    VERSION = tfds.core.Version('1.0.0')
    pkg_dir_path = pathlib.Path(__file__).parent

    def __init__(self, *, shade: int = 0, **options: Any) -> None:
        self.options = {'shade': shade}
        super().__init__(**options)

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(
            builder=self,
            features=schema.features(),
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager: Any) -> dict[str, Iterator[Any]]:
        self.info.metadata.update(
            class_names=['background', 'dirt'],
            class_pixels={'train': [64 * PAIRS, 0]},
            options=self.options,
            statistics={'train': {'size (pixels)': {'8': PAIRS}}},
        )
        return {'train': self._generate_examples()}

    def _generate_examples(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for number in range(PAIRS):
            image = np.full((8, 8, 3), number + self.options['shade'], np.uint8)
            mask = np.zeros((8, 8), np.uint8)
            id = f'pair_{number}'
            yield id, schema.example(image, image, mask, id=id, group='all')


def values(prepared: pathlib.Path) -> dict[str, int]:
    """The gray level of each pair, by id, in the order of the records."""
    source = tfds.builder_from_directory(prepared).as_data_source('train')
    return {pair['id'].decode(): int(pair['image'].max()) for pair in source}


def test_a_split_that_does_not_fit_in_memory_is_shuffled_through_files(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The records come out as without files, in the same order."""
    in_memory = preparation.prepare(Numbered, tmp_path / 'a')
    buckets: list[str] = []
    write = tfds_patches.Bucket.write

    def counted(self: Any, data: bytes) -> None:
        buckets.append(str(self._path))
        write(self, data)

    monkeypatch.setattr(tfds_patches.Bucket, 'write', counted)
    monkeypatch.setattr(tfds_patches, 'IN_MEMORY', 2000)
    through_files = preparation.prepare(Numbered, tmp_path / 'b')
    assert len(set(buckets)) > 10
    assert values(through_files) == {f'pair_{i}': i for i in range(PAIRS)}
    assert list(values(through_files)) == list(values(in_memory))
    for path in in_memory.iterdir():
        assert (through_files / path.name).read_bytes() == path.read_bytes()
    assert not list(tmp_path.rglob('*.tmp'))


def test_shuffling_through_files_opens_one_at_a_time(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process may often open no more than 1,024, and TFDS wants 1,000."""
    most = 0
    write = tfds_patches.Bucket.write

    def counted(self: Any, data: bytes) -> None:
        nonlocal most
        names = [os.path.realpath(p) for p in pathlib.Path('/proc/self/fd').iterdir()]
        most = max(most, sum('bucket_' in name for name in names))
        write(self, data)

    monkeypatch.setattr(tfds_patches.Bucket, 'write', counted)
    monkeypatch.setattr(tfds_patches, 'IN_MEMORY', 2000)
    preparation.prepare(Numbered, tmp_path)
    assert most <= 1


def test_what_a_killed_run_left_is_removed(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After `kill -9` nothing was tidied up: here what would do it does nothing."""

    def killed(self: Numbered) -> Iterator[Any]:
        yield from ()
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Numbered, '_generate_examples', killed)
        patched.setattr(type(epath.Path(tmp_path)), 'rmtree', lambda path: None)
        with pytest.raises(KeyboardInterrupt):
            preparation.prepare(Numbered, tmp_path)
    [left] = (tmp_path / 'numbered').iterdir()
    assert left.name.startswith('incomplete.')
    prepared = preparation.prepare(Numbered, tmp_path)
    assert list((tmp_path / 'numbered').iterdir()) == [prepared]


@pytest.mark.parametrize('moved', ['before', 'after'])
def test_what_a_killed_overwrite_left_is_removed_though_all_is_prepared(
    moved: str, tmp_path: pathlib.Path
) -> None:
    """Whether it was killed before or after the new data had their name."""
    prepared = preparation.prepare(Numbered, tmp_path)
    previous = prepared.with_name('1.0.0.previous')
    if moved == 'before':
        prepared.rename(previous)
        prepared.with_name('incomplete.ABC_1.0.0').mkdir()
    else:
        previous.mkdir()
    assert preparation.prepare(Numbered, tmp_path) == prepared
    assert list((tmp_path / 'numbered').iterdir()) == [prepared]
    assert len(values(prepared)) == PAIRS


def test_tfds_is_left_as_it_was(tmp_path: pathlib.Path) -> None:
    before = shuffle.tf, shuffle.MAX_MEM_BUFFER_SIZE
    serialize = ExampleSerializer.serialize_example
    preparation.prepare(Numbered, tmp_path)
    assert (shuffle.tf, shuffle.MAX_MEM_BUFFER_SIZE) == before
    assert ExampleSerializer.serialize_example is serialize


@pytest.mark.parametrize(
    'error',
    [
        OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), 'bucket_1.tmp'),
        # What the writer of array_record files raises, in C++.
        RuntimeError('close() failed: No space left on device; writing a.array_record'),
    ],
    ids=['python', 'c++'],
)
@pytest.mark.parametrize('overwrite', [False, True])
def test_a_full_disk_ends_in_one_line_and_leaves_what_was_there(
    error: Exception,
    overwrite: bool,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(self: Any, data: bytes) -> None:
        raise error

    if overwrite:
        preparation.prepare(Numbered, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(tfds_patches.Bucket, 'write', full)
        patch.setattr(tfds_patches, 'IN_MEMORY', 2000)
        with pytest.raises(OSError, match='no space left on the disk') as caught:
            preparation.prepare(Numbered, tmp_path, overwrite=overwrite)
    assert caught.value.filename == str(tmp_path)
    assert '\n' not in str(caught.value)
    left = [path.name for path in (tmp_path / 'numbered').iterdir()]
    assert left == (['1.0.0'] if overwrite else [])
    assert len(values(preparation.prepare(Numbered, tmp_path))) == PAIRS


def test_other_errors_are_not_taken_for_a_full_disk(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(self: Any, data: bytes) -> None:
        raise PermissionError(errno.EACCES, 'Permission denied', 'bucket_1.tmp')

    monkeypatch.setattr(tfds_patches.Bucket, 'write', denied)
    monkeypatch.setattr(tfds_patches, 'IN_MEMORY', 2000)
    with pytest.raises(PermissionError, match='Permission denied'):
        preparation.prepare(Numbered, tmp_path)


def make_shaded(**options: Any) -> Numbered:
    return Numbered(shade=100, **options)


def test_other_options_than_those_of_what_is_prepared_are_refused(
    tmp_path: pathlib.Path,
) -> None:
    prepared = preparation.prepare(Numbered, tmp_path)
    changed = prepared.stat().st_mtime_ns
    assert preparation.prepare(Numbered, tmp_path) == prepared, 'the same are not'
    with pytest.raises(
        ValueError, match=r'with shade=0, not with shade=100\..*--overwrite'
    ) as caught:
        preparation.prepare(make_shaded, tmp_path)
    assert str(prepared) in str(caught.value) and '\n' not in str(caught.value)
    assert prepared.stat().st_mtime_ns == changed
    preparation.prepare(make_shaded, tmp_path, overwrite=True)
    assert values(prepared)['pair_7'] == 107
    metadata = json.loads((prepared / 'metadata.json').read_text())
    assert metadata['options'] == {'shade': 100}


def test_a_source_is_refused_where_data_are_generated(tmp_path: pathlib.Path) -> None:
    with pytest.raises(ValueError, match='numbered: its data are generated'):
        preparation.prepare(Numbered, tmp_path / 'data', source_dir=tmp_path)
    assert not (tmp_path / 'data').exists()


def test_a_flipped_bit_in_what_is_prepared_is_named(tmp_path: pathlib.Path) -> None:
    prepared = preparation.prepare(Numbered, tmp_path)
    assert preparation.check_prepared(prepared).num_pairs == {'train': PAIRS}
    (shard,) = prepared.glob('*-train*')
    data = bytearray(shard.read_bytes())
    data[1000] ^= 1
    shard.write_bytes(data)
    with pytest.raises(ValueError, match=r'split train: .* are damaged: prepare'):
        preparation.check_prepared(prepared)


def test_the_description_has_pairs_pixels_and_statistics(
    tmp_path: pathlib.Path,
) -> None:
    text = preparation.describe(preparation.prepare(Numbered, tmp_path))
    *lines, last = text.splitlines()
    assert last.startswith("warning: no pixel of 'train' is labeled as a defect")
    assert [line.split() for line in lines] == [
        ['train'],
        ['pairs', '30'],
        ['pixels', 'of', 'background', '1,920'],
        ['pixels', 'of', 'dirt', '0'],
        ['size', '(pixels)', '8'],
        ['train', '30'],
    ]
