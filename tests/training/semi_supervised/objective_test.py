"""Semi-supervised runs, whole; and what our own method learns from."""

import functools
import pathlib
import re
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from cadnet_jax import config as configs
from cadnet_jax.config import Config
from cadnet_jax.data.batches import training_batches
from cadnet_jax.data.split_contents import read_labeled_subset
from cadnet_jax.data.transforms import normalize
from cadnet_jax.data_config import DataConfig
from cadnet_jax.model_config import ModelConfig
from cadnet_jax.models.cadnet import build_model
from cadnet_jax.models.peers import NO_PEERS, PEERS
from cadnet_jax.runs.checkpoint import load_variables
from cadnet_jax.runs.learned import read_learned_images
from cadnet_jax.runs.state import TrainState, initial_state
from cadnet_jax.training import loop
from cadnet_jax.training.log import read_log
from cadnet_jax.training.loop import train
from cadnet_jax.training.semi_supervised import decoders, objective
from cadnet_jax.training.semi_supervised.cps import cps
from cadnet_jax.training.semi_supervised.dct import dct
from cadnet_jax.training.semi_supervised.pairs import (
    pairs,
    strong_view,
    teacher_labels,
)
from cadnet_jax.training.semi_supervised.terms import Labeled, supervised
from cadnet_jax.training.semi_supervised.uamt import uamt
from cadnet_jax.training.semi_supervised.uaps import uaps
from cadnet_jax.training.semi_supervised.ucc import ucc
from cadnet_jax.training.step import train_step
from cadnet_jax.training_config import LossConfig, OptimConfig, TrainConfig
from tests.support.tiny_data import SPLITS, prepare_tiny

pytestmark = [
    pytest.mark.usefixtures('small_unet', 'small_b0'),
    pytest.mark.unoptimized,
]


@pytest.fixture(scope='module')
def config(tmp_path_factory: pytest.TempPathFactory) -> Config:
    """U-Net on a quarter of the labels."""
    data_dir = prepare_tiny(tmp_path_factory.mktemp('data'), sizes=[(32, 32)])
    return Config(
        model=ModelConfig(head='unet'),
        data=DataConfig(
            data_dir=str(data_dir),
            batch_size=2,
            eval_batch_size=2,
            crop_size=32,
            label_fraction=0.25,
        ),
        loss=LossConfig(semi_supervised='pairs'),
        optim=OptimConfig(warmup_steps=1, ema_decay=0.99),
        train=TrainConfig(steps=2, log_every=1, eval_every=2, checkpoint_every=1),
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ('method', 'terms', 'painted'),
    [
        ('pairs', {'supervised', 'pseudo_labels', 'unchanged'}, True),
        ('uaps', {'supervised', 'pseudo_labels', 'agreement'}, False),
    ],
)
def test_a_run_learns_from_pairs_without_labels_and_resumes(
    config: Config, tmp_path: pathlib.Path, method: str, terms: set[str], painted: bool
) -> None:
    """Its terms are logged, and add up; all pairs that it saw are known as such.

    Paint beside two classes of defects is of neither.
    """
    config = configs.replace(config, semi_supervised=method, paint_defects=painted)
    assert train(config, tmp_path)
    lines = [line for line in read_log(tmp_path) if 'loss' in line]
    assert len(lines) == 2
    for line in lines:
        assert terms <= set(line)
        assert np.isfinite(line['loss'])
        assert line['loss'] == pytest.approx(sum(line[name] for name in terms))
    assert len(read_learned_images(tmp_path)) == SPLITS['train']
    variables, _ = load_variables(tmp_path, 'latest')
    assert variables['params'].keys() == {'encoder', 'decoder'}

    assert train(config, tmp_path, resume_from=1)
    (again,) = [line for line in read_log(tmp_path) if line.get('step') == 2][:1]
    assert {name: again[name] for name in terms} == {
        name: lines[1][name] for name in terms
    }


def batch(head: str) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    # In 32 pixels, a Mix Transformer's first attention has one key: nothing to learn.
    side = 64 if head == 'cad' else 32
    made = {}
    for kind in ('', 'unlabeled_'):
        for name in ('image', 'reference'):
            made[kind + name] = rng.integers(0, 256, (2, side, side, 3), np.uint8)
    masks = rng.integers(0, 3, (2, side, side), np.uint8)
    unknown = np.zeros_like(masks)
    unknown[:, :9] = 255
    masks[:, 20:22] = unknown[:, 20:22] = 254  # painted
    return made | {'mask': masks, 'unlabeled_mask': unknown}


def whole(model: Any, variables: Any) -> list[Any]:
    """A function of images for the network, and for it with the parts of each peer."""
    trees = variables['params'], variables['batch_stats']
    networks = [{}, *trees[0].get('peers', {}).values()]
    statistics = [{}, *trees[1].get('peers', {}).values()]

    def answer(params: Any, batch_stats: Any) -> Any:
        given = {
            'params': {**trees[0], **params},
            'batch_stats': {**trees[1], **batch_stats},
        }

        def logits(images: jax.Array) -> jax.Array:
            pair = jnp.split(images, 2, axis=-1)
            outputs, _ = model.apply(given, *pair, train=True, mutable=['batch_stats'])
            shape = *images.shape[:3], outputs.logits.shape[-1]
            resized: jax.Array = jax.image.resize(outputs.logits, shape, 'bilinear')
            return resized

        return logits

    return list(map(answer, networks, statistics))


def published(method: str, state: TrainState, model: Any, key: Any, step: Any) -> Any:
    """Terms of the pure function, of networks that are whole and draw nothing."""
    data = batch(model.config.head)

    def pair(kind: str) -> jax.Array:
        images = [normalize(data[kind + name]) for name in ('image', 'reference')]
        return jnp.concatenate(images, axis=-1)

    labeled = Labeled(pair(''), jnp.asarray(data['mask'], int))
    unlabeled = pair('unlabeled_')
    variables = {'params': state.params, 'batch_stats': state.batch_stats}
    networks = whole(model, variables)

    def all_decoders(_: Any, images: jax.Array, key: Any) -> Any:
        return [network(images) for network in networks], _

    def one(_: Any, images: jax.Array, key: Any) -> Any:
        return [networks[0](images)], _

    def numbered(number: int, images: jax.Array, key: Any) -> Any:
        return [networks[number](images)], number

    others = labeled, unlabeled, key, step
    masks = jnp.asarray(data['unlabeled_mask'], int)
    if method == 'labeled':
        return {'supervised': supervised(networks[0](labeled.images), labeled.masks)}
    if method == 'cps':
        return cps(numbered, (0, 1), *others, masks=masks)[1][0]
    if method == 'ucc':
        return ucc(all_decoders, None, *others, strong=unlabeled, masks=masks)[1][0]
    if method == 'uaps':
        return uaps(all_decoders, None, *others, masks=masks)[1][0]
    if method == 'dct':
        return dct(one, None, *others)[1][0]
    if method == 'uamt':
        return uamt(one, None, *others, teacher=None)[1][0]
    return pairs(one, None, *others, teacher=None, painted=masks)[1][0]


@pytest.mark.slow
@pytest.mark.parametrize(
    ('method', 'head'),
    [
        ('labeled', 'unet'),
        ('dct', 'unet'),
        ('dct', 'cad'),
        ('uamt', 'unet'),
        ('cps', 'unet'),
        ('ucc', 'unet'),
        ('ucc', 'fc_siam_diff'),
        ('uaps', 'unet'),
        ('pairs', 'unet'),
    ],
)
def test_a_step_has_the_terms_of_the_method_and_changes_all_that_it_trains(
    monkeypatch: pytest.MonkeyPatch, method: str, head: str
) -> None:
    """At half of the ramp, 15,000 published steps. Nothing is drawn but by keys.

    Any network that predicts classes will do, such as CADNet.
    """
    model = build_model(ModelConfig(head=head, dropout=0, drop_path=0), 3)
    same = (decoders.unchanged,) * 4
    monkeypatch.setitem(decoders.DISTURBANCES, 'uaps', same)
    monkeypatch.setitem(decoders.DISTURBANCES, 'ucc', same[:2])
    monkeypatch.setattr(objective, 'strong_view', lambda images, key: images)
    optimizer = optax.sgd(0.1)
    peers = PEERS.get(method, NO_PEERS)
    state = initial_state(model, optimizer, seed=0, peers=peers)
    averages = {part: state.params[part] for part in ('encoder', 'decoder')}
    state = state.replace(step=np.int32(300), ema_params=averages)
    step = functools.partial(
        train_step,
        model=model,
        optimizer=optimizer,
        loss_config=LossConfig(semi_supervised=method, ramp_steps=600),
        class_pixels=(1, 1, 1),
        key=jax.random.key(0),
        ema_decay=0.9,
        axis_name=None,
    )
    after, metrics = jax.jit(step)(state, batch(head))
    key = jax.random.fold_in(jax.random.key(0), 300)
    expected = jax.jit(published, static_argnums=(0, 2))
    terms = expected(method, state, model, key, 15_000)
    assert metrics['loss'] == pytest.approx(float(sum(terms.values())), rel=1e-4)
    for name, value in terms.items():
        assert metrics[name] == pytest.approx(float(value), rel=1e-3), name

    assert after.ema_params.keys() == averages.keys()
    before = jax.tree.leaves_with_path(state.params)
    kernels = 0
    for (path, old), new in zip(before, jax.tree.leaves(after.params), strict=True):
        name = jax.tree_util.keystr(path, simple=True, separator='/')
        if name.endswith('kernel'):
            kernels += 1
            assert (np.asarray(new) != old).any(), name
    counts = {'cps': 2 * 8, 'ucc': 8 + 4, 'uaps': 8 + 3 * 4}
    assert kernels == (41 if head == 'cad' else counts.get(method, 8))
    statistics = map(
        np.array_equal, *map(jax.tree.leaves, (state.batch_stats, after.batch_stats))
    )
    assert not any(statistics)


def test_unlabeled_crops_are_of_the_other_pairs_and_have_no_labels(
    config: Config,
) -> None:
    """Crops of whole images, not augmented: each is the image of one pair."""
    plain = configs.replace(
        config,
        scale_min=1.0,
        scale_max=1.0,
        photometric_probability=0.0,
        flip=False,
        rotate=False,
    ).data
    batches = training_batches(plain, seed=0, unlabeled=True)
    seen: dict[str, set[bytes]] = {'image': set(), 'unlabeled_image': set()}
    for _ in range(20):
        batch = next(batches)
        for name, images in seen.items():
            images |= {image.tobytes() for image in batch[name]}
        assert not batch['unlabeled_mask'].any()
        assert batch['mask'].any()
    labeled = len(read_labeled_subset(plain, seed=0).ids)
    assert len(seen['image']) == labeled == 3
    assert len(seen['unlabeled_image']) == SPLITS['train'] - labeled
    assert not seen['image'] & seen['unlabeled_image']


def test_unlabeled_crops_know_what_is_painted_into_them(config: Config) -> None:
    """As defects of unknown class, since the data have two."""
    painted = configs.replace(config, paint_defects=True).data
    batches = training_batches(painted, seed=0, unlabeled=True)
    masks = np.stack([next(batches)['unlabeled_mask'] for _ in range(10)])
    assert set(np.unique(masks)) <= {0, 254, 255}
    assert 0 < (masks == 254).mean() < 0.5


def test_the_teacher_labels_what_it_is_sure_of_and_paint_comes_first() -> None:
    logits = jnp.array([[[5.0, 0.0], [0.0, 1.0], [0.0, 6.0], *3 * [[9.0, 0.0]]]])
    painted = jnp.array([[0, 0, 0, 1, 254, 255]])
    # Of a difference of 5 the probability is 0.993; of 1 it is 0.73.
    np.testing.assert_array_equal(
        teacher_labels(logits[None], painted[None])[0, 0], [0, 255, 1, 1, 254, 255]
    )


def test_a_strong_view_disturbs_each_image_by_itself() -> None:
    images = jnp.ones((4, 16, 16, 6))
    view = np.asarray(strong_view(images, jax.random.key(0)))
    means = view.mean(axis=(1, 2)).reshape(4, 2, 3).mean(axis=-1)
    assert (np.abs(means[:, 0] - means[:, 1]) > 1e-3).all()
    assert (np.abs(means - 1) <= 0.5 + 0.05).all()
    assert view.std(axis=(1, 2)) == pytest.approx(0.1, rel=0.3)


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'label_fraction': 1.0}, 'set --label_fraction below 1'),
        ({'head': 'ooc'}, 'needs a head that predicts classes'),
        ({'defect_weight': 2.0}, 'set --defect_weight=1'),
        ({'ema_decay': 0.0}, 'set --ema_decay=0.99'),
        ({'unchanged_fraction': 0.5, 'hard_candidates': 2}, 'leave it at 1'),
    ],
)
def test_settings_that_do_not_go_together_are_refused(
    config: Config, values: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        configs.replace(config, **values)


def test_weights_of_losses_that_are_not_used_may_be_0(config: Config) -> None:
    configs.replace(config, ce_weight=0.0, contrastive_weight=0.0)


def test_the_ramp_is_as_long_as_the_run_unless_it_is_given(
    config: Config, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class MadeError(Exception):
        pass

    def make(model: Any, optimizer: Any, loss: LossConfig, *_: Any, **__: Any) -> None:
        raise MadeError(loss.ramp_steps)

    monkeypatch.setattr(loop, 'make_train_step', make)
    for given, expected in ((0, config.train.steps), (7, 7)):
        run = configs.replace(config, semi_supervised='dct', ramp_steps=given)
        with pytest.raises(MadeError, match=f'^{expected}$'):
            train(run, tmp_path)
