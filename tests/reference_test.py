"""The published implementation's numbers, through our own import.

The README beside the arrays says what each is, and gives the tolerances used here.
"""

import functools
import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cadnet_jax.model_config import ModelConfig
from cadnet_jax.models.cadnet import CADNet, Outputs, build_model
from cadnet_jax.models.kernels.operations import resize_bilinear
from cadnet_jax.training.losses import contrastive, cross_entropy
from cadnet_jax.weights.pretrained import convert, read_weights
from tests.support import foreign_names

pytestmark = [pytest.mark.slow, pytest.mark.unoptimized]

TRAINED = (
    'case_a_intra_128x128_b2',
    'case_b_intra_96x160_b1',
    'case_c_ooc_128x128_b2',
)
CASES = (*TRAINED, 'case_d_intra_512x512_b1')
PUBLISHED_CLASS_WEIGHTS = (1.0, 1 / 0.924, 1 / 0.076)
SCORE_THRESHOLD = (2.2 + 0.3) / 2
# A bias ahead of a BatchNorm: its gradient is 0 but for rounding.
NO_GRADIENT = 'decode_head.cad_head.hw_a.conv1.bias'

Arrays = dict[str, Any]


class Result(NamedTuple):
    """What our model makes of a case; `evaluated` alone where it has no training."""

    expected: Arrays
    params: Any
    evaluated: Outputs
    trained: Any = None
    losses: Any = None
    gradient: Any = None
    contrastive_gradient: Any = None
    batch_stats: Any = None


def published_losses(outputs: Outputs, label: jax.Array, head: str) -> Arrays:
    """Our terms under the published names and scales.

    A contrastive term is summed over batch, rows and columns and divided by the rows
    and a weight; the cross entropy is a mean over all pixels, ignored ones too.
    """
    height, width = label.shape[1:]
    logits = resize_bilinear(outputs.logits, (height, width))
    assert outputs.distance is not None
    distance = resize_bilinear(outputs.distance[..., None], (height, width))[..., 0]
    unweighted = jnp.sum(contrastive(distance, label)) / height
    if head == 'ooc':
        on_score = jnp.sum(contrastive(logits[..., 0], label)) / height
        terms = {
            'loss_contra_dist': unweighted / 4096,
            'loss_contra_seglogit': on_score / 8,
        }
        total = terms['loss_contra_dist'] + terms['loss_contra_seglogit']
        return {**terms, 'loss_total': total, 'sub_contra_w1_for_grad': unweighted}
    weights = jnp.asarray(PUBLISHED_CLASS_WEIGHTS)
    weighted = jnp.sum(contrastive(distance, label, weights)) / height
    terms = {
        'loss_ce': jnp.mean(cross_entropy(logits, label)),
        'loss_contra': 0.001 * weighted / 512,
    }
    return {
        **terms,
        'loss_total': terms['loss_ce'] + terms['loss_contra'],
        'sub_contra_weighted': weighted / 512,
        'sub_contra_unweighted': unweighted / 512,
        'sub_contra_weighted_w1': weighted,
        'sub_contra_unweighted_w1': unweighted,
        'sub_contra_w1_for_grad': weighted,
    }


@functools.partial(jax.jit, static_argnums=0)
def evaluate(model: CADNet, variables: Any, *inputs: jax.Array) -> Any:
    image, reference, limits = inputs
    return model.apply(variables, image, reference, distance_limits=limits)


@functools.partial(jax.jit, static_argnums=0)
def evaluate_and_train(model: CADNet, variables: Any, *inputs: jax.Array) -> Any:
    """Both in one program, with the gradients of two losses in one backward pass."""
    image, reference, limits, label = inputs
    evaluated = model.apply(variables, image, reference, distance_limits=limits)

    def losses(params: Any) -> tuple[Arrays, tuple[Outputs, Any]]:
        outputs, updates = model.apply(
            {**variables, 'params': params},
            image,
            reference,
            train=True,
            distance_limits=limits,
            mutable=['batch_stats'],
        )
        terms = published_losses(outputs, label, model.config.head)
        return terms, (outputs, updates['batch_stats'])

    terms, backward, (trained, batch_stats) = jax.vjp(
        losses, variables['params'], has_aux=True
    )
    chosen = ('loss_total', 'sub_contra_w1_for_grad')
    one_hot = {
        name: jnp.array([name == other for other in chosen], jnp.float32)
        for name in terms
    }
    (gradients,) = jax.vmap(backward)(one_hot)
    total, contrastive_alone = zip(*jax.tree.leaves(gradients), strict=True)
    structure = jax.tree.structure(gradients)
    unflatten = functools.partial(jax.tree.unflatten, structure)
    return (
        evaluated,
        trained,
        terms,
        unflatten(total),
        unflatten(contrastive_alone),
        batch_stats,
    )


@pytest.fixture(scope='module')
def load(shared: pathlib.Path) -> Callable[[str], tuple[CADNet, Any]]:
    @functools.cache
    def load(kind: str) -> tuple[CADNet, Any]:
        config = ModelConfig(
            head='cad' if kind == 'intra' else 'ooc', drop_path=0.0, dropout=0.0
        )
        model = build_model(config, 3)
        path = shared / 'reference' / f'cadnet_{kind}_weights.npz'
        return model, convert(read_weights(path), model, source=path.name).variables

    return load


@pytest.fixture(scope='module')
def compute(
    shared: pathlib.Path, load: Callable[[str], tuple[CADNet, Any]]
) -> Callable[[str], Result]:
    @functools.cache
    def compute(case: str) -> Result:
        with np.load(shared / 'reference' / f'{case}.npz') as file:
            expected = dict(file)
        model, variables = load(case.split('_')[2])
        images = [channels_last(expected[name]) for name in ('ng', 'ok')]
        limits = None
        if model.config.head == 'ooc':
            # The published head takes the limits of the Norm over the whole batch.
            distance = expected['distance']
            limits = np.tile([[distance.min(), distance.max()]], (len(distance), 1))
        if case in TRAINED:
            label = expected['label']
            values = evaluate_and_train(model, variables, *images, limits, label)
        else:
            values = (evaluate(model, variables, *images, limits),)
        return Result(expected, variables['params'], *jax.device_get(values))

    return compute


@pytest.fixture(params=CASES)
def result(request: pytest.FixtureRequest, compute: Callable[[str], Result]) -> Result:
    return compute(request.param)


@pytest.fixture(params=TRAINED)
def trained(request: pytest.FixtureRequest, compute: Callable[[str], Result]) -> Result:
    return compute(request.param)


def channels_last(array: np.ndarray) -> np.ndarray:
    return array.transpose(0, 2, 3, 1)


def published_names(params: Any) -> dict[str, np.ndarray]:
    """A tree like the parameters, as float64 under the published names."""
    weights = {
        **foreign_names.published_encoder(params['encoder']),
        **foreign_names.published_decoder(params['decoder']),
    }
    return {name: x.astype(np.float64) for name, x in weights.items()}


def test_evaluation_logits(result: Result) -> None:
    np.testing.assert_allclose(
        result.evaluated.logits,
        channels_last(result.expected['logits']),
        rtol=1e-4,
        atol=1e-4,
    )


def test_distance_map(result: Result) -> None:
    assert result.evaluated.distance is not None
    np.testing.assert_allclose(
        result.evaluated.distance,
        result.expected['distance'][:, 0],
        rtol=1e-4,
        atol=1e-4,
    )


def test_stage_differences(trained: Result) -> None:
    """Relative to each stage's own maximum: the last ones are small in scale."""
    for stage, ours in enumerate(trained.evaluated.differences):
        theirs = channels_last(trained.expected[f'diff_{stage}'])
        largest = np.abs(theirs).max()
        np.testing.assert_allclose(ours / largest, theirs / largest, rtol=0, atol=1e-4)


def test_predicted_classes(result: Result) -> None:
    """But for pixels where two classes are equal within rounding: 1 in 100,000."""
    theirs = result.expected['pred']
    logits = resize_bilinear(jnp.asarray(result.evaluated.logits), theirs.shape[1:])
    if logits.shape[-1] == 1:
        ours = logits[..., 0] > SCORE_THRESHOLD
    else:
        ours = jnp.argmax(logits, axis=-1)
    assert np.mean(np.asarray(ours) != theirs) <= 1e-5


def test_training_outputs(trained: Result) -> None:
    outputs, expected = trained.trained, trained.expected
    for ours, theirs in (
        (outputs.logits, channels_last(expected['train_logits'])),
        (outputs.distance, expected['train_distance'][:, 0]),
    ):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-4)


def test_losses(trained: Result) -> None:
    names = {n for n in trained.expected if n.startswith(('loss_', 'sub_contra_'))}
    assert set(trained.losses) == names
    for name, ours in trained.losses.items():
        np.testing.assert_allclose(ours, trained.expected[name], 1e-5, err_msg=name)


def test_running_statistics_after_one_step(trained: Result) -> None:
    ours = foreign_names.published_decoder(trained.batch_stats['decoder'])
    theirs = {
        name.removeprefix('bn_after/'): x
        for name, x in trained.expected.items()
        if name.startswith('bn_after/')
    }
    assert set(ours) == set(theirs)
    for name, x in theirs.items():
        np.testing.assert_allclose(ours[name], x, 1e-4, 1e-5, err_msg=name)


def test_the_gradient_of_every_parameter(trained: Result) -> None:
    """Its norm, and its product with the parameter, which has the sign."""
    expected = trained.expected
    gradients = published_names(trained.gradient)
    params = published_names(trained.params)
    assert set(gradients) == set(expected['grad_names'])
    for name, norm, dot in zip(
        expected['grad_names'],
        expected['grad_norms'],
        expected['grad_dots'],
        strict=True,
    ):
        gradient, parameter = gradients[name], params[name]
        if name == NO_GRADIENT:
            assert np.linalg.norm(gradient) < 1e-5
            continue
        np.testing.assert_allclose(np.linalg.norm(gradient), norm, 2e-3, err_msg=name)
        scale = norm * np.linalg.norm(parameter)
        np.testing.assert_allclose(
            np.sum(gradient * parameter), dot, rtol=0, atol=2e-3 * scale, err_msg=name
        )


def test_the_gradient_of_the_distance_loss(trained: Result) -> None:
    """The head gets none of it: it looks at DistMap without its gradient."""
    gradients = published_names(trained.contrastive_gradient)
    for name, norm in zip(
        trained.expected['grad_names'],
        trained.expected['grad_contra_norms'],
        strict=True,
    ):
        ours = np.linalg.norm(gradients[name])
        if name.startswith('decode_head.'):
            assert ours == norm == 0, name
        else:
            np.testing.assert_allclose(ours, norm, 2e-3, err_msg=name)


@pytest.mark.parametrize(('kind', 'count'), [('intra', 3_896_867), ('ooc', 3_846_497)])
def test_parameter_counts(
    kind: str, count: int, load: Callable[[str], tuple[CADNet, Any]]
) -> None:
    _, variables = load(kind)
    assert sum(x.size for x in jax.tree.leaves(variables['params'])) == count
