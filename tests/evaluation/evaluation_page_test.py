"""The page of an evaluation: the worst pairs first, all of them listed."""

import pathlib
import re

import numpy as np

from cadnet_jax.data.prepared_set import read_info
from cadnet_jax.evaluation.evaluate import evaluate
from cadnet_jax.evaluation.evaluation_page import PAGE_FILE, PairLine, PairList
from cadnet_jax.evaluation.metrics import count
from cadnet_jax.evaluation.predictions import EvaluatedPair
from cadnet_jax.inference.decision import PixelScores
from tests.support.tiny_data import prepare_tiny
from tests.support.tiny_run import differencing_predictor

NAMES = 'background', 'defect'


def pair(id: str, label: np.ndarray, prediction: np.ndarray) -> EvaluatedPair:
    image = np.full((*label.shape, 3), 99, np.uint8)
    score = prediction.astype(np.float32)
    scores = PixelScores(score, prediction, score, prediction, None)
    return EvaluatedPair(
        id, 'group', image, image, label, label, None, prediction, scores
    )


def squares(*places: int) -> np.ndarray:
    """Squares of 4 x 4 pixels at columns of a strip."""
    strip = np.zeros((12, 60), np.uint8)
    for x in places:
        strip[4:8, x : x + 4] = 1
    return strip


def listed(**pairs: tuple[np.ndarray, np.ndarray]) -> PairList:
    found = PairList(NAMES, pictured=True)
    for id, (label, prediction) in pairs.items():
        found.add(pair(id, label, prediction), count(label, prediction, len(NAMES)))
    return found


def test_a_line_counts_what_was_missed_and_what_was_false() -> None:
    (line,) = listed(a=(squares(2, 20), squares(20, 50))).lines
    assert line == PairLine('a', 'group', 2, 1, 1, 16 / 48)


def test_a_pair_that_is_a_group_of_its_own_has_no_scores_of_a_group() -> None:
    pairs = listed(a=(squares(2), squares(2)), group=(squares(2), squares()))
    assert list(pairs.pair_scores()) == ['a', 'group']
    assert pairs.group_scores() == {'group': pairs.pair_scores()['a']}
    assert pairs.pair_scores()['a']['hits'] == 1


def test_missed_defects_come_before_false_regions_and_these_before_the_iou() -> None:
    pairs = listed(
        good=(squares(), squares()),
        rough=(squares(2), np.roll(squares(2), 1)),
        false=(squares(2), squares(2, 30, 50)),
        missed=(squares(2, 20), squares(2)),
        worse=(squares(2, 20), squares()),
    )
    ordered = sorted(pairs.lines, key=lambda line: line.badness, reverse=True)
    names = [line.id for line in ordered]
    assert names == ['worse', 'missed', 'false', 'rough', 'good']


def test_the_worst_pairs_have_pictures_in_any_order() -> None:
    """Twelve of them, whether they come first or last."""
    pairs = {
        f'{n:02}': (squares(*range(0, 5 * (n % 7), 5)), squares()) for n in range(30)
    }
    for names in (list(pairs), list(pairs)[::-1]):
        found = listed(**{name: pairs[name] for name in names})
        ordered = sorted(found.lines, key=lambda line: line.badness, reverse=True)
        assert set(found.pictures()) == {line.id for line in ordered[:12]}


def test_the_page_lists_each_pair_and_links_the_pictures(
    tmp_path: pathlib.Path,
) -> None:
    data_dir = prepare_tiny(tmp_path / 'data')
    metrics = evaluate(
        differencing_predictor(),
        data_dir,
        'test',
        batch_size=2,
        output_dir=tmp_path / 'out',
        num_pictures=2,
        progress=False,
    )
    page = (tmp_path / 'out' / PAGE_FILE).read_text()
    number = read_info(data_dir).num_examples['test']
    assert f'{number} pairs.' in page
    links = re.findall(r'<a href="([^"]+)">', page)
    assert len(links) == 2 * 4  # pair, overlay, probability, DistMap
    assert all((tmp_path / 'out' / link).exists() for link in links)
    assert page.count('src="data:image/jpeg') == min(number, 12) + 1  # and the curves
    assert f'{100 * (metrics["defect_iou"] or 0):.1f}' in page
    assert 'http' not in page
