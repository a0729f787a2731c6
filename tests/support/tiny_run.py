"""Work directories without training, and networks that need none."""

import dataclasses
import pathlib
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from cadnet_jax import config as configs
from cadnet_jax.config import Config
from cadnet_jax.data_config import DataConfig
from cadnet_jax.files.atomic import write_json
from cadnet_jax.inference.predictor import Predictor, make_predictor
from cadnet_jax.model_config import ModelConfig
from cadnet_jax.models.cadnet import Features, Outputs, build_model
from cadnet_jax.models.initialize import initialize
from cadnet_jax.models.mix_transformer import SMALLEST_SIDE
from cadnet_jax.runs.checkpoint import save_variables
from cadnet_jax.runs.workdir import TrainingData, write_dataset_info
from cadnet_jax.training_config import OptimConfig, TrainConfig
from tests.support.tiny_data import CLASS_NAMES


def write_run(
    workdir: pathlib.Path,
    *,
    data_dir: str | pathlib.Path = '',
    head: str = 'cad',
    class_names: tuple[str, ...] = CLASS_NAMES,
) -> pathlib.Path:
    """Writes the work directory of a run on `tiny_data`, with initial weights."""
    config = Config(model=ModelConfig(head=head), data=DataConfig(str(data_dir)))
    pixels = (1000, *[20] * (len(class_names) - 1))
    write_json(workdir / 'config.json', dataclasses.asdict(config))
    write_dataset_info(workdir, TrainingData('tiny_pairs', class_names, pixels))
    model = build_model(config.model, len(class_names))
    save_variables(workdir, initialize(model, seed=0), {'source': 'initial weights'})
    return workdir


def short_run(data_dir: str | pathlib.Path, **changed: Any) -> Config:
    """Settings of two steps on `tiny_data`; `changed`: others, by name."""
    config = Config(
        data=DataConfig(
            str(data_dir),
            batch_size=2,
            eval_batch_size=2,
            crop_size=32,
            eval_split='val[:1]',
        ),
        optim=OptimConfig(warmup_steps=1),
        train=TrainConfig(steps=2, eval_every=2, checkpoint_every=2),
    )
    return configs.replace(config, **changed)


def random_predictor(head: str = 'cad') -> Predictor:
    """The real network with initial weights."""
    config = Config(model=ModelConfig(head=head))
    variables = initialize(build_model(config.model, len(CLASS_NAMES)), seed=0)
    return make_predictor(config, CLASS_NAMES, variables, workdir='run', step=0)


class Differencing(nn.Module):
    """Stands in for the network: looks at `cell` x `cell` pixels and no further.

    DistMap is the mean difference of a cell. Where it exceeds 0.05 the classes' logits
    say 1 if the image has more red than blue there, otherwise 2. With `out_of_class`
    there is one logit instead: 3 times DistMap scaled to 0..1 by its limits.
    """

    cell: int = 1
    out_of_class: bool = False
    smallest_side: int = SMALLEST_SIDE

    def __call__(
        self,
        image: jax.Array,
        reference: jax.Array,
        *,
        train: bool = False,
        distance_limits: jax.Array | None = None,
    ) -> Outputs:
        features = self.encode(image, train=train), self.encode(reference, train=train)
        return self.compare(*features, train=train, distance_limits=distance_limits)

    def encode(self, image: jax.Array, *, train: bool = False) -> Features:
        del train
        assert min(image.shape[1:3]) >= self.smallest_side, 'the network refuses this'
        return (self.cells(image),)

    def compare(
        self,
        image: Features,
        reference: Features,
        *,
        train: bool = False,
        distance_limits: jax.Array | None = None,
    ) -> Outputs:
        del train
        (cells,), (clean,) = image, reference
        distance = jnp.mean(jnp.abs(cells - clean), axis=-1)
        if self.out_of_class:
            return Outputs(self._change(distance, distance_limits), distance, ())
        red = cells[..., 0] - cells[..., 2]
        logits = jnp.stack([jnp.full_like(red, 0.05), distance, distance], axis=-1)
        logits += jnp.stack([jnp.zeros_like(red), red, -red], axis=-1) * 0.01
        return Outputs(logits, distance, ())

    def cells(self, image: jax.Array) -> jax.Array:
        edges = [(0, -side % self.cell) for side in image.shape[1:3]]
        image = jnp.pad(image, ((0, 0), *edges, (0, 0)), mode='edge')
        batch, height, width, channels = image.shape
        shape = (batch, height // self.cell, self.cell, width // self.cell, self.cell)
        return jnp.mean(image.reshape(*shape, channels), axis=(2, 4))

    def _change(self, distance: jax.Array, limits: jax.Array | None) -> jax.Array:
        if limits is None:
            flat = distance.reshape(len(distance), -1)
            limits = jnp.stack([flat.min(axis=1), flat.max(axis=1)], axis=1)
        low, high = limits[:, 0, None, None], limits[:, 1, None, None]
        return 3 * ((distance - low) / jnp.maximum(high - low, 1e-12))[..., None]


def differencing_predictor(
    *, cell: int = 1, head: str = 'cad', **fields: Any
) -> Predictor:
    """A predictor that is right about `tiny_data`: what differs is a defect."""
    return dataclasses.replace(
        make_predictor(
            Config(model=ModelConfig(head=head)),
            CLASS_NAMES,
            {'params': {}},
            workdir='run',
            step=7,
        ),
        model=Differencing(cell, out_of_class=head == 'ooc'),
        **fields,
    )
