"""What `benchmark` times of the bare network, with random weights and images."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from cadnet_jax.benchmarks.benchmark import Job, Settings
from cadnet_jax.config import Config
from cadnet_jax.data.transforms import normalize
from cadnet_jax.models.cadnet import CADNet, build_model
from cadnet_jax.models.complexity import multiply_adds
from cadnet_jax.models.initialize import initialize

CLASS_NAMES = ('background', 'line', 'point')


def forward(settings: Settings) -> Job:
    """The network in evaluation: uint8 pairs on the device to logits at stride 4."""
    config = settings.config
    model, variables = _network(config)
    images, references, _ = jax.device_put(random_batch(config))

    def compare(variables: Any, images: Any, references: Any) -> Any:
        outputs: Any = model.apply(variables, normalize(images), normalize(references))
        return outputs.logits

    args = variables, images, references
    return _network_job(compare, args, config, cached=False)


def cached_forward(settings: Settings) -> Job:
    """`forward` against one reference that is encoded already."""
    config = settings.config
    model, variables = _network(config)
    images, references, _ = jax.device_put(random_batch(config))
    features = jax.jit(lambda v, x: model.apply(v, normalize(x), method='encode'))(
        variables, references[:1]
    )

    def compare(variables: Any, images: Any, features: Any) -> Any:
        encoded = model.apply(variables, normalize(images), method='encode')
        outputs: Any = model.apply(variables, encoded, features, method='compare')
        return outputs.logits

    return _network_job(compare, (variables, images, features), config, cached=True)


def random_batch(
    config: Config, size: int = 0, *, count: int = 0
) -> tuple[np.ndarray, ...]:
    """Images, references and masks; `size` 0: of crops, `count` 0: of a batch."""
    side = size or config.data.crop_size
    shape = (count or config.data.batch_size, side, side)
    rng = np.random.default_rng(0)
    return (
        rng.integers(0, 256, (*shape, 3), np.uint8),
        rng.integers(0, 256, (*shape, 3), np.uint8),
        rng.integers(0, len(CLASS_NAMES), shape, np.uint8),
    )


def _network(config: Config) -> tuple[CADNet, Any]:
    model = build_model(config.model, len(CLASS_NAMES))
    return model, jax.device_put(initialize(model, seed=0))


def _network_job(
    function: Callable[..., Any], args: tuple[Any, ...], config: Config, *, cached: bool
) -> Job:
    compiled = jax.jit(function).lower(*args).compile()
    size = config.data.crop_size
    return Job(
        lambda: jax.block_until_ready(compiled(*args)),
        config.data.batch_size,
        gmacs=multiply_adds(
            config.model,
            len(CLASS_NAMES),
            size,
            size,
            as_computed=True,
            cached_reference=cached,
        ).convolutions,
        cost=compiled.cost_analysis(),
    )
