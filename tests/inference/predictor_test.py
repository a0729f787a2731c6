"""From a pair to a mask: the network's answer, batches, tiles, and what is refused."""

import dataclasses
import json
import pathlib
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

import cadnet_jax
from cadnet_jax.config import Config
from cadnet_jax.data_config import DataConfig
from cadnet_jax.inference import pixel_maps, tiled_network
from cadnet_jax.inference.predictor import Predictor, make_predictor
from cadnet_jax.inference.restore import load_predictor
from tests.support.same_maps import assert_same_maps
from tests.support.tiny_data import CLASS_NAMES, boards
from tests.support.tiny_run import (
    Differencing,
    differencing_predictor,
    random_predictor,
    write_run,
)

pytestmark = pytest.mark.unoptimized


@pytest.fixture(scope='module', params=['cad', 'ooc'])
def network(request: pytest.FixtureRequest) -> Predictor:
    return random_predictor(request.param)


@pytest.fixture(scope='module')
def workdir(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return write_run(tmp_path_factory.mktemp('run'))


def test_defects_are_found_where_they_are() -> None:
    """With a network that is right, the prediction is the label."""
    images, references, masks = boards(1, (48, 64))
    prediction = differencing_predictor()(images[0], references[0])
    np.testing.assert_array_equal(prediction.mask[1:], masks[0, 1:])
    assert {defect.class_name for defect in prediction.defects} == set(CLASS_NAMES[1:])
    assert prediction.score.shape == prediction.mask.shape == (48, 64)
    assert prediction.score[prediction.mask > 0].min() > 0.5


@pytest.mark.parametrize(('weight', 'odds'), [(1.0, 1.0), (5.0, 1.0), (5.0, 2.5)])
def test_score_and_mask_follow_the_logits(weight: float, odds: float) -> None:
    """Softmax by hand, at each pixel of a one-pixel cell network.

    A weight of the defects in training is taken back from their odds.
    """
    images, references, _ = boards(2, (33, 40))
    predictor = differencing_predictor()
    loss = dataclasses.replace(
        predictor.config.loss, defect_weight=weight, defect_odds=odds
    )
    config = dataclasses.replace(predictor.config, loss=loss)
    predictor = dataclasses.replace(predictor, config=config)
    maps = predictor.predict_batch(images, references)
    mean = np.array([123.675, 116.28, 103.53])
    std = np.array([58.395, 57.12, 57.375])
    image, reference = ((x - mean) / std for x in (images, references))
    distance = np.abs(image - reference).mean(axis=-1)
    red = (image[..., 0] - image[..., 2]) * 0.01
    logits = np.stack([np.full_like(red, 0.05), distance + red, distance - red], -1)
    logits[..., 0] += np.log(weight / odds)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    np.testing.assert_array_equal(maps.mask, logits.argmax(axis=-1))
    np.testing.assert_allclose(maps.score, 1 - probabilities[..., 0], atol=1e-6)
    of_defects = probabilities[..., 1:].max(axis=-1)
    np.testing.assert_allclose(maps.scores.class_score, of_defects, atol=1e-6)
    assert maps.distance is not None
    np.testing.assert_allclose(maps.distance, distance, atol=1e-5)


@pytest.mark.parametrize('defect_weight', [1.0, 5.0])
@pytest.mark.parametrize('tile_size', [512, 40])
def test_mask_and_probabilities_agree_at_every_pixel(
    tile_size: int, defect_weight: float
) -> None:
    """In a batch, in tiles and with a fixed reference; and they change nothing else."""
    images, references, _ = boards(2, (70, 45))
    references[:] = references[0]
    predictor = random_predictor()
    loss = dataclasses.replace(predictor.config.loss, defect_weight=defect_weight)
    predictor = dataclasses.replace(
        predictor,
        config=dataclasses.replace(predictor.config, loss=loss),
        tile_size=tile_size,
        tile_margin=4,
    )
    fixed = predictor.with_reference(references[0])
    pairwise = predictor.predict_batch(images, references, with_probabilities=True)
    for maps in (pairwise, fixed.predict_batch(images, with_probabilities=True)):
        assert maps.probabilities is not None
        assert maps.probabilities.shape == (2, 70, 45, len(CLASS_NAMES))
        np.testing.assert_array_equal(maps.probabilities.argmax(axis=-1), maps.mask)
        np.testing.assert_allclose(maps.probabilities.sum(axis=-1), 1, atol=1e-6)
        of_defects = maps.probabilities[..., 1:]
        np.testing.assert_array_equal(of_defects.max(axis=-1), maps.scores.class_score)
        defect_class = 1 + of_defects.argmax(axis=-1)
        np.testing.assert_array_equal(defect_class, maps.scores.defect_class)
        np.testing.assert_allclose(1 - maps.probabilities[..., 0], maps.score)
    without = predictor.predict_batch(images, references)
    assert without.probabilities is None
    scores = pairwise.scores._replace(probabilities=None)
    assert_same_maps(without, pairwise._replace(scores=scores), 0)


@pytest.mark.parametrize('tile_size', [512, 40])
def test_out_of_class_the_change_score_stands_for_the_probabilities(
    tile_size: int,
) -> None:
    images, references, _ = boards(2, (70, 45))
    predictor = differencing_predictor(head='ooc', tile_size=tile_size, tile_margin=4)
    maps = predictor.predict_batch(images, references, with_probabilities=True)
    assert maps.probabilities is not None
    np.testing.assert_array_equal(maps.probabilities, maps.score[..., None])
    assert predictor.threshold == (2.2 + 0.3) / 2
    np.testing.assert_array_equal(
        maps.probabilities[..., 0] > predictor.threshold, maps.mask
    )
    assert differencing_predictor().threshold is None


def test_out_of_class_a_pixel_is_changed_above_the_middle_of_the_thresholds() -> None:
    images, references, _ = boards(2, (32, 48))
    predictor = differencing_predictor(head='ooc')
    maps = predictor.predict_batch(images, references)
    np.testing.assert_array_equal(maps.mask, maps.score > (2.2 + 0.3) / 2)
    assert predictor.class_names == ('background', 'defect')
    assert set(np.unique(maps.mask)) == {0, 1}
    names = {d.class_name for d in predictor(images[0], references[0]).defects}
    assert names == {'defect'}


@pytest.mark.parametrize('head', ['cad', 'ooc'])
def test_scores_that_are_not_finite_are_no_prediction(
    head: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They would be background: nothing is more probable than no number."""
    images, references, _ = boards(
        1, (101, 165)
    )  # padded to a size that nothing compiled before
    predictor = differencing_predictor(head=head)
    overflow = np.float32(np.inf)
    monkeypatch.setattr(
        Differencing, 'cells', lambda self, image: image + image * overflow
    )
    with pytest.raises(ValueError, match='step 7 are not finite'):
        predictor.predict_batch(images, references)


def test_gray_images_are_taken_as_they_are() -> None:
    images, references, _ = boards(1, (32, 32))
    predictor = differencing_predictor()
    gray, gray_reference = images[0, :, :, 1], references[0, :, :, 1]
    color = predictor(
        np.repeat(gray[..., None], 3, axis=2),
        np.repeat(gray_reference[..., None], 3, axis=2),
    )
    np.testing.assert_array_equal(predictor(gray, gray_reference).mask, color.mask)


@pytest.mark.parametrize('head', ['cad', 'ooc'])
@pytest.mark.parametrize('size', [(256, 256), (320, 128), (64, 200)])
def test_tiles_equal_the_whole_where_the_network_looks_less_far_than_the_margin(
    head: str, size: tuple[int, int]
) -> None:
    """At stride 4, to 1e-5; 'ooc' needs DistMap's range over the whole image."""
    images, references, _ = boards(2, size, seed=3)
    whole = differencing_predictor(cell=4, head=head)
    tiled = dataclasses.replace(whole, tile_size=96, tile_margin=16)
    assert_same_maps(
        tiled.predict_batch(images, references),
        whole.predict_batch(images, references),
        1e-5,
    )


@pytest.mark.parametrize('size', [(131, 97), (61, 300), (65, 64)])
def test_tiles_cover_images_of_any_size(size: tuple[int, int]) -> None:
    images, references, _ = boards(1, size)
    whole = differencing_predictor()
    tiled = dataclasses.replace(whole, tile_size=64, tile_margin=8)
    assert_same_maps(
        tiled.predict_batch(images, references),
        whole.predict_batch(images, references),
        1e-6,
    )


@pytest.mark.parametrize('size', [(1, 1), (7, 50), (40, 19)])
def test_images_smaller_than_the_networks_least_side_are_predicted(
    size: tuple[int, int],
) -> None:
    rng = np.random.default_rng(0)
    image, reference = rng.integers(256, size=(2, *size, 3), dtype=np.uint8)
    result = differencing_predictor()(image, reference)
    assert result.mask.shape == result.score.shape == size
    assert result.distance is not None and result.distance.shape == size


@pytest.mark.slow
def test_tiles_that_go_through_together_give_what_they_give_alone(
    network: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To 1e-4; that the last batch is filled up does not show."""
    images, references, _ = boards(2, (130, 75))
    references[1] = 255 - images[1]
    network = dataclasses.replace(network, tile_size=32, tile_margin=4)
    results = []
    for pixels in (1, 4 * 32**2):
        monkeypatch.setitem(tiled_network.BATCH_PIXELS, 'cpu', pixels)
        fixed = network.with_reference(references[0])
        results.append(
            (network.predict_batch(images, references), fixed.predict_batch(images))
        )
    for alone, together in zip(*results, strict=True):
        assert_same_maps(together, alone, 1e-4)


def test_tiled_images_of_many_sizes_share_a_program(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Tiles have one size; the first image compiles for all."""
    monkeypatch.setitem(tiled_network.BATCH_PIXELS, 'cpu', 8 * 32**2)
    predictor = differencing_predictor(cell=2, tile_size=32, tile_margin=4)
    forward: Any = pixel_maps.score_pixels
    compiled = []
    for size in ((100, 100), (133, 170), (300, 90)):
        images, references, _ = boards(1, size)
        prediction = predictor(images[0], references[0])
        assert prediction.mask.shape == size
        compiled.append(forward._cache_size())
    assert len(set(compiled)) == 1


@pytest.mark.parametrize('size', [(48, 48), (33, 70)])
def test_what_the_network_takes_is_not_padded(
    network: Predictor, size: tuple[int, int]
) -> None:
    """Attention would see it: a tile of 48 pixels is scored as it is."""
    images, references, _ = boards(1, size)
    has_classes = network.head.answer == 'classes'
    direct = pixel_maps.score_pixels(
        network.model,
        network.variables,
        images,
        references,
        None,
        np.float32(0),
        has_classes=has_classes,
    )
    scores = pixel_maps.predict_pixels(
        network.model, network.variables, images, references, has_classes=has_classes
    )
    np.testing.assert_array_equal(scores.score, direct.score)


@pytest.mark.parametrize('size', [(40, 64), (131, 97)])
def test_progress_is_told_in_pixels(size: tuple[int, int]) -> None:
    """All of them, in more than one step: images and batches of tiles go in turn."""
    images, references, _ = boards(2, size)
    predictor = differencing_predictor(tile_size=64, tile_margin=8)
    steps: list[int] = []
    predictor.predict_batch(images, references, progress=steps.append)
    assert sum(steps) == images.shape[0] * size[0] * size[1]
    fixed: list[int] = []
    predictor.with_reference(references[0])(images[0], progress=fixed.append)
    assert sum(fixed) == size[0] * size[1]
    assert len(steps) == 2


@pytest.mark.slow
def test_tiles_of_the_network_come_close_to_the_whole() -> None:
    """Attention reaches over the whole image, so tiles only come close.

    With random weights, tiles of half the image and margins of 32: DistMap differs by
    less than a fifth of its mean, scores by less than 0.01, on average.
    """
    rng = np.random.default_rng(0)
    coarse = rng.integers(256, size=(16, 12, 3), dtype=np.uint8)
    images = np.kron(coarse, np.ones((16, 16, 1), np.uint8))[None]
    references = images.copy()
    references[:, 100:130, 20:60] = 0
    references[:, 200:220, 150:180] = 255
    whole = random_predictor()
    tiled = dataclasses.replace(whole, tile_size=128, tile_margin=32)
    expected = whole.predict_batch(images, references)
    actual = tiled.predict_batch(images, references)
    assert actual.distance is not None and expected.distance is not None
    error = np.abs(actual.distance - expected.distance).mean()
    assert error < 0.2 * expected.distance.mean()
    assert np.abs(actual.score - expected.score).mean() < 0.01


@pytest.mark.parametrize('tile_size', [512, 40])
def test_a_reference_that_is_encoded_once_gives_the_same(
    network: Predictor, tile_size: int
) -> None:
    """Whole images and tiles, one image and several, to 1e-4; equal masks."""
    network = dataclasses.replace(network, tile_size=tile_size, tile_margin=4)
    images, references, _ = boards(3, (70, 45))
    references[:] = references[0]
    expected = network.predict_batch(images, references)
    fixed = network.with_reference(references[0])
    actual = fixed.predict_batch(images)
    np.testing.assert_array_equal(actual.mask, expected.mask)
    assert_same_maps(actual, expected, 1e-4)
    alone = fixed(images[1])
    np.testing.assert_array_equal(alone.mask, expected.mask[1])
    np.testing.assert_allclose(alone.score, expected.score[1], atol=1e-4)


@pytest.mark.parametrize('size', [(48, 64), (20, 200)])
def test_a_fixed_reference_finds_the_defects_that_a_pair_has(
    size: tuple[int, int],
) -> None:
    """Everything of the prediction; gray references and small images as well."""
    images, references, _ = boards(1, size)
    for predictor in (
        differencing_predictor(),
        differencing_predictor(tile_size=64, tile_margin=8),
        differencing_predictor(head='segformer'),
    ):
        expected = predictor(images[0], references[0, :, :, 0])
        actual = predictor.with_reference(references[0, :, :, 0])(images[0])
        assert actual.defects == expected.defects
        np.testing.assert_array_equal(actual.score, expected.score)
        assert (actual.distance is None) == (expected.distance is None)


def test_what_does_not_fit_a_fixed_reference_is_refused() -> None:
    fixed = differencing_predictor().with_reference(np.zeros((40, 50, 3), np.uint8))
    with pytest.raises(ValueError, match=r'image is \[50, 40\] and reference \[40, 50'):
        fixed(np.zeros((50, 40, 3), np.uint8))
    with pytest.raises(ValueError, match=r'image must be .*not float64; convert'):
        fixed(np.zeros((40, 50, 3)))
    with pytest.raises(ValueError, match='images must be uint8'):
        fixed.predict_batch(np.zeros((40, 50, 3), np.uint8))


def test_one_reference_for_several_images_is_no_batch_of_pairs() -> None:
    images = np.zeros((2, 40, 40, 3), np.uint8)
    with pytest.raises(ValueError, match=r'2 images and 1 references.*with_reference'):
        differencing_predictor().predict_batch(images, images[:1])


GOOD = np.zeros((40, 40, 3), np.uint8)


@pytest.mark.parametrize(
    ('image', 'reference', 'message'),
    [
        (GOOD.astype(np.float32), GOOD, 'image must be .*uint8.*not float32; convert'),
        (GOOD, GOOD.astype(np.uint16), 'reference must be .*not uint16'),
        (GOOD.tolist(), GOOD, 'image must be a NumPy array.*not list'),
        (np.zeros((40, 40, 4), np.uint8), GOOD, r'image has the shape \[40, 40, 4\]'),
        (GOOD, GOOD[None], r'reference has the shape \[1, 40, 40, 3\]'),
        (GOOD[:0], GOOD[:0], r'image has the shape \[0, 40, 3\]'),
        (GOOD, GOOD[:39], r'image is \[40, 40\] and reference \[39, 40\].*align'),
    ],
)
def test_what_is_no_pair_is_refused(
    image: np.ndarray, reference: np.ndarray, message: str
) -> None:
    """The message names the argument, what it is, and the remedy."""
    with pytest.raises(ValueError, match=message):
        differencing_predictor()(image, reference)


@pytest.mark.parametrize(('size', 'margin'), [(128, 64), (64, -1)])
def test_tiles_without_a_core_are_refused(size: int, margin: int) -> None:
    with pytest.raises(ValueError, match=f'tile_size is {size}'):
        differencing_predictor(tile_size=size, tile_margin=margin)


@pytest.mark.parametrize(
    ('crop_size', 'tile_size', 'expected'),
    [
        (64, None, (64, 8)),
        (96, None, (96, 12)),
        (192, None, (192, 8)),
        (1024, None, (768, 8)),
        (192, 320, (320, 8)),
    ],
)
def test_tiles_are_as_large_as_the_training_crops_unless_said_otherwise(
    crop_size: int, tile_size: int | None, expected: tuple[int, int]
) -> None:
    """768 pixels at most; on each side 8 are margin, or an eighth of a small tile."""
    predictor = make_predictor(
        Config(data=DataConfig(crop_size=crop_size)),
        CLASS_NAMES,
        {},
        workdir='run',
        step=0,
        tile_size=tile_size,
    )
    assert (predictor.tile_size, predictor.tile_margin) == expected


@pytest.mark.parametrize('step', ['best', 0, '0'])
def test_a_run_is_restored(workdir: pathlib.Path, step: int | str) -> None:
    predictor = cadnet_jax.load_predictor(workdir, step)
    assert predictor.class_names == CLASS_NAMES
    assert (predictor.workdir, predictor.step) == (str(workdir), 0)
    expected = random_predictor().variables['params']['decoder']
    restored = predictor.variables['params']['decoder']
    np.testing.assert_array_equal(
        restored['classifier']['kernel'], expected['classifier']['kernel']
    )


def test_what_is_no_work_directory_is_named(tmp_path: pathlib.Path) -> None:
    with pytest.raises(FileNotFoundError, match=f'{tmp_path}.*no such file'):
        load_predictor(tmp_path)


@pytest.mark.parametrize('step', ['latest', 17, 'last'])
def test_a_step_that_is_not_there_is_named(workdir: pathlib.Path, step: str) -> None:
    with pytest.raises(FileNotFoundError, match=f'no checkpoint {step!r}'):
        load_predictor(workdir, step)


def test_another_number_of_classes_than_the_checkpoints_is_refused(
    workdir: pathlib.Path, tmp_path: pathlib.Path
) -> None:
    other = _copy_of(workdir, tmp_path)
    values = json.loads((workdir / 'dataset.json').read_text())
    values['class_names'].append('scratch')
    (other / 'dataset.json').write_text(json.dumps(values))
    message = r'4 classes.*classifier/bias is \[3\], not \[4\]'
    with pytest.raises(ValueError, match=message) as error:
        load_predictor(other)
    assert str(other) in str(error.value)


@pytest.mark.parametrize('change', [{'head': 'ooc'}, {'variant': 'b1'}])
def test_another_configuration_than_the_checkpoints_is_refused(
    workdir: pathlib.Path, tmp_path: pathlib.Path, change: dict[str, str]
) -> None:
    other = _copy_of(workdir, tmp_path)
    values = json.loads((workdir / 'config.json').read_text())
    values['model'].update(change)
    (other / 'config.json').write_text(json.dumps(values))
    with pytest.raises(ValueError, match=r'does not fit config\.json .* more'):
        load_predictor(other)


@pytest.mark.slow
def test_importing_the_package_starts_no_jax() -> None:
    """`--help` and complaints about flags come at once."""
    code = (
        'import sys, cadnet_jax; assert "jax" not in sys.modules; '
        'assert cadnet_jax.load_predictor and "jax" in sys.modules'
    )
    subprocess.run([sys.executable, '-c', code], check=True)


def test_the_package_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match='no attribute'):
        getattr(cadnet_jax, 'no_such_name')  # noqa: B009 (types know none)


def _copy_of(workdir: pathlib.Path, tmp_path: pathlib.Path) -> pathlib.Path:
    """The same checkpoint with files that may be changed."""
    other = tmp_path / 'run'
    other.mkdir()
    (other / 'checkpoints').symlink_to(workdir / 'checkpoints')
    for name in ('config.json', 'dataset.json'):
        (other / name).write_bytes((workdir / name).read_bytes())
    return other
