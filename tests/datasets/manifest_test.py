"""Claims about which files make pairs, whatever their names are, and about splits."""

import errno
import os
import pathlib
import shutil
import unicodedata
from collections import Counter
from typing import Any

import pytest

from cadnet_jax.datasets.paired_folder.manifest import (
    COLUMNS,
    Options,
    Source,
    draw_splits,
    init_manifest,
    read_source,
    share_faults,
)
from cadnet_jax.datasets.paired_folder.pair_reading import PairFiles
from tests.support.tiny_pairs import tiny_pair, write, write_classes, write_tiny_pairs

ONE_SPLIT = Options(splits={'train': 1})
IMAGE, REFERENCE, MASK = tiny_pair(0)


def write_images(folder: pathlib.Path, *names: str) -> None:
    for name in names:
        write(folder / name, IMAGE)
    if not (folder / 'classes.csv').exists():
        write_classes(folder)


def write_manifest(folder: pathlib.Path, *lines: str) -> pathlib.Path:
    path = folder / 'manifest.csv'
    path.write_text('\n'.join((','.join(COLUMNS), *lines)) + '\n')
    return path


def described(source: Source) -> set[tuple[str, ...]]:
    """Each pair as (id, reference, mask or what it is without one, group)."""
    return {
        (
            pair.id,
            pair.reference.relative_to(source.directory).as_posix(),
            pair.masks[0].path.relative_to(source.directory).as_posix()
            if pair.masks
            else pair.without_mask,
            pair.group,
        )
        for pair in source.pairs
    }


def test_folders_pair_files_of_equal_names(tmp_path: pathlib.Path) -> None:
    """Endings may differ; a folder of images is a group; a group may share one file."""
    write_images(
        tmp_path,
        *('image/a b.png', 'reference/a b.jpg', 'mask/a b.png'),
        *('image/bläck/1.PNG', 'image/bläck/2.png', 'reference/bläck.bmp'),
        *('mask/bläck/2.tif', 'reference/bläck/2.png'),
    )
    source = read_source(tmp_path, ONE_SPLIT._replace(without_mask='unlabelled'))
    assert described(source) == {
        ('image/a b', 'reference/a b.jpg', 'mask/a b.png', 'image/a b'),
        ('image/bläck/1', 'reference/bläck.bmp', 'unlabelled', 'bläck'),
        ('image/bläck/2', 'reference/bläck/2.png', 'mask/bläck/2.tif', 'bläck'),
    }
    assert not source.unused


def test_one_reference_can_be_that_of_all_images(tmp_path: pathlib.Path) -> None:
    """And folders can have other names."""
    write_images(tmp_path, 'NG/1.png', 'NG/2.png', 'golden.png', 'labels/1.png')
    options = ONE_SPLIT._replace(
        folders=('NG', 'golden', 'labels'), without_mask='defect_free'
    )
    expected = {
        ('NG/1', 'golden.png', 'labels/1.png', 'NG/1'),
        ('NG/2', 'golden.png', 'defect_free', 'NG/2'),
    }
    assert described(read_source(tmp_path, options)) == expected
    named = options._replace(folders=('NG', 'golden.png', 'labels'))
    assert described(read_source(tmp_path, named)) == expected
    write_images(tmp_path, 'golden.old.png')
    assert described(read_source(tmp_path, options)) == expected
    write_images(tmp_path, 'golden.jpg')
    with pytest.raises(ValueError, match=r'golden\.jpg: golden\.png has the same name'):
        read_source(tmp_path, options)


def test_one_reference_can_be_that_of_a_group(tmp_path: pathlib.Path) -> None:
    """Also of one that is found in the names; a reference of its own comes first."""
    write_images(tmp_path, 'image/1_a.png', 'image/2_a.png', 'image/2_b.png')
    write_images(tmp_path, 'reference/1.png', 'reference/2.png', 'reference/2_b.png')
    options = ONE_SPLIT._replace(without_mask='defect_free', group_by=r'(\d)_')
    source = read_source(tmp_path, options)
    assert described(source) == {
        ('image/1_a', 'reference/1.png', 'defect_free', '1'),
        ('image/2_a', 'reference/2.png', 'defect_free', '2'),
        ('image/2_b', 'reference/2_b.png', 'defect_free', '2'),
    }
    assert not source.unused


def test_what_belongs_to_no_pair_is_listed(tmp_path: pathlib.Path) -> None:
    write_tiny_pairs(tmp_path)
    (tmp_path / 'mask/3.png').rename(tmp_path / 'mask/3_mask.png')
    (tmp_path / 'image/notes.txt').write_text('')
    for name in ('.hidden', '._3.png', '._new.png'):  # companions of macOS
        (tmp_path / 'image' / name).write_text('')
    write(tmp_path / 'image/.ipynb_checkpoints/3.png', IMAGE)
    source = read_source(tmp_path, Options(without_mask='unlabelled'))
    names = {path.relative_to(tmp_path).as_posix() for path in source.unused}
    assert names == {'mask/3_mask.png', 'image/notes.txt'}
    assert len(source.pairs) == 10


@pytest.mark.parametrize(
    ('names', 'message'),
    [
        (['masks/1.png'], r'mask: no such folder.*--folders=image,reference,masks'),
        (['mask/1_mask.png'], r'1 files among the masks.*such as .*mask/1_mask\.png'),
        (['mask/0.png', 'mask/deep/1.png'], r'among the masks.*mask/deep/1\.png'),
    ],
)
def test_a_mask_that_is_not_found_makes_no_good_part(
    tmp_path: pathlib.Path, names: list[str], message: str
) -> None:
    """--without_mask=defect_free would make a good one of each defect."""
    pairs = [f'{folder}/{i}.png' for folder in ('image', 'reference') for i in range(3)]
    write_images(tmp_path, *pairs, *names)
    options = ONE_SPLIT._replace(without_mask='defect_free')
    with pytest.raises(ValueError, match=message) as error:
        read_source(tmp_path, options)
    assert str(tmp_path / 'image') in str(error.value)  # an example


def test_a_manifests_lost_mask_makes_no_good_part(tmp_path: pathlib.Path) -> None:
    write_images(tmp_path, 'a.png', 'b.png', 'r.png', 'm/a.png', 'm/b_mask.png')
    lines = 'image,reference,mask\na.png,r.png,m/a.png\nb.png,r.png,\n'
    (tmp_path / 'manifest.csv').write_text(lines)
    options = ONE_SPLIT._replace(without_mask='defect_free')
    with pytest.raises(ValueError, match=r'b\.png, but 1 files.*b_mask\.png'):
        read_source(tmp_path, options)


def test_good_parts_alone_need_no_folder_of_masks(tmp_path: pathlib.Path) -> None:
    write_images(tmp_path, 'image/1.png', 'reference/1.png')
    (tmp_path / 'notes').mkdir()
    options = ONE_SPLIT._replace(without_mask='defect_free')
    assert len(read_source(tmp_path, options).pairs) == 1


def test_what_a_first_manifest_leaves_out_is_said(tmp_path: pathlib.Path) -> None:
    """At once, and by every check that follows."""
    write_tiny_pairs(tmp_path)
    left = [
        (tmp_path / f'mask/{i}.png').rename(tmp_path / f'mask/{i}_mask.png')
        for i in range(3)
    ]
    for number in range(22):
        left.append(write(tmp_path / f'reference/r{number:02}.png', REFERENCE))
    (tmp_path / 'mask/notes.txt').write_text('')
    text = init_manifest(tmp_path, Options(without_mask='unlabelled')).describe()
    assert 'Pairs: 10; without a mask: 3' in text
    assert 'Files of no pair: 26: ' in text and text.endswith('; and 6 more')
    assert set(read_source(tmp_path, Options()).unused) == set(left)


def test_a_file_that_no_line_names_is_listed(tmp_path: pathlib.Path) -> None:
    """However a line writes its path; not what stands in other folders."""
    names = ('a/1.png', 'a/2.png', 'a/3.JPG', 'r/golden.png', 'r/old.png', 'b/4.png')
    write_images(tmp_path, *names, 'm.png')
    (tmp_path / 'a/link.png').symlink_to('2.png')
    (tmp_path / 'a/.hidden.png').write_text('')
    write_manifest(
        tmp_path,
        './a/1.png,b/../r/golden.png,m.png,,',
        'a/link.png,r/golden.png,defect_free,,',
    )
    source = read_source(tmp_path, ONE_SPLIT)
    names_left = [path.relative_to(tmp_path).as_posix() for path in source.unused]
    assert names_left == ['a/3.JPG', 'r/old.png']
    os.rename(tmp_path / 'a/3.JPG', os.fsencode(f'{tmp_path}/a/\udcff.png'))
    with pytest.raises(ValueError, match=r'udcff\.png.*: no name in UTF-8'):
        read_source(tmp_path, ONE_SPLIT)


def test_names_are_equal_in_either_form_of_unicode(tmp_path: pathlib.Path) -> None:
    """Else a mask from macOS would be missed, and its pair taken for defect-free."""
    composed, decomposed = (unicodedata.normalize(f, 'é') for f in ('NFC', 'NFD'))
    names = [f'image/{decomposed}.png', f'reference/{composed}.png']
    write_images(tmp_path, *names, f'mask/{composed}.png')
    source = read_source(tmp_path, ONE_SPLIT._replace(without_mask='defect_free'))
    id = f'image/{decomposed}'
    assert described(source) == {(id, names[1], f'mask/{composed}.png', id)}
    write_images(tmp_path, f'mask/{decomposed}.png')
    with pytest.raises(ValueError, match='has the same name'):
        read_source(tmp_path, ONE_SPLIT)


def test_a_folder_that_cannot_be_read_is_no_empty_one(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else all pairs would be taken for defect-free where masks are not readable."""
    write_tiny_pairs(tmp_path)
    scandir = os.scandir

    def denied(path: str) -> Any:
        if pathlib.Path(path).name == 'mask':
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scandir(path)

    monkeypatch.setattr(os, 'scandir', denied)
    with pytest.raises(PermissionError, match=r'denied: .*mask'):
        read_source(tmp_path, Options(without_mask='defect_free'))


def test_a_manifest_says_it_all(tmp_path: pathlib.Path) -> None:
    write_images(tmp_path, 'x, 1.png', 'y.png', 'z.png', 'ok/r.png', 'm.png')
    write_manifest(
        tmp_path,
        '"x, 1.png",ok/r.png,m.png,train,g',
        'y.png,ok/r.png,defect_free,test,h',
        'z.png,ok/r.png,unlabelled,test,',
    )
    source = read_source(tmp_path, Options())
    assert described(source) == {
        ('x, 1', 'ok/r.png', 'm.png', 'g'),
        ('y', 'ok/r.png', 'defect_free', 'h'),
        ('z', 'ok/r.png', 'unlabelled', 'z'),
    }
    assert [pair.split for pair in source.pairs] == ['train', 'test', 'test']


@pytest.mark.parametrize(
    ('mask', 'meant'),
    [
        ('Defect_Free', 'defect_free'),
        ('defect-free', 'defect_free'),
        ('DEFECT FREE', 'defect_free'),
        ('Unlabelled', 'unlabelled'),
        ('un-labelled', 'unlabelled'),
        ('unlabeled', 'unlabelled'),
    ],
)
def test_what_a_pair_without_a_mask_is_may_be_spelled_in_several_ways(
    mask: str, meant: str, tmp_path: pathlib.Path
) -> None:
    write_images(tmp_path, 'a.png', 'r.png')
    write_manifest(tmp_path, f'a.png,r.png,{mask},,')
    [pair] = read_source(tmp_path, ONE_SPLIT).pairs
    assert (pair.masks, pair.without_mask) == ((), meant)


def test_a_first_manifest_means_what_the_folders_mean(tmp_path: pathlib.Path) -> None:
    """Names with commas, quotes, Unicode; the classes as they are in the masks."""
    names = ('a,b', 'größe "1"', 'x y/1', 'x y/2')
    for name in names:
        write(tmp_path / f'image/{name}.png', IMAGE)
        write(tmp_path / f'reference/{name}.png', REFERENCE)
        write(tmp_path / f'mask/{name}.png', MASK)
    shutil.rmtree(tmp_path / 'mask/x y')
    options = Options(without_mask='unlabelled', splits={'train': 2, 'test': 1})
    first = init_manifest(tmp_path, options)
    written = first.written
    assert [path.name for path in written] == ['classes.csv', 'manifest.csv']
    assert 'Pairs: 4; without a mask: 2' in first.describe()
    from_manifest = read_source(tmp_path, Options())
    assert from_manifest.class_map.ids == {0: 0, 255: 1}
    written[1].unlink()
    from_folders = read_source(tmp_path, options)
    assert set(from_manifest.pairs) == set(from_folders.pairs)
    assert len(from_folders.pairs) == 4


def test_a_manifest_is_never_written_over(tmp_path: pathlib.Path) -> None:
    init_manifest(write_tiny_pairs(tmp_path), Options())
    before = (tmp_path / 'manifest.csv').read_bytes()
    with pytest.raises(ValueError, match=r'manifest\.csv already exists'):
        init_manifest(tmp_path, Options(split_seed=1))
    assert (tmp_path / 'manifest.csv').read_bytes() == before


def make_pairs(sizes: dict[str, int]) -> list[PairFiles]:
    path = pathlib.Path()
    return [
        PairFiles(f'{group}/{i}', path, path, (), 'defect_free', '', group)
        for group, size in sizes.items()
        for i in range(size)
    ]


@pytest.mark.parametrize('seed', range(5))
def test_splits_never_cut_through_a_group(seed: int) -> None:
    pairs = make_pairs({f'board {i}': 1 + i % 4 for i in range(400)})
    drawn = draw_splits(pairs, Options(split_seed=seed))
    assert {pair._replace(split='') for pair in drawn} == set(pairs)
    splits = {(pair.group, pair.split) for pair in drawn}
    assert len(splits) == 400
    counts = Counter(pair.split for pair in drawn)
    assert list(counts) == ['train', 'val', 'test']
    for split, share in (('train', 800), ('val', 100), ('test', 100)):
        assert abs(counts[split] - share) <= 60  # 4 deviations of such a draw
    assert share_faults(drawn, Options()) == []
    assert draw_splits(pairs[::-1], Options(split_seed=seed)) != pairs
    assert set(draw_splits(pairs[::-1], Options(split_seed=seed))) == set(drawn)
    assert set(draw_splits(pairs, Options(split_seed=seed + 1))) != set(drawn)


@pytest.mark.parametrize('seed', range(20))
def test_a_pair_keeps_its_split_when_others_are_added(seed: int) -> None:
    """Pairs of new groups, of old groups, and pairs that are taken away."""
    sizes = {f'board {i}': 1 + i % 3 for i in range(60)}
    options = Options(split_seed=seed, splits={'train': 60, 'val': 20, 'test': 20})

    def split_of(sizes: dict[str, int]) -> dict[str, str]:
        drawn = draw_splits(make_pairs(sizes), options)
        return {pair.id: pair.split for pair in drawn}

    before = split_of(sizes)
    more = split_of(sizes | {'a new one': 1, 'board 7': 5, 'board 60': 2})
    assert more.items() > before.items()
    fewer = split_of({group: n for group, n in sizes.items() if group[-1] != '3'})
    assert fewer.items() < before.items()


@pytest.mark.parametrize('seed', range(8))
@pytest.mark.parametrize('number', [3, 4, 7])
def test_of_few_groups_no_split_is_empty(seed: int, number: int) -> None:
    pairs = make_pairs({f'group {i}': 40 for i in range(number)})
    drawn = draw_splits(pairs, Options(split_seed=seed))
    counts = Counter(pair.split for pair in drawn)
    assert list(counts) == ['train', 'val', 'test'] and min(counts.values()) >= 40


def test_a_split_far_from_its_share_is_named() -> None:
    """One group has nearly all pairs: wherever it is, one split has too many."""
    pairs = make_pairs({'small': 5, 'large': 90, 'other': 5})
    for seed in range(8):
        options = Options(split_seed=seed)
        drawn = draw_splits(pairs, options)
        large = next(pair.split for pair in drawn if pair.group == 'large')
        faults = share_faults(drawn, options)
        assert bool(faults) == (large != 'train')
        if faults:
            assert any(f'{large!r} has 90 of 100 pairs instead' in f for f in faults)


def test_fewer_groups_than_splits_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r'2 groups \(.*\) cannot fill the 3 splits .*--group_by'
    ):
        draw_splits(make_pairs({'a': 50, 'b': 1}), Options())


def test_groups_can_be_part_of_the_names(tmp_path: pathlib.Path) -> None:
    write_images(tmp_path, 'image/b1_x.png', 'image/b1_y.png', 'image/b2_x.png')
    write_images(tmp_path, 'reference.png')
    options = ONE_SPLIT._replace(without_mask='defect_free')
    for group_by, expected in ((r'b\d', 'b1 b1 b2'), (r'b(\d).*', '1 1 2')):
        source = read_source(tmp_path, options._replace(group_by=group_by))
        assert [pair.group for pair in source.pairs] == expected.split()
    with pytest.raises(ValueError, match=r"b2_x\.png: 'b1' finds no group") as error:
        read_source(tmp_path, options._replace(group_by='b1'))
    assert 'b1_x' not in str(error.value)


OUTSIDE = ['../outside.png', '/outside.png', 'link.png', 'image/../../outside.png']


@pytest.mark.parametrize('path', OUTSIDE)
@pytest.mark.parametrize('column', ['image', 'reference', 'mask'])
def test_files_outside_are_refused_unless_they_are_allowed(
    path: str, column: str, tmp_path: pathlib.Path
) -> None:
    folder = tmp_path / 'pairs'
    write_images(folder, 'image/a.png')
    outside = write(tmp_path / 'outside.png', IMAGE)
    (folder / 'link.png').symlink_to(outside)
    row = dict.fromkeys(COLUMNS[:3], 'image/a.png') | {
        column: str(outside) if path.startswith('/') else path
    }
    write_manifest(folder, ','.join(row.values()) + ',,')
    with pytest.raises(ValueError, match='--allow_outside') as error:
        read_source(folder, ONE_SPLIT)
    assert pathlib.Path(path).name in str(error.value)
    [pair] = read_source(folder, ONE_SPLIT._replace(allow_outside=True)).pairs
    assert '..' not in pair.id.split('/') and not pair.id.startswith('/')


@pytest.mark.parametrize(
    ('lines', 'message'),
    [
        (['a.png,,m.png,,'], 'line 2: image or reference is empty'),
        (['a.png,r.png,,,'], r'a\.png: no mask.*--without_mask=defect_free'),
        (['a.png,r.png,m.png,,', 'a.png,m.png,m.png,,'], r'/a\.\*: there are 2 pairs'),
        (['a.png,r.png,m.png,all,'], "line 2: 'all' cannot be the name of a split"),
        (['a.png,r.png,m.png,All,'], "line 2: 'All' cannot be the name of a split"),
        (['a.png,r.png,m.png,a/b,'], "line 2: 'a/b' cannot be the name of a split"),
        ([f'a.png,r.png,m.png,{"a" * 41},'], f"'{'a' * 41}' cannot be the name"),
        (
            ['a.png,r.png,m.png,test,', 'r.png,a.png,m.png,Test,'],
            "line 3: the split 'Test' also appears with other capitals",
        ),
        (
            ['a.png,r.png,m.png,train,', 'r.png,r.png,m.png,,'],
            r'r\.png: no split, but other pairs have one',
        ),
        (['a.png,r.png,m.png'], 'line 2: not as many values'),
        (['a\0.png,r.png,m.png,,'], r"a\\x00\.png': no name in UTF-8"),
        ([], 'no pairs in it'),
        (['.,r.png,m.png,,', './,r.png,m.png,,'], 'there are 2 pairs'),
    ],
    ids=lambda value: value if isinstance(value, str) else '',
)
def test_a_bad_line_of_a_manifest_is_named(
    lines: list[str], message: str, tmp_path: pathlib.Path
) -> None:
    write_images(tmp_path, 'a.png', 'r.png', 'm.png')
    write_manifest(tmp_path, *lines)
    with pytest.raises(ValueError, match=message) as error:
        read_source(tmp_path, ONE_SPLIT)
    assert '\n' not in str(error.value) and str(tmp_path) in str(error.value)


def test_folders_that_make_no_pairs_are_named(tmp_path: pathlib.Path) -> None:
    write_images(tmp_path, 'A/1.png', 'B/1.png')
    with pytest.raises(FileNotFoundError, match=r'folders A, B; .* --folders=IMAGE'):
        read_source(tmp_path, Options())
    folders = Options(folders=('A', 'B', 'C'), without_mask='defect_free')
    write_images(tmp_path, 'A/2.png', 'A/1.jpg')
    with pytest.raises(ValueError) as error:
        read_source(tmp_path, folders)
    assert f'{tmp_path}/A/2.png: no reference B/2.*' in str(error.value)
    assert f'{tmp_path}/A/1.png: 1.jpg has the same name' in str(error.value)


def test_links_that_go_in_circles_are_named(tmp_path: pathlib.Path) -> None:
    write_tiny_pairs(tmp_path)
    (tmp_path / 'image/loop').symlink_to(tmp_path / 'image')
    with pytest.raises(ValueError, match='image/loop: a link to a folder'):
        read_source(tmp_path, Options())
    with pytest.raises(FileNotFoundError, match='no such directory'):
        (tmp_path / 'circle').symlink_to(tmp_path / 'circle')
        read_source(tmp_path / 'circle', Options())


@pytest.mark.parametrize('folder', ['image', 'mask'])
@pytest.mark.parametrize('ending', ['png', 'txt'])
def test_a_name_that_is_no_utf8_is_named(
    ending: str, folder: str, tmp_path: pathlib.Path
) -> None:
    write_tiny_pairs(tmp_path)
    name = f'/{folder}/\udcff.{ending}'
    os.rename(tmp_path / folder / '1.png', os.fsencode(f'{tmp_path}{name}'))
    os.rename(tmp_path / 'reference', tmp_path / 'other')
    write(tmp_path / 'reference.png', REFERENCE)
    options = Options(without_mask='defect_free')
    with pytest.raises(ValueError, match=rf'udcff\.{ending}.*: no name in UTF-8'):
        read_source(tmp_path, options)


def test_the_fingerprint_follows_what_is_prepared(tmp_path: pathlib.Path) -> None:
    write_tiny_pairs(tmp_path)
    first = read_source(tmp_path, Options())
    seen = {first.fingerprint}
    assert read_source(tmp_path, Options()).fingerprint in seen
    moved = shutil.copytree(tmp_path, tmp_path / 'elsewhere/x')
    assert read_source(moved, Options()).fingerprint in seen
    seen.add(read_source(tmp_path, Options(split_seed=1)).fingerprint)
    write_classes(tmp_path, '0,background', '255,dent')
    seen.add(read_source(tmp_path, Options()).fingerprint)
    write(tmp_path / 'mask/1.png', MASK * 0)
    seen.add(read_source(tmp_path, Options()).fingerprint)
    assert len(seen) == 4
