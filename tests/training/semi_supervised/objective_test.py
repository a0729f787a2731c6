"""Semi-supervised runs, whole; and what our own method learns from."""

import pathlib
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cadnet_jax import config as configs
from cadnet_jax.config import (
    Config,
    DataConfig,
    LossConfig,
    ModelConfig,
    OptimConfig,
    TrainConfig,
)
from cadnet_jax.data.batches import read_labeled_subset, training_batches
from cadnet_jax.runs.learned import read_learned_images
from cadnet_jax.training.log import read_log
from cadnet_jax.training.loop import train
from cadnet_jax.training.semi_supervised.pairs import strong_view, teacher_labels
from tests.support.tiny_data import SPLITS, prepare_tiny

pytestmark = pytest.mark.usefixtures('small_unet', 'quick_compilation')


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
        train=TrainConfig(steps=2, log_every=1, eval_every=2, checkpoint_every=2),
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ('method', 'terms'),
    [
        ('dct', {'supervised', 'consistency'}),
        ('uamt', {'supervised', 'consistency'}),
        ('pairs', {'supervised', 'pseudo_labels', 'unchanged'}),
    ],
)
def test_a_run_learns_from_pairs_without_labels(
    config: Config, tmp_path: pathlib.Path, method: str, terms: set[str]
) -> None:
    """Its terms are logged, and add up; all pairs that it saw are known as such."""
    assert train(configs.replace(config, semi_supervised=method), tmp_path)
    lines = [line for line in read_log(tmp_path) if 'loss' in line]
    assert len(lines) == 2
    for line in lines:
        assert terms <= set(line)
        assert line['loss'] == pytest.approx(sum(line[name] for name in terms))
    assert len(read_learned_images(tmp_path)) == SPLITS['train']


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


def test_the_teacher_labels_what_it_is_sure_of_and_paint_comes_first() -> None:
    logits = jnp.array([[[5.0, 0.0], [0.0, 1.0], [0.0, 6.0], [9.0, 0.0], [9.0, 0.0]]])
    painted = jnp.array([[0, 0, 0, 1, 255]])
    # Of a difference of 5 the probability is 0.993; of 1 it is 0.73.
    np.testing.assert_array_equal(
        teacher_labels(logits[None], painted[None])[0, 0], [0, 255, 1, 1, 255]
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
        ({'head': 'ooc'}, 'needs a head that tells classes'),
        ({'ema_decay': 0.0}, 'set --ema_decay=0.99'),
        ({'unchanged_fraction': 0.5, 'hard_candidates': 2}, 'leave it at 1'),
    ],
)
def test_settings_that_do_not_go_together_are_refused(
    config: Config, values: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        configs.replace(config, **values)
