"""Claims about the splits that are drawn."""

import pathlib
from collections import Counter

import pytest

from cadnet_jax.datasets.paired_folder.options import Options
from cadnet_jax.datasets.paired_folder.pair_files import PairFiles
from cadnet_jax.datasets.paired_folder.splits import (
    draw_splits,
    move_faults,
    share_faults,
)


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


@pytest.mark.parametrize('seed', range(20))
def test_a_group_that_may_lose_its_split_is_named(seed: int) -> None:
    """Of few groups; when others are added, no group that is not named moves."""
    options, boards = Options(split_seed=seed), [f'board_{i}' for i in range(4)]

    def drawn(number: int) -> list[PairFiles]:
        more = [f'other_{i}' for i in range(number)]
        return draw_splits(make_pairs(dict.fromkeys(boards + more, 1)), options)

    few, many = drawn(0), drawn(60)
    split_of = {pair.group: pair.split for pair in many}
    moved = [pair.group for pair in few if pair.split != split_of[pair.group]]
    named = [fault.split("'")[1] for fault in move_faults(few, options)]
    assert sorted(named) == sorted(moved)
    assert all('manifest.csv before' in fault for fault in move_faults(few, options))
    assert not move_faults(many, options)


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
