"""Which pairs are taken, of groups and shares that are written out by hand."""

import pytest

from cadnet_jax.data.selection import ALL, Selection, take_groups, take_share

GROUPS = ['a', 'b', 'a', 'c', 'b']


@pytest.mark.parametrize(
    ('selection', 'taken'),
    [
        (ALL, [0, 1, 2, 3, 4]),
        (Selection(groups=('b', 'c')), [1, 3, 4]),
        (Selection(leave_out=('b',)), [0, 2, 3]),
        (Selection(groups=('a', 'b'), leave_out=('b',)), [0, 2]),
    ],
)
def test_pairs_of_the_groups_are_taken_in_their_order(
    selection: Selection, taken: list[int]
) -> None:
    assert take_groups(GROUPS, selection, source='data') == taken


def test_a_group_that_is_not_there_is_named_and_twenty_are_listed() -> None:
    groups = [f'{number:02}' for number in range(21)]
    with pytest.raises(ValueError) as error:
        take_groups(groups, Selection(groups=('x',)), source='data')
    listed = ', '.join(groups[:20])
    assert str(error.value) == f"data: there is no group 'x'; there are: {listed}, ...."


def test_a_share_and_its_rest_are_the_whole() -> None:
    """Of 10 pairs a share of a quarter has 2; of a hundredth, one all the same."""
    indices = range(100, 110)
    for fraction, count in ((0.25, 2), (0.01, 1)):
        selection = Selection(fraction, seed=3)
        share = take_share(indices, selection, source='data')
        rest = take_share(indices, selection._replace(rest=True), source='data')
        assert len(share) == count
        assert sorted([*share, *rest]) == list(indices)


def test_the_whole_keeps_its_order() -> None:
    assert take_share([4, 2, 7], ALL, source='data') == [4, 2, 7]
