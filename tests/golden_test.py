"""Our own numbers of a fixed network on fixed inputs, guarded against change.

`python -m tests.golden_test [HEAD ...]` writes the files anew: only where a change of
the numbers is meant. Weights and inputs come from seeds and are not stored. The head
'cad' is on MiT-B0; the others, which share its encoder, are on a tiny one that compiles
fast, and so are the networks of other kinds.
"""

import functools
import pathlib
import sys
from typing import Any

import jax
import numpy as np
import pytest
from flax import traverse_util

from cadnet_jax.data.labels import IGNORED
from cadnet_jax.model_config import ModelConfig
from cadnet_jax.models.cadnet import CADNet, build_model
from cadnet_jax.models.heads import HEADS
from cadnet_jax.models.initialize import initialize
from cadnet_jax.training.losses import total_loss
from cadnet_jax.training_config import LossConfig
from tests.support import tiny_networks

pytestmark = pytest.mark.slow

# The program of the paper's network is that which users have.
OPTIMIZED = {'cad'}

GOLDEN = pathlib.Path(__file__).parent / 'golden'
CLASS_PIXELS = (9000, 300, 70)
# (relative, of the array's largest): another processor adds in another order.
TOLERANCES = {'gradient_norms': (2e-3, 1e-6), 'losses': (1e-5, 0)}
OUTPUT_TOLERANCE = (1e-4, 1e-4)

Arrays = dict[str, np.ndarray]


def model_and_variables(head: str) -> tuple[CADNet, dict[str, Any]]:
    """Fresh weights, with norms and running statistics that are not 0 and 1."""
    variant = 'b0' if head == 'cad' else 'tiny'
    config = ModelConfig(head=head, variant=variant, drop_path=0.0, dropout=0.0)
    model = build_model(config, len(CLASS_PIXELS))
    rng = np.random.default_rng(3)
    flat = traverse_util.flatten_dict(initialize(model, seed=3))
    for path, values in sorted(flat.items()):
        if values.ndim == 1:
            change = rng.uniform(-0.3, 0.3, values.shape)
            flat[path] = (values + change).astype(np.float32)
    return model, traverse_util.unflatten_dict(flat)


def inputs(head: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of 64 x 64; masks of the first two have a defect, all have ignored pixels.

    There are two pairs. PSPNet has four: it normalizes a mean of each pair over the
    pairs. Two normalized values are 1 and -1, whatever they were, and gradients through
    them are rounding errors, which differ by 1 % between processors.
    """
    pairs = 4 if head == 'pspnet' else 2
    rng = np.random.default_rng(4)
    reference = rng.standard_normal((pairs, 64, 64, 3), np.float32)
    image = reference + 0.2 * rng.standard_normal(reference.shape, np.float32)
    mask = np.zeros((pairs, 64, 64), np.uint8)
    mask[0, 8:24, 30:50] = 1
    mask[1, 40:47, 3:12] = 2
    mask[:, 60:] = IGNORED
    image[mask == 1] += 2
    image[mask == 2] -= 2
    return image, reference, mask


@functools.partial(jax.jit, static_argnums=0)
def evaluate_and_train(
    model: CADNet,
    variables: Any,
    image: jax.Array,
    reference: jax.Array,
    mask: jax.Array,
) -> Any:
    """Outputs in evaluation, loss and terms, gradients, statistics after a step."""

    def loss(params: Any) -> Any:
        outputs, updates = model.apply(
            {**variables, 'params': params},
            image,
            reference,
            train=True,
            mutable=['batch_stats'],
        )
        value, terms = total_loss(
            outputs,
            mask,
            LossConfig(),
            head=model.config.head,
            class_pixels=CLASS_PIXELS,
        )
        return value, (terms, updates['batch_stats'])

    (value, (terms, statistics)), gradients = jax.value_and_grad(loss, has_aux=True)(
        variables['params']
    )
    evaluated = model.apply(variables, image, reference)
    return evaluated, {'loss': value, **terms}, gradients, statistics


def compute(head: str) -> Arrays:
    """What is stored of a head, by name."""
    model, variables = model_and_variables(head)
    outputs, losses, gradients, statistics = jax.device_get(
        evaluate_and_train(model, variables, *inputs(head))
    )
    flat = sorted(traverse_util.flatten_dict(gradients, sep='/').items())
    every = max(outputs.logits.shape[1] // 16, 1)
    values = {
        'logits': outputs.logits[:, ::every, ::every],
        'gradient_names': np.array([name for name, _ in flat]),
        'gradient_norms': np.array([np.linalg.norm(x) for _, x in flat]),
        'loss_names': np.array(sorted(losses)),
        'losses': np.array([losses[name] for name in sorted(losses)]),
    }
    if outputs.distance is not None:
        values['distance'] = outputs.distance
    for stage, difference in enumerate(outputs.differences, start=1):
        some = difference.ravel()[:: difference.size // 16][:16]
        values[f'difference_{stage}'] = np.array(
            [difference.mean(), difference.std(), *some]
        )
    for path, x in traverse_util.flatten_dict(statistics, sep='/').items():
        values[f'statistics/{path}'] = np.array([x.mean(), x.std(), *x[:8]])
    return values


@pytest.mark.parametrize(
    'head',
    [
        pytest.param(head, marks=[] if head in OPTIMIZED else pytest.mark.unoptimized)
        for head in HEADS
    ],
)
def test_the_numbers_are_those_that_were_stored(
    head: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Outputs, differences, losses, statistics, and each parameter's gradient norm."""
    tiny_networks.shrink(monkeypatch)
    actual = compute(head)
    with np.load(GOLDEN / f'{head}.npz') as file:
        expected = dict(file)
    assert actual.keys() == expected.keys()
    for name, values in expected.items():
        if name.endswith('_names'):
            np.testing.assert_array_equal(actual[name], values)
            continue
        relative, absolute = TOLERANCES.get(name, OUTPUT_TOLERANCE)
        largest = np.abs(values).max()
        np.testing.assert_allclose(
            actual[name], values, relative, absolute * largest, err_msg=name
        )


def test_the_stored_numbers_are_small_and_of_every_head() -> None:
    assert {path.stem for path in GOLDEN.iterdir()} == set(HEADS)
    # A norm has an entry of its own, and HRNet has most of them.
    assert all(path.stat().st_size < 50_000 for path in GOLDEN.iterdir())


def write(*heads: str) -> None:
    """Writes the files of some heads, or of all, anew."""
    GOLDEN.mkdir(exist_ok=True)
    with pytest.MonkeyPatch.context() as patch:
        tiny_networks.shrink(patch)
        for head in heads or HEADS:
            np.savez_compressed(GOLDEN / f'{head}.npz', **compute(head))  # type: ignore[arg-type]


if __name__ == '__main__':
    write(*sys.argv[1:])
