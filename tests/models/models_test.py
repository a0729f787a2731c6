"""The network: sizes, its decoder in the plain form, and what must always hold.

Properties of all variants are tested on a tiny one, which compiles fast.
"""

import functools
import hashlib
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from flax import traverse_util

from cadnet_jax.model_config import ModelConfig
from cadnet_jax.models import decoder
from cadnet_jax.models.cadnet import CADNet, Outputs, build_model, outside_encoder
from cadnet_jax.models.decoder import Decoder
from cadnet_jax.models.heads import HEADS
from cadnet_jax.models.initialize import initialize, parameter_shapes
from cadnet_jax.models.mix_transformer import VARIANTS, MixTransformer
from tests.support import tiny_networks
from tests.support.plain_decoder import PlainDecoder
from tests.support.tiny_networks import TINY

pytestmark = [pytest.mark.slow, pytest.mark.unoptimized]

SIZE = (37, 53)  # Primes: no stride divides them.


@pytest.fixture(scope='module', autouse=True)
def tiny_variant() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        tiny_networks.shrink(patch)
        yield


def tiny(head: str, **settings: Any) -> tuple[CADNet, dict[str, Any]]:
    model = build_model(ModelConfig(head=head, variant='tiny', **settings), 3)
    return model, perturbed(initialize(model, seed=0))


def perturbed(variables: dict[str, Any]) -> Any:
    """With norms, biases and running statistics that are not 0 and 1."""
    rng = np.random.default_rng(1)
    return jax.tree.map(
        lambda x: (
            x * rng.uniform(0.7, 1.3, x.shape).astype(np.float32)
            + (rng.uniform(0, 0.2, x.shape).astype(np.float32) if x.ndim == 1 else 0)
        ),
        variables,
    )


def pairs(count: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """References of noise, and images with a bright spot."""
    rng = np.random.default_rng(seed)
    reference = rng.standard_normal((count, *SIZE, 3), np.float32)
    image = reference + 0.1 * rng.standard_normal(reference.shape, np.float32)
    image[:, 10:20, 20:30] += 2
    return image, reference


@functools.partial(jax.jit, static_argnums=0)
def evaluate(model: CADNet, variables: Any, *images: jax.Array) -> Any:
    return model.apply(variables, *images)


@pytest.mark.parametrize(
    ('head', 'count'),
    [
        ('cad', 3_896_867),
        ('plain', 3_715_939),
        ('ooc', 3_846_497),
        ('segformer', 3_715_939),
    ],
)
def test_parameter_counts(head: str, count: int) -> None:
    """The paper's 3.90, 3.72 and 3.85 M for three classes."""
    params = parameter_shapes(build_model(ModelConfig(head=head), 3))['params']
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == count


# Encoder parameters in millions, SegFormer's table 1.
PUBLISHED_MILLIONS = {
    'b0': 3.4,
    'b1': 13.1,
    'b2': 24.2,
    'b3': 44.0,
    'b4': 60.8,
    'b5': 81.4,
}


def encoder_parameters(channels: tuple[int, ...], blocks: tuple[int, ...]) -> int:
    """Counted from the architecture's description; every layer has a bias."""

    def layer(inputs: int, outputs: int) -> int:
        return (inputs + 1) * outputs

    total, previous = 0, 3
    for c, count, patch, r in zip(
        channels, blocks, (7, 3, 3, 3), (8, 4, 2, 1), strict=True
    ):
        norm = 2 * c
        attention = 4 * layer(c, c) + (layer(r * r * c, c) + norm if r > 1 else 0)
        mlp = layer(c, 4 * c) + layer(9, 4 * c) + layer(4 * c, c)
        total += layer(patch * patch * previous, c) + norm  # patches
        total += count * (attention + mlp + 2 * norm) + norm
        previous = c
    return total


@pytest.mark.parametrize('variant', PUBLISHED_MILLIONS)
def test_encoder_variants(variant: str) -> None:
    image = jax.ShapeDtypeStruct((1, 32, 32, 3), np.float32)
    init = functools.partial(MixTransformer(variant).init, train=False)
    params = jax.eval_shape(init, jax.random.key(0), image)
    count = sum(leaf.size for leaf in jax.tree.leaves(params))
    assert count == encoder_parameters(*VARIANTS[variant])
    assert abs(count / 1e6 - PUBLISHED_MILLIONS[variant]) < 0.1


class NumpyDecoder:
    """The decoder as the paper writes it, in float64, all of it at stride 4."""

    def __init__(self, head: str, variables: dict[str, Any], *, train: bool) -> None:
        self.head = head
        self.params, self.statistics = (
            jax.tree.map(lambda x: np.asarray(x, np.float64), variables[name])
            for name in ('params', 'batch_stats')
        )
        self.train = train

    def __call__(self, features: list[np.ndarray], distance: np.ndarray) -> np.ndarray:
        size = features[0].shape[1:3]
        projected = []
        for i, f in enumerate(features, start=1):
            x = f @ self.params[f'project_{i}']['kernel']
            x = np.maximum(self.norm(x, f'project_{i}_norm'), 0)
            shape = (len(x), *size, x.shape[-1])
            projected.append(jax.image.resize(x, shape, 'bilinear', antialias=False))
        joined = np.concatenate(projected, axis=-1, dtype=np.float64)
        d = sigmoid(distance)
        if self.head == 'cad':
            s = self.coordinate_attention(sum(projected) + d)
            joined = self.channel_attention(joined + d) * (
                joined + np.tile(s, (1, 1, 1, 4))
            )
        elif self.head == 'ooc':
            low, high = (f(d, axis=(1, 2, 3), keepdims=True) for f in (np.min, np.max))
            norm = (d - low) / (high - low)
            joined = norm * self.channel_attention(joined) * joined
        x = self.norm(joined @ self.params['fusion'], 'fusion_norm')
        return self.dense(np.maximum(x, 0), 'classifier')

    def dense(self, x: np.ndarray, *path: str) -> np.ndarray:
        layer = functools.reduce(lambda tree, name: tree[name], path, self.params)
        return np.asarray(x @ layer['kernel'] + layer.get('bias', 0))

    def norm(self, x: np.ndarray, *path: str) -> np.ndarray:
        params, statistics = (
            functools.reduce(lambda tree, name: tree[name], path, tree)
            for tree in (self.params, self.statistics)
        )
        mean, var = statistics['mean'], statistics['var']
        if self.train:
            axes = tuple(range(x.ndim - 1))
            mean, var = x.mean(axes), x.var(axes)
        normal = (x - mean) / np.sqrt(var + 1e-5)
        return np.asarray(normal * params['scale'] + params['bias'])

    def channel_attention(self, x: np.ndarray) -> np.ndarray:
        def perceptron(pooled: np.ndarray) -> np.ndarray:
            hidden = self.dense(pooled, 'channel_attention', 'squeeze')
            return self.dense(np.maximum(hidden, 0), 'channel_attention', 'excite')

        average, maximum = x.mean((1, 2)), x.max((1, 2))
        return sigmoid(perceptron(average) + perceptron(maximum))[:, None, None]

    def coordinate_attention(self, x: np.ndarray) -> np.ndarray:
        scope = 'coordinate_attention'
        lines = np.concatenate([x.mean(2), x.mean(1)], axis=1)
        lines = self.norm(self.dense(lines, scope, 'reduce'), scope, 'norm')
        lines = lines * np.clip(lines + 3, 0, 6) / 6
        rows, columns = np.split(lines, [x.shape[1]], axis=1)
        rows = sigmoid(self.dense(rows, scope, 'gate_height'))
        columns = sigmoid(self.dense(columns, scope, 'gate_width'))
        return np.asarray(x * rows[:, :, None] * columns[:, None])


def sigmoid(x: np.ndarray) -> np.ndarray:
    return np.asarray(1 / (1 + np.exp(-x)))


def decoder_inputs(
    decoder: Decoder,
) -> tuple[dict[str, Any], list[np.ndarray], np.ndarray]:
    """Variables, features and distance of two pairs."""
    rng = np.random.default_rng(2)
    sizes = ((13, 19), (7, 10), (4, 5), (2, 3))
    features = [
        rng.standard_normal((2, *size, c), np.float32)
        for size, c in zip(sizes, TINY.channels, strict=True)
    ]
    distance = rng.uniform(0, 4, (2, *sizes[0], 1)).astype(np.float32)
    shapes = jax.eval_shape(
        functools.partial(decoder.init, train=False),
        jax.random.key(0),
        features,
        distance,
    )
    variables = jax.tree.map(
        lambda x: (
            rng.uniform(0.5, 1.5, x.shape).astype(np.float32)
            if x.ndim == 1
            else rng.normal(0, x.shape[0] ** -0.5, x.shape).astype(np.float32)
        ),
        nn.meta.unbox(shapes),
    )
    return variables, features, distance


@pytest.mark.parametrize('train', [False, True], ids=['evaluation', 'training'])
@pytest.mark.parametrize('head', ['cad', 'plain', 'ooc'])
def test_the_decoder_computes_its_plain_form(head: str, train: bool) -> None:
    """With the products at each stage's own resolution, it is the same function."""
    decoder = Decoder(HEADS[head].attention, 3, dropout=0.0)
    variables, features, distance = decoder_inputs(decoder)
    apply: Any = functools.partial(decoder.apply, train=train, mutable=['batch_stats'])
    actual, _ = jax.jit(apply)(variables, features, distance)
    expected = NumpyDecoder(head, variables, train=train)(features, distance)
    np.testing.assert_allclose(actual, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('head', ['cad', 'plain', 'ooc'])
def test_the_decoder_has_the_gradients_of_its_plain_form(head: str) -> None:
    """For the parameters and the features."""

    def gradients(kind: type[Decoder]) -> Any:
        decoder = kind(HEADS[head].attention, 3, dropout=0.0)
        variables, features, distance = decoder_inputs(decoder)

        def loss(params: Any, features: Any) -> jax.Array:
            logits, _ = decoder.apply(
                {**variables, 'params': params},
                features,
                distance,
                train=True,
                mutable=['batch_stats'],
            )
            return jnp.mean(jnp.square(logits - 1))

        return jax.jit(jax.grad(loss, argnums=(0, 1)))(variables['params'], features)

    ours, plain = (
        dict(jax.tree_util.tree_leaves_with_path(gradients(kind)))
        for kind in (Decoder, PlainDecoder)
    )
    assert ours.keys() == plain.keys()
    for path, expected in plain.items():
        # A bias ahead of a norm has no gradient, and a ReLU at 0 goes either way.
        error = np.linalg.norm(ours[path] - expected)
        assert error < 2e-3 * np.linalg.norm(expected) + 1e-6, path


@pytest.mark.parametrize('head', HEADS)
def test_a_pair_does_not_depend_on_its_batch(head: str) -> None:
    """Neither on what else is in it nor on its size."""
    model, variables = tiny(head)
    images = pairs(3)
    together = evaluate(model, variables, *images)
    alone = evaluate(model, variables, *(x[:1] for x in images))
    neighbors = [5 * x[1:] for x in pairs(3, seed=7)]
    others = evaluate(
        model,
        variables,
        *(np.concatenate([x[:1], y]) for x, y in zip(images, neighbors, strict=True)),
    )
    for other in (alone, others):
        for a, b in zip(jax.tree.leaves(other), jax.tree.leaves(together), strict=True):
            largest = max(1.0, np.abs(b[0]).max())  # logits of U-Net reach 20
            np.testing.assert_allclose(a[0], b[0], rtol=1e-5, atol=1e-5 * largest)


@pytest.mark.parametrize('head', ['cad', 'plain', 'ooc'])
def test_distance_is_zero_for_an_identical_pair_and_the_same_swapped(head: str) -> None:
    model, variables = tiny(head)
    image, reference = pairs(3)
    there, back, same = (
        evaluate(model, variables, *pair)
        for pair in ((image, reference), (reference, image), (image, image))
    )
    assert np.max(there.distance) > 0.5
    np.testing.assert_allclose(there.distance, back.distance, rtol=0, atol=1e-4)
    assert np.max(same.distance) < 1e-4
    assert np.all(np.isfinite(same.logits))


def test_an_identical_pair_has_finite_gradients() -> None:
    """The square root in DistMap has none at 0."""
    model, variables = tiny('cad', drop_path=0.0, dropout=0.0)

    @jax.jit
    def gradient(params: Any, image: jax.Array) -> Any:
        def loss(params: Any) -> jax.Array:
            outputs: Outputs = model.apply(
                {**variables, 'params': params},
                image,
                image,
                train=True,
                mutable=['batch_stats'],
            )[0]
            assert outputs.distance is not None
            return jnp.sum(outputs.logits) + jnp.sum(outputs.distance)

        return jax.grad(loss)(params)

    for path, leaf in traverse_util.flatten_dict(
        gradient(variables['params'], pairs(2)[0])
    ).items():
        assert np.all(np.isfinite(leaf)), path


@pytest.mark.parametrize('size', [(32, 32), (33, 47), (64, 100), (127, 32)])
@pytest.mark.parametrize('head', ['cad', 'plain', 'ooc', 'segformer'])
def test_any_size_of_32_pixels_or_more(head: str, size: tuple[int, int]) -> None:
    """Maps have a quarter of the sides, rounded up."""
    model = build_model(ModelConfig(head=head, variant='tiny'), 5)
    image = jax.ShapeDtypeStruct((2, *size, 3), np.float32)
    outputs = jax.eval_shape(model.apply, parameter_shapes(model), image, image)
    quarter = tuple(-(-side // 4) for side in size)
    assert outputs.logits.shape == (2, *quarter, 1 if head == 'ooc' else 5)
    if head == 'segformer':
        assert outputs.distance is None and outputs.differences == ()
    else:
        assert outputs.distance.shape == (2, *quarter)
        assert len(outputs.differences) == 4


def test_smaller_images_are_refused() -> None:
    model, variables = tiny('cad')
    image = np.zeros((1, 31, 64, 3), np.float32)
    with pytest.raises(ValueError, match=r'31 x 64 pixels.*32'):
        model.apply(variables, image, image)


def test_one_class_is_refused() -> None:
    with pytest.raises(ValueError, match='num_classes is 1'):
        build_model(ModelConfig(), 1)


def test_segformer_does_not_look_at_the_reference() -> None:
    model, variables = tiny('segformer')
    image, reference = pairs(3)
    first, second = (evaluate(model, variables, image, r) for r in (reference, image))
    np.testing.assert_array_equal(first.logits, second.logits)


def test_bfloat16_has_float32_parameters_and_outputs_and_comes_near() -> None:
    model, variables = tiny('cad')
    low, _ = tiny('cad', dtype='bfloat16')
    for leaf in jax.tree.leaves(parameter_shapes(low)):
        assert leaf.dtype == np.float32
    images = pairs(3)
    expected, actual = (evaluate(m, variables, *images) for m in (model, low))
    assert actual.differences[0].dtype == jnp.bfloat16
    for name in ('logits', 'distance'):
        a, e = (np.asarray(getattr(outputs, name)) for outputs in (actual, expected))
        assert a.dtype == np.float32
        error = np.sqrt(np.mean((a - e) ** 2) / np.mean(e**2))
        assert 0 < error < 0.03, name


def test_shapes_follow_a_variant_that_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are kept between calls, though."""
    model = build_model(ModelConfig(variant='tiny'), 3)
    before = parameter_shapes(model)
    assert parameter_shapes(model) is before
    monkeypatch.setitem(VARIANTS, 'tiny', TINY._replace(blocks=(1, 1, 1, 2)))
    names = [
        set(shapes['params']['encoder']) for shapes in (before, parameter_shapes(model))
    ]
    assert names[0] < names[1]


def test_initialization_depends_on_the_seed_alone() -> None:
    model = build_model(ModelConfig(variant='tiny'), 3)
    first, again, other = (initialize(model, seed=seed) for seed in (0, 0, 1))
    jax.tree.map(np.testing.assert_array_equal, first, again)
    kernels = [v['params']['decoder']['fusion'] for v in (first, other)]
    assert np.any(kernels[0] != kernels[1])


@pytest.mark.parametrize(
    ('head', 'digest'),
    [
        ('cad', 'afd371cd41511e6c'),
        ('plain', '94c2f9ab9460eefc'),
        ('ooc', 'cbfb7d341f90dcdd'),
        ('segformer', '94c2f9ab9460eefc'),
    ],
)
def test_initial_values_are_the_same_in_every_version(head: str, digest: str) -> None:
    """SHA-256 of names and values of seed 5, as the first release drew them."""
    variables = initialize(build_model(ModelConfig(head=head), 3), seed=5)
    found = hashlib.sha256()
    for name, values in sorted(traverse_util.flatten_dict(variables, sep='/').items()):
        found.update(name.encode() + values.tobytes())
    assert found.hexdigest()[:16] == digest


def test_a_layer_that_declares_no_initial_value_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decoder, 'Dense', nn.Dense)
    model = build_model(ModelConfig(), 77)  # a number of its own: shapes are kept
    with pytest.raises(ValueError, match='params/decoder/classifier/bias: its layer'):
        initialize(model, seed=0)


def test_the_parameters_outside_the_encoder_are_all_others() -> None:
    params = parameter_shapes(build_model(ModelConfig(), 3))['params']
    flags = outside_encoder(params)
    jax.tree.map(lambda flag, leaf: None, flags, params)  # of one structure
    assert set(jax.tree.leaves(flags['encoder'])) == {False}
    assert set(jax.tree.leaves(flags['decoder'])) == {True}
