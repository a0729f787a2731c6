"""The table of heads: a row is all that a new head takes."""

import dataclasses
import functools
import json
import math
import pathlib
from typing import Any

import jax
import numpy as np
import optax
import pytest
from flax import linen as nn

from cadnet_jax.config import Config
from cadnet_jax.evaluation.evaluate import evaluate
from cadnet_jax.inference.predictor import make_predictor
from cadnet_jax.model_config import ModelConfig
from cadnet_jax.models.cadnet import build_model
from cadnet_jax.models.heads import HEADS
from cadnet_jax.models.initialize import parameter_shapes
from cadnet_jax.models.layers import BatchNorm
from cadnet_jax.models.mix_transformer import VARIANTS
from cadnet_jax.runs.state import TrainState, initial_state
from cadnet_jax.runs.workdir import DISTANCE
from cadnet_jax.training.step import train_step
from cadnet_jax.training_config import LossConfig
from tests.support import tiny_networks
from tests.support.tiny_data import CLASS_NAMES, prepare_tiny

pytestmark = pytest.mark.unoptimized

LONE_CROPS = [(head, 32) for head in HEADS] + [
    *(('cad', 33), ('ocrnet', 33), ('pspnet', 128), ('deeplabv3plus', 128)),
    *(('unet', 16), ('unet', 31)),
]
STRIDES = {'fcn': 16, 'pspnet': 8, 'danet': 8, 'unet': 1, 'fc_siam_diff': 1}


@pytest.fixture
def fifth_head(monkeypatch: pytest.MonkeyPatch) -> str:
    """Classes, from the attention that none of the others uses for them."""
    row = HEADS['ooc']._replace(
        title='Fifth', answer='classes', losses=('cross_entropy',)
    )
    monkeypatch.setitem(HEADS, 'fifth', row)
    monkeypatch.setitem(VARIANTS, 'b0', tiny_networks.TINY)
    return 'fifth'


@pytest.mark.slow
@pytest.mark.parametrize('head', ['fifth', 'pspnet', 'unet', 'fc_siam_diff'])
def test_a_row_is_all_that_a_new_head_takes(
    fifth_head: str,
    head: str,
    tmp_path: pathlib.Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It trains a step, predicts a pair in tiles and is evaluated."""
    tiny_networks.shrink(monkeypatch)
    for name, shallow in tiny_networks.SHALLOW_UNETS.items():
        monkeypatch.setitem(HEADS, name, shallow)
    row = HEADS[head]
    config = Config(model=ModelConfig(head=head))
    data_dir = prepare_tiny(tmp_path / 'data', sizes=((64, 64),))
    model = build_model(config.model, len(CLASS_NAMES))
    optimizer = optax.adam(1e-3)
    state = initial_state(model, optimizer, seed=0)
    rng = np.random.default_rng(0)
    images, references = rng.integers(0, 256, (2, 2, 64, 64, 3), np.uint8)
    mask = rng.integers(0, len(CLASS_NAMES), (2, 64, 64), np.uint8)
    batch = {'image': images, 'reference': references, 'mask': mask}

    def step(state: TrainState, batch: Any) -> Any:
        return train_step(
            state,
            batch,
            model=model,
            optimizer=optimizer,
            loss_config=LossConfig(),
            class_pixels=(100, 2, 1),
            key=jax.random.key(0),
            axis_name=None,
        )

    after, metrics = jax.jit(step)(state, batch)
    auxiliary = {'auxiliary'} if row.auxiliary_weights else set()
    assert set(metrics) == {'loss', 'cross_entropy', 'gradient_norm', *auxiliary}
    assert np.isfinite(metrics['loss'])
    predictor = make_predictor(
        config, CLASS_NAMES, after.variables, workdir='run', step=1, tile_size=40
    )
    prediction = predictor(images[0], references[0])
    assert prediction.mask.shape == (64, 64)
    assert (prediction.distance is not None) == row.has_distance
    assert predictor.rule.threshold is None
    whole = dataclasses.replace(predictor, tile_size=64)
    output_dir = tmp_path / 'evaluation'
    metrics = evaluate(
        whole,
        data_dir,
        'val',
        batch_size=2,
        output_dir=output_dir,
        num_pictures=1,
        progress=False,
    )
    listed = json.loads((output_dir / 'results.json').read_text())['files']
    assert [file for file in listed if not (output_dir / file).is_file()] == []
    assert any(file.startswith(f'{DISTANCE}/') for file in listed) == row.has_distance
    assert tuple(metrics['classes']) == CLASS_NAMES
    assert metrics['gmacs'] is not None and metrics['gmacs'] > 0


def test_a_head_that_is_not_in_the_table_is_refused(fifth_head: str) -> None:
    """The names are those of the rows, also of new ones."""
    with pytest.raises(ValueError, match=r'head is .other.; it can be: cad, .*fifth'):
        Config(model=ModelConfig(head='other'))
    with pytest.raises(ValueError, match="ce_weight is 0: head 'fifth' has no other"):
        Config(model=ModelConfig(head=fifth_head), loss=LossConfig(ce_weight=0.0))


@pytest.mark.parametrize('head', HEADS)
def test_the_logits_are_what_the_row_says(
    head: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tiny_networks.shrink(monkeypatch)
    model = build_model(ModelConfig(head=head), 5)
    image = jax.ShapeDtypeStruct((1, 32, 32, 3), np.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0), image, image)
    outputs = jax.eval_shape(model.apply, variables, image, image)
    channels = {'classes': 5, 'change': 1}[HEADS[head].answer]
    side = 32 // STRIDES.get(head, 4)
    assert outputs.logits.shape == (1, side, side, channels)
    assert (outputs.distance is not None) == HEADS[head].has_distance


@pytest.mark.parametrize(('head', 'side'), LONE_CROPS)
def test_which_crop_can_be_a_batch_by_itself(head: str, side: int) -> None:
    """As traced: one value a channel has no variance, whatever the network."""
    counts = []

    def count(call: Any, args: Any, kwargs: Any, context: Any) -> Any:
        if isinstance(context.module, BatchNorm):
            counts.append(math.prod(args[0].shape[:-1]))
        return call(*args, **kwargs)

    model = build_model(ModelConfig(head=head), 2)
    crop = jax.ShapeDtypeStruct((1, side, side, 3), np.float32)
    apply = functools.partial(
        model.apply,
        train=True,
        rngs={'drop_path': jax.random.key(0), 'dropout': jax.random.key(0)},
        mutable=['batch_stats'],
    )
    variables = parameter_shapes(model)
    with nn.intercept_methods(count):
        jax.eval_shape(apply, variables, crop, crop)
    smallest = HEADS[head].lone_crop_side
    assert (min(counts) > 1) == (smallest is not None and side >= smallest)
