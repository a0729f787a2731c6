"""Evaluations of networks whose answers are known."""

import json
import os
import pathlib
import subprocess
import sys
from typing import Any

import jax
import numpy as np
import pytest
from jax.experimental import multihost_utils

from cadnet_jax.config import Config
from cadnet_jax.data.batches import evaluation_batches
from cadnet_jax.data_config import DataConfig
from cadnet_jax.evaluation import evaluate as evaluation
from cadnet_jax.evaluation import predictions
from cadnet_jax.evaluation.boxes import BoxRule
from cadnet_jax.evaluation.evaluate import (
    class_note,
    evaluate,
    format_table,
    output_directory,
)
from cadnet_jax.evaluation.evaluation_files import write_pictures
from cadnet_jax.evaluation.evaluation_page import PAGE_FILE
from cadnet_jax.evaluation.metrics import count, no_counts, summarize
from cadnet_jax.files.images import read_image
from cadnet_jax.inference.decision import PixelScores, Rule
from cadnet_jax.inference.predictor import PixelMaps, Predictor
from cadnet_jax.model_config import ModelConfig
from cadnet_jax.models.complexity import gmacs
from cadnet_jax.pictures.overlays import highlight
from tests.conftest import ROOT
from tests.support.tiny_data import CLASS_NAMES, prepare_tiny
from tests.support.tiny_run import differencing_predictor, write_run

pytestmark = pytest.mark.unoptimized

SCORES = {'iou', 'accuracy', 'fscore', 'precision', 'recall', 'pixels'}
KEYS = {
    'dataset',
    'split',
    'step',
    'tile_size',
    'orientations',
    'threshold',
    'min_area',
    'classes',
    'miou',
    'macc',
    'mfscore',
    'defect_iou',
    'defect_accuracy',
    'defect_hit_rate',
    'false_regions_per_image',
    'parameters',
    'gmacs',
    'groups',
    'group_scores',
    'pair_scores',
}


@pytest.fixture(scope='module')
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """Seven pairs in 'test', of two sizes."""
    return prepare_tiny(tmp_path_factory.mktemp('data'), sizes=((64, 64), (40, 72)))


def run(predictor: Predictor, *source: Any, **options: Any) -> Any:
    return evaluate(predictor, *source, progress=False, **{'batch_size': 3} | options)


def test_a_network_that_is_right_gets_full_marks(data_dir: pathlib.Path) -> None:
    metrics = run(differencing_predictor(), data_dir, 'test')
    for name in ('miou', 'macc', 'mfscore', 'defect_iou', 'defect_accuracy'):
        assert metrics[name] == 1
    assert metrics['defect_hit_rate'] == 1
    assert metrics['false_regions_per_image'] == 0
    assert tuple(metrics['classes']) == CLASS_NAMES


def test_metrics_have_the_promised_shape(data_dir: pathlib.Path) -> None:
    metrics = run(differencing_predictor(), data_dir, 'test')
    assert set(metrics) == KEYS
    assert all(set(values) == SCORES for values in metrics['classes'].values())
    assert metrics['dataset'] == 'tiny_pairs'
    assert (metrics['split'], metrics['step']) == ('test', 7)
    assert metrics['parameters'] == 0
    sizes = ((64, 64), (40, 72))
    model = differencing_predictor().config.model
    assert metrics['gmacs'] in [gmacs(model, len(CLASS_NAMES), *s) for s in sizes]


@pytest.mark.parametrize('batch_size', [1, 2, 8])
def test_each_pair_counts_once_at_any_batch_size(
    batch_size: int, data_dir: pathlib.Path
) -> None:
    """The oracle predicts pair by pair; a coarse network makes mistakes to count."""
    predictor = differencing_predictor(cell=8)
    counts = no_counts(len(CLASS_NAMES))
    for batch in evaluation_batches(data_dir, 'test', batch_size=1):
        prediction = predictor(batch['image'][0], batch['reference'][0])
        counts += count(batch['mask'][0], prediction.mask, len(CLASS_NAMES))
    assert counts.images == 7
    expected: Any = summarize(counts, CLASS_NAMES)
    assert 0 < expected['miou'] < 1
    metrics = run(predictor, data_dir, 'test', batch_size=batch_size)
    assert {name: metrics[name] for name in expected} == expected


def test_each_pair_and_each_group_has_scores_of_its_own(
    data_dir: pathlib.Path,
) -> None:
    """Those of a pair are counted again; a group's IoU is of its pixels together."""
    predictor = differencing_predictor(cell=8)
    metrics = run(predictor, data_dir, 'test')
    of_groups: dict[str, Any] = {}
    for batch in evaluation_batches(data_dir, 'test', batch_size=1):
        prediction = predictor(batch['image'][0], batch['reference'][0])
        counts = count(batch['mask'][0], prediction.mask, len(CLASS_NAMES))
        group = batch['group'][0]
        assert metrics['pair_scores'][batch['id'][0]] == {
            'group': group,
            'defect_iou': summarize(counts, CLASS_NAMES)['defect_iou'],
            'defects': counts.defects,
            'hits': counts.hits,
            'false_regions': counts.false_regions,
        }
        nothing = no_counts(len(CLASS_NAMES))
        of_groups[group] = of_groups.get(group, nothing) + counts
    assert len(metrics['pair_scores']) == 7
    assert list(metrics['group_scores']) == sorted(of_groups)
    for group, counts in of_groups.items():
        found = metrics['group_scores'][group]
        assert found['defect_iou'] == summarize(counts, CLASS_NAMES)['defect_iou']
        assert (found['defects'], found['hits']) == (counts.defects, counts.hits)


def test_during_training_neither_groups_nor_pairs_are_told_apart(
    data_dir: pathlib.Path,
) -> None:
    """Its log would grow with the data, and each time read the training part."""
    metrics = run(differencing_predictor(), data_dir, 'val', by_group=False)
    assert set(metrics) == KEYS - {'groups', 'group_scores', 'pair_scores'}


def test_out_of_class_all_defects_are_one_class(data_dir: pathlib.Path) -> None:
    metrics = run(differencing_predictor(head='ooc'), data_dir, 'test')
    assert tuple(metrics['classes']) == ('background', 'defect')
    assert metrics['miou'] == metrics['defect_iou']
    labels = run(differencing_predictor(), data_dir, 'test')['classes']
    pixels = labels['missing']['pixels'] + labels['excess']['pixels']
    assert metrics['classes']['defect']['pixels'] == pixels


def test_a_network_of_one_class_is_evaluated_on_any_defect(
    data_dir: pathlib.Path,
) -> None:
    """As head 'ooc': the labels of all classes are one. And a line says so."""
    names = ('background', 'defect')
    any_defect = differencing_predictor(class_names=names)
    metrics = run(_OneClass(**vars(any_defect)), data_dir, 'test')
    expected = run(differencing_predictor(), data_dir, 'test')
    assert tuple(metrics['classes']) == names
    assert metrics['classes']['defect']['iou'] == expected['defect_iou'] == 1
    pixels = [expected['classes'][name]['pixels'] for name in CLASS_NAMES[1:]]
    assert metrics['classes']['defect']['pixels'] == sum(pixels)
    note = class_note(any_defect, data_dir)
    assert 'missing, excess' in note and note.endswith('one class, defect.\n')
    assert class_note(differencing_predictor(), data_dir) == ''


class _OneClass(Predictor):
    """The differencing network's answer with its two classes as one."""

    def predict_batch(self, *images: Any, **options: Any) -> PixelMaps:
        maps = super().predict_batch(*images, **options)
        return maps._replace(mask=(maps.mask > 0).astype(np.uint8))


def test_an_evaluation_follows_the_rule(data_dir: pathlib.Path) -> None:
    """With a threshold of 0 all is a defect, and with a huge area nothing is."""
    everything = run(differencing_predictor(rule=Rule(0.0)), data_dir, 'test')
    assert (everything['threshold'], everything['min_area']) == (0.0, 1)
    assert everything['classes']['background']['recall'] == 0
    nothing = run(differencing_predictor(rule=Rule(min_area=9999)), data_dir, 'test')
    assert (nothing['threshold'], nothing['min_area']) == (None, 9999)
    assert nothing['defect_hit_rate'] == nothing['defect_accuracy'] == 0


def test_tiled_images_are_evaluated_like_whole_ones(data_dir: pathlib.Path) -> None:
    tiled = differencing_predictor(tile_size=48, tile_margin=4)
    assert run(tiled, data_dir, 'test')['miou'] == 1


def test_what_is_written(data_dir: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """metrics.json is what is returned; there are as many pictures as asked for."""
    predictor = differencing_predictor()
    metrics = run(predictor, data_dir, 'val', output_dir=tmp_path, num_pictures=3)
    assert json.loads((tmp_path / 'metrics.json').read_text()) == metrics
    overlays = sorted(path.name for path in (tmp_path / 'overlays').iterdir())
    distances = sorted(path.name for path in (tmp_path / 'distance').iterdir())
    assert overlays == distances and len(overlays) == 3
    masks = {
        batch['id'][0]: batch['mask'][0]
        for batch in evaluation_batches(data_dir, 'val', batch_size=1)
    }
    for name in overlays:
        mask = masks[name.removesuffix('.png')]
        picture = read_image(tmp_path / 'overlays' / name)
        hits = (mask != 0) & (mask != 255)
        assert np.all(picture[hits] == 255)


def test_the_pictures_of_a_pair(data_dir: pathlib.Path, tmp_path: pathlib.Path) -> None:
    """Image, reference and label in one; the probability is high at the defects."""
    predictor = differencing_predictor()
    run(predictor, data_dir, 'val', output_dir=tmp_path, num_pictures=2)
    folders = ('pairs', 'overlays', 'probability', 'distance')
    names = {f: sorted(path.name for path in (tmp_path / f).iterdir()) for f in folders}
    assert len(names['pairs']) == 2
    assert all(names[folder] == names['pairs'] for folder in folders)
    for batch in evaluation_batches(data_dir, 'val', batch_size=1):
        name = f'{batch["id"][0]}.png'
        if name not in names['pairs']:
            continue
        image, mask = batch['image'][0], batch['mask'][0]
        height, width = mask.shape
        pair = read_image(tmp_path / 'pairs' / name)[-height:]
        np.testing.assert_array_equal(pair[:, :width], image)
        step = (pair.shape[1] + 4) // 3  # of a column and its gap
        reference = pair[:, step : step + width]
        np.testing.assert_array_equal(reference, batch['reference'][0])
        label = pair[:, 2 * step : 2 * step + width]
        np.testing.assert_array_equal(label, highlight(image, mask))
        heat = read_image(tmp_path / 'probability' / name).sum(axis=-1).astype(int)
        defect = (mask == 1) | (mask == 2)
        assert heat[defect].min() > heat[mask == 0].max()


def test_pictures_of_pairs_with_long_names(tmp_path: pathlib.Path) -> None:
    """A character of Chinese is nine in a name of ASCII; 255 can be in one."""
    image, mask = np.zeros((32, 32, 3), np.uint8), np.zeros((32, 32), np.uint8)
    score = np.zeros((32, 32), np.float32)
    ids = ['板' * 60, '板' * 59 + '面', 'a/b']
    for id in ids:
        scores = PixelScores(score, mask, score, mask, None)
        pair = predictions.EvaluatedPair(
            id, '', image, image, mask, mask, None, mask, scores
        )
        write_pictures(tmp_path, pair, largest=1)
    names = sorted(path.name for path in (tmp_path / 'overlays').iterdir())
    assert len(names) == 3 and names[2] == 'a%2Fb.png'
    assert all(name.isascii() for name in names)


def test_curves_of_a_network_that_is_right(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    """At the threshold that the mask follows from; the picture is beside them."""
    output_dir = tmp_path / 'cad'
    run(differencing_predictor(), data_dir, 'test', output_dir=output_dir)
    classes = json.loads((output_dir / 'curves.json').read_text())['classes']
    assert list(classes) == ['missing', 'excess', 'any defect']
    assert classes['any defect']['average_precision'] == 1
    assert classes['any defect']['best_fscore'] == 1
    assert read_image(output_dir / 'curves.png').shape == (3 * 420, 1000, 3)
    predictor = differencing_predictor(head='ooc', cell=8)
    metrics = run(predictor, data_dir, 'test', output_dir=tmp_path / 'ooc')
    classes = json.loads((tmp_path / 'ooc' / 'curves.json').read_text())['classes']
    assert list(classes) == ['defect']
    index = classes['defect']['threshold'].index(predictor.threshold)
    expected = metrics['classes']['defect']
    for name in ('precision', 'recall', 'fscore'):
        assert classes['defect'][name][index] == pytest.approx(expected[name], abs=1e-6)
    assert 0 < expected['fscore'] < 1
    assert classes['defect']['recall'][-1] == 0  # scores go up to 3


def test_more_pictures_than_pairs_are_all_pairs(
    data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    run(differencing_predictor(), data_dir, 'val', output_dir=tmp_path, num_pictures=99)
    assert len(list((tmp_path / 'overlays').iterdir())) == 5


def test_pictures_of_an_earlier_evaluation_give_way(
    data_dir: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of others stay; one that is cut short has no metrics.json."""
    predictor = differencing_predictor()
    run(predictor, data_dir, 'val', output_dir=tmp_path, num_pictures=3)
    (tmp_path / 'pairs' / 'mine.png').write_bytes(b'of somebody else')
    run(predictor, data_dir, 'val', output_dir=tmp_path, num_pictures=1)
    values = json.loads((tmp_path / 'results.json').read_text())
    written = {
        path.relative_to(tmp_path).as_posix()
        for path in tmp_path.rglob('*')
        if path.is_file()
    }
    assert written == {*values['files'], 'results.json', 'pairs/mine.png'}
    assert values['complete'] is True and len(values['files']) == 4 + 4

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluation, 'write_curves', interrupt)
    with pytest.raises(KeyboardInterrupt):
        run(predictor, data_dir, 'val', output_dir=tmp_path, num_pictures=2)
    assert not (tmp_path / 'metrics.json').exists()
    assert json.loads((tmp_path / 'results.json').read_text())['complete'] is False


def test_an_evaluation_of_other_data_is_not_replaced(
    data_dir: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor one by another rule of boxes; both have one name. It is said at once."""
    predictor, folder = differencing_predictor(), tmp_path / 'out'
    other = prepare_tiny(tmp_path / 'data', num={'test': 2})
    run(predictor, data_dir, 'val', output_dir=folder)
    run(predictor, other, 'test', output_dir=folder, overwrite=True)
    run(predictor, other, 'test', output_dir=folder)
    values = json.loads((folder / 'results.json').read_text())
    values['run']['boxes'] = {'threshold': 0.1}
    (folder / 'results.json').write_text(json.dumps(values))

    monkeypatch.setattr(evaluation, 'predicted_pairs', None)
    with pytest.raises(
        FileExistsError, match=rf'{folder}: .* other data \({other},.*--output_dir'
    ):
        run(predictor, data_dir, 'val', output_dir=folder)
    rule = BoxRule(0.5, 0, 0, 0.5, 'train')
    with pytest.raises(FileExistsError, match='boxes by another rule'):
        run(predictor, other, 'test', output_dir=folder, box_rule=rule)


def test_a_label_outside_the_class_map_names_the_pair(tmp_path: pathlib.Path) -> None:
    """And nothing is written."""
    data_dir = prepare_tiny(tmp_path / 'data')
    _change_metadata(data_dir, class_names=list(CLASS_NAMES[:2]))
    predictor = differencing_predictor(class_names=CLASS_NAMES[:2])
    message = rf'{data_dir}, .*mask of .test_00\d. has the value 2 .*0 to 1'
    with pytest.raises(ValueError, match=message):
        run(predictor, data_dir, 'test', output_dir=tmp_path / 'out', num_pictures=2)
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize(
    'names', [('background', 'missing'), ('background', 'open', 'short')]
)
def test_other_classes_than_the_checkpoints_are_refused(
    names: tuple[str, ...], data_dir: pathlib.Path
) -> None:
    predictor = differencing_predictor(class_names=names)
    message = f'{data_dir} has the 3 classes .*excess.* the {len(names)} classes'
    with pytest.raises(ValueError, match=message):
        run(predictor, data_dir, 'test')


@pytest.mark.parametrize('split', ['holdout', 'test[:0]'])
def test_an_unknown_or_empty_split_is_named(
    split: str, data_dir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    with pytest.raises(ValueError, match=r'holdout|empty') as error:
        run(differencing_predictor(), data_dir, split, output_dir=tmp_path / 'out')
    assert split in str(error.value)
    assert not (tmp_path / 'out').exists()


def test_curves_of_processes_add_up(
    data_dir: pathlib.Path, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two processes that see the same have the curves of one: twice its counts."""
    run(differencing_predictor(cell=8), data_dir, 'test', output_dir=tmp_path / 'one')
    single = (tmp_path / 'one' / 'curves.json').read_text()

    def allgather(values: np.ndarray) -> np.ndarray:
        return np.asarray(jax.numpy.asarray(np.stack([values, values])))

    batches = evaluation_batches
    monkeypatch.setattr(
        predictions,
        'evaluation_batches',
        lambda *source, batch_size, **_: batches(*source, batch_size=batch_size),
    )
    monkeypatch.setattr(jax, 'process_count', lambda: 2)
    monkeypatch.setattr(multihost_utils, 'process_allgather', allgather)
    run(differencing_predictor(cell=8), data_dir, 'test', output_dir=tmp_path / 'two')
    assert (tmp_path / 'two' / 'curves.json').read_text() == single
    assert 0 < json.loads(single)['classes']['missing']['average_precision'] < 1


def test_the_table_shows_every_score_in_percent(data_dir: pathlib.Path) -> None:
    metrics = run(differencing_predictor(), data_dir, 'test')
    metrics['classes']['missing']['iou'] = 0.12345
    metrics['classes']['excess']['precision'] = None
    table = format_table(metrics)
    rows = {line.split()[0]: line.split() for line in table.splitlines()[2:]}
    pixels = str(metrics['classes']['missing']['pixels'])
    assert rows['missing'] == ['missing', '12.35', '100.00', '100.00', '100.00', pixels]
    assert rows['excess'][4] == '-'
    assert len({len(line) for line in table.splitlines()[1:5]}) == 1  # aligned


@pytest.mark.parametrize('with_boxes', [False, True])
def test_a_line_says_whose_products_training_has(
    data_dir: pathlib.Path, tmp_path: pathlib.Path, with_boxes: bool
) -> None:
    """On the terminal, the page, and in metrics.json; with boxes and without them."""
    source = prepare_tiny(tmp_path / 'data', boxes=True) if with_boxes else data_dir
    rule = BoxRule(0.3, 2, 1, 0.5, 'val') if with_boxes else None
    config = Config(data=DataConfig(str(source)))
    predictor = differencing_predictor(config=config)
    metrics = run(predictor, source, 'test', box_rule=rule, output_dir=tmp_path / 'out')
    assert metrics['groups'] == {'tested': 2, 'learned': 2, 'at_least': 2}
    last = format_table(metrics).splitlines()[-1]
    assert last.startswith('Each of the 2 groups is in the training part too')
    assert f'<p>{last}</p>' in (tmp_path / 'out' / PAGE_FILE).read_text()
    metrics['groups']['learned'] = 1
    last = format_table(metrics).splitlines()[-1]
    assert last.startswith('1 of 2 groups is in the')
    metrics['groups']['learned'] = 0
    last = format_table(metrics).splitlines()[-1]
    assert last == 'None of the 2 groups is in the training part.'
    del metrics['groups']
    assert 'group' not in format_table(metrics)


def test_an_evaluation_is_kept_in_the_work_directory(data_dir: pathlib.Path) -> None:
    directory = output_directory(differencing_predictor(), data_dir, 'test')
    assert directory == pathlib.Path('run/evaluation/tiny_pairs-test-7')
    other = differencing_predictor(tile_size=256)
    directory = output_directory(other, data_dir, 'test')
    assert directory == pathlib.Path('run/evaluation/tiny_pairs-test-7-tile256')
    other = differencing_predictor(orientations=4, rule=Rule(0.25, 12))
    directory = output_directory(other, data_dir, 'test')
    expected = 'tiny_pairs-test-7-orientations4-threshold0.25-area12'
    assert directory.name == expected


@pytest.mark.parametrize(
    ('split', 'name'),
    [
        ('test[:25%]', 'test-first-25-percent'),
        ('test[25%:]', 'test-from-25-percent'),
        ('test[10:-5]', 'test-from-10-to--5'),
        ('test[-5:]', 'test-last-5'),
        ('test[:2shard]', 'test-first-2-shards'),
        ('train + test[:1]', 'train-and-test-first-1'),
        ('a b/c:"d*', 'a-b-c-d-'),
    ],
)
def test_the_name_of_a_split_suits_every_system(
    data_dir: pathlib.Path, split: str, name: str
) -> None:
    """Neither Windows nor a shell takes `test[:25%]` as it is."""
    directory = output_directory(differencing_predictor(), data_dir, split)
    assert directory.name == f'tiny_pairs-{name}-7'


def run_script(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, 'experiments/evaluate.py', *arguments],
        cwd=ROOT,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_the_script_evaluates_a_run_on_its_own_data(tmp_path: pathlib.Path) -> None:
    """A table on the terminal, and metrics.json in the work directory."""
    data_dir = prepare_tiny(tmp_path / 'data', num={'train': 1, 'test': 2})
    workdir = write_run(tmp_path / 'run', data_dir=data_dir)
    done = run_script(
        f'--workdir={workdir}', '--batch_size=1', '--num_pictures=1', '--tile_size=40'
    )
    assert done.returncode == 0, done.stderr
    output = workdir / 'evaluation' / 'tiny_pairs-test-0-tile40'
    metrics = json.loads((output / 'metrics.json').read_text())
    assert metrics['tile_size'] == 40
    assert metrics['parameters'] == 3_896_867
    assert metrics['gmacs'] == gmacs(ModelConfig(), len(CLASS_NAMES), 40, 40)
    assert done.stdout == f'{format_table(metrics)}\nWritten: {output}\n'
    assert len(list((output / 'overlays').iterdir())) == 1


@pytest.mark.slow
def test_the_script_ends_an_unknown_split_with_one_line(tmp_path: pathlib.Path) -> None:
    data_dir = prepare_tiny(tmp_path / 'data', num={'train': 1, 'test': 1})
    workdir = write_run(tmp_path / 'run', data_dir=data_dir)
    done = run_script(f'--workdir={workdir}', '--split=val')
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"error: {data_dir}: cannot read split 'val'")
    assert 'Traceback' not in done.stderr
    assert not (workdir / 'evaluation').exists()


def _change_metadata(data_dir: pathlib.Path, **changes: Any) -> None:
    path = data_dir / 'metadata.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
