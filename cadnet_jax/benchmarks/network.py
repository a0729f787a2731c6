"""The network by itself: prediction, with and without a cached reference; training."""

import functools
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np

from cadnet_jax import config as configs
from cadnet_jax.benchmarks.subject import PRECISIONS, Subject, draw_pairs, draw_values
from cadnet_jax.benchmarks.timing import Case, Program, Row, measure_cases, program_of
from cadnet_jax.config import Config
from cadnet_jax.data.sampling import num_unchanged
from cadnet_jax.data.transforms import normalize
from cadnet_jax.devices import AXIS, replicate, shard
from cadnet_jax.inference.pixel_maps import predict_pixels
from cadnet_jax.models.complexity import multiply_adds
from cadnet_jax.models.initialize import parameter_shapes
from cadnet_jax.runs.state import initial_state
from cadnet_jax.training.optim import make_optimizer
from cadnet_jax.training.step import make_train_step

_CLASS_PIXELS = 9, 1  # of the background and of each class of defects


def forward(subject: Subject, *, precision: str, cached: bool) -> Iterator[Row]:
    """uint8 pairs on the device to logits at stride 4.

    Args:
        subject: what is measured.
        precision: of `subject.PRECISIONS`.
        cached: one reference, encoded already, is compared with all images.

    Yields:
        Rows of `measure_cases` with `precision`, `batch` and `side`.
    """
    sizes = subject.sizes
    macs = _multiply_adds(subject, sizes.side, cached_reference=cached)
    prepare = _cached_forward if cached else _forward
    cases = [
        Case(
            {'precision': precision, 'batch': batch, 'side': sizes.side},
            functools.partial(prepare, subject, precision, batch),
            pairs=batch,
            flops=2 * macs * batch,
        )
        for batch in sizes.batches
    ]
    yield from measure_cases(cases, sizes.seconds, sizes.compiling)


def prediction(subject: Subject, *, precision: str) -> Iterator[Row]:
    """uint8 pairs to the scores of each pixel, both in host memory.

    Args:
        subject: what is measured.
        precision: one whose products are the default.

    Yields:
        Rows of `measure_cases` with `precision`, `batch` and `side`.
    """
    sizes = subject.sizes
    cases = [
        Case(
            {'precision': precision, 'batch': batch, 'side': sizes.side},
            functools.partial(_prediction, subject, precision, batch),
            pairs=batch,
        )
        for batch in sizes.batches
    ]
    yield from measure_cases(cases, sizes.seconds, sizes.compiling)


def training(subject: Subject, *, precision: str) -> Iterator[Row]:
    """A batch in host memory to updated parameters, with the recipe of the weights.

    The candidates for unchanged crops, of which the hardest are learned from, belong to
    the step and not to its pairs. Operations are counted as three times those of
    prediction.

    Yields:
        Rows of `measure_cases` with `precision`, `batch` and `side`.
    """
    sizes, cases = subject.sizes, []
    for batch, side in sizes.training:
        config = _training_config(subject, precision, batch, side)
        macs = _multiply_adds(subject, side)
        candidates = _num_candidates(config)
        cases.append(
            Case(
                {'precision': precision, 'batch': batch, 'side': side},
                functools.partial(_training, subject, config, precision),
                pairs=batch,
                flops=2 * macs * (3 * batch + candidates),
            )
        )
    yield from measure_cases(cases, sizes.seconds, sizes.compiling)


def _multiply_adds(subject: Subject, side: int, **options: bool) -> float:
    """Of one pair, as they are computed."""
    counts = multiply_adds(
        subject.config.model,
        subject.num_classes,
        side,
        side,
        as_computed=True,
        **options,
    )
    return 1e9 * sum(counts)


def _forward(subject: Subject, precision: str, batch: int) -> Program:
    model = subject.model(precision)
    pairs = jax.device_put(draw_pairs(batch, subject.sizes.side))

    def compare(variables: Any, images: Any, references: Any) -> Any:
        outputs: Any = model.apply(variables, normalize(images), normalize(references))
        return outputs.logits

    with jax.default_matmul_precision(PRECISIONS[precision].products):
        return program_of(compare, subject.device_variables, *pairs)


def _cached_forward(subject: Subject, precision: str, batch: int) -> Program:
    model, variables = subject.model(precision), subject.device_variables
    images, references = jax.device_put(draw_pairs(batch, subject.sizes.side))

    def encode(variables: Any, images: Any) -> Any:
        return model.apply(variables, normalize(images), method='encode')

    def compare(variables: Any, images: Any, features: Any) -> Any:
        encoded = encode(variables, images)
        outputs: Any = model.apply(variables, encoded, features, method='compare')
        return outputs.logits

    # Its time does not depend on the values of the features.
    shapes = jax.eval_shape(encode, variables, references[:1])
    features = jax.tree.map(lambda x: draw_values(x.shape, x.dtype), shapes)
    with jax.default_matmul_precision(PRECISIONS[precision].products):
        return program_of(compare, variables, images, features)


def _prediction(subject: Subject, precision: str, batch: int) -> Program:
    model, variables = subject.model(precision), subject.device_variables
    images, references = draw_pairs(batch, subject.sizes.side)

    def predict() -> Any:
        return jax.device_get(predict_pixels(model, variables, images, references))

    predict()  # It compiles.
    return Program(predict)


def _training_config(subject: Subject, precision: str, batch: int, side: int) -> Config:
    config = configs.replace(
        subject.config,
        dtype=PRECISIONS[precision].dtype,
        batch_size=batch,
        crop_size=side,
    )
    if not num_unchanged(config.data):
        config = configs.replace(config, hard_candidates=1)
    return config


def _num_candidates(config: Config) -> int:
    """Crops of a batch of which the hardest unchanged ones are taken."""
    if config.data.hard_candidates == 1:
        return 0
    return num_unchanged(config.data) * config.data.hard_candidates


def _training(subject: Subject, config: Config, precision: str) -> Program:
    model = subject.model(precision, axis_name=AXIS)
    optimizer = make_optimizer(
        config.optim, config.train.steps, parameter_shapes(model)['params']
    )
    state = initial_state(model, optimizer, seed=0)
    state = state.replace(params=subject.variables['params'])
    if config.optim.ema_decay:
        state = state.replace(ema_params=jax.tree.map(np.array, state.params))
    step: Any = make_train_step(
        model,
        optimizer,
        config.loss,
        _CLASS_PIXELS + _CLASS_PIXELS[1:] * (subject.num_classes - 2),
        seed=0,
        ema_decay=config.optim.ema_decay,
        num_unchanged=num_unchanged(config.data) // jax.device_count(),
        hard_candidates=config.data.hard_candidates,
    )
    extra = num_unchanged(config.data) * (config.data.hard_candidates - 1)
    count = config.data.batch_size + extra
    images, references = draw_pairs(count, config.data.crop_size)
    masks = (np.abs(images.astype(int) - references).max(axis=-1) > 20).astype(np.uint8)
    batch = {'image': images, 'reference': references, 'mask': masks}
    current = [replicate(state)]
    with jax.default_matmul_precision(PRECISIONS[precision].products):
        compiled = step.func.lower(*step.args, current[0], shard(batch)).compile()

    def dispatch() -> Any:
        current[0], metrics = compiled(*step.args, current[0], shard(batch))
        return current[0], metrics

    return Program(dispatch, compiled)
