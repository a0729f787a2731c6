"""Whether an image alone gives away that its pair has a change.

python -m cadnet_jax.datasets.synthetic_pairs.shortcut

A classifier that sees the image alone should do little better than guessing: it knows
the product and not the reference. As control, the same classifier also sees the
difference of the two images. Half of the pairs have a change, in one image or the
other. Families take turns, the held-out ones left out.
"""

import argparse
from collections.abc import Iterator
from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray
from scipy import stats
from tqdm import tqdm

from cadnet_jax.datasets.synthetic_pairs import composition, digest
from cadnet_jax.datasets.synthetic_pairs.composition import FAMILIES

_SIZE = 128  # pixels a side
_BATCH = 50
_RATE = 2e-3
_PERIOD = 2 * len(FAMILIES)  # pairs until every family had one of each kind


class Pairs(NamedTuple):
    """What a classifier learns from, or is tested on.

    Attributes:
        pixels: image, then the difference to the reference; uint8 [N, H, W, 6].
        changed: bool [N].
        visible: whether the label shows a change, bool [N].
    """

    pixels: NDArray[np.uint8]
    changed: NDArray[np.bool_]
    visible: NDArray[np.bool_]


class Classifier(nn.Module):
    """Four convolutions of stride 2, then mean and maximum over the image."""

    @nn.compact
    def __call__(self, pixels: jax.Array) -> jax.Array:
        """Pixels [N, H, W, C], 0 to 255 -> logits of a change [N]."""
        x = pixels.astype(jnp.float32) / 64
        for width in (16, 32, 64, 96):
            x = nn.Conv(width, (3, 3), strides=2)(x)
            x = nn.relu(nn.GroupNorm(num_groups=8)(x))
        x = jnp.concatenate([x.mean((1, 2)), x.max((1, 2))], axis=-1)
        return nn.Dense(1)(x)[:, 0]


def draw_pairs(count: int, *, seed: int) -> Pairs:
    """The first `count` pairs of the generator's `seed`."""
    pixels = np.empty((count, _SIZE, _SIZE, 6), np.uint8)
    changed, visible = np.empty((2, count), np.bool_)
    recipes = digest.first_recipes(count, size=_SIZE, seed=seed)
    for k, recipe in enumerate(tqdm(recipes, desc=f'seed {seed}', total=count)):
        sample = composition.compose(recipe)
        image, reference = sample.image.astype(np.int16), sample.reference
        pixels[k] = np.concatenate([image, np.abs(image - reference)], axis=-1)
        changed[k], visible[k] = recipe.changed, 1 in sample.mask
    return Pairs(pixels, changed, visible)


def predict_unseen(
    seen: Pairs, unseen: Pairs, *, channels: int, epochs: int, seed: int
) -> NDArray[np.bool_]:
    """Which pairs of `unseen` a classifier that learned from `seen` calls changed.

    Args:
        seen, unseen: pairs.
        channels: that it sees: 3, the image, or 6, the difference as well.
        epochs: passes over `seen`.
        seed: of its initial weights and of the order of the pairs.
    """
    model = Classifier()
    steps = epochs * (len(seen.changed) // _BATCH)
    optimizer = optax.adamw(
        optax.warmup_cosine_decay_schedule(0, _RATE, steps // 20, steps),
        weight_decay=0.05,
    )

    def loss(params: Any, pixels: jax.Array, changed: jax.Array) -> jax.Array:
        logits = model.apply(params, pixels)
        return jnp.mean(optax.sigmoid_binary_cross_entropy(logits, changed))

    @jax.jit
    def step(params: Any, state: Any, pixels: jax.Array, changed: jax.Array) -> Any:
        gradients = jax.grad(loss)(params, pixels, changed)
        updates, state = optimizer.update(gradients, state, params)
        return optax.apply_updates(params, updates), state

    params = model.init(jax.random.key(seed), seen.pixels[:1, ..., :channels])
    state = optimizer.init(params)
    batches = _batches(seen, epochs, np.random.default_rng(seed))
    for pixels, changed in tqdm(batches, desc=f'{channels} channels', total=steps):
        params, state = step(params, state, pixels[..., :channels], changed)
    logits = [
        np.asarray(model.apply(params, unseen.pixels[k : k + _BATCH, ..., :channels]))
        for k in range(0, len(unseen.changed), _BATCH)
    ]
    return np.concatenate(logits) > 0


def _batches(
    pairs: Pairs, epochs: int, rng: np.random.Generator
) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.float32]]]:
    """Whole batches in random order, mirrored and turned."""
    for _ in range(epochs):
        order = rng.permutation(len(pairs.changed))
        for k in range(len(order) // _BATCH):
            chosen = order[k * _BATCH : (k + 1) * _BATCH]
            pixels = np.rot90(pairs.pixels[chosen], int(rng.integers(4)), axes=(1, 2))
            mirror = int(rng.choice([-1, 1]))
            yield pixels[:, ::mirror], pairs.changed[chosen].astype(np.float32)


def main() -> None:
    """Prints both accuracies on unseen pairs."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('--count', type=int, default=3000, help='Pairs to learn from.')
    parser.add_argument('--test_count', type=int, default=1008, help='Unseen pairs.')
    parser.add_argument('--epochs', type=int, default=15, help='Passes over the pairs.')
    parser.add_argument(
        '--seed', type=int, default=0, help='Of all; unseen pairs have the next one.'
    )
    arguments = parser.parse_args()
    for name in ('count', 'test_count'):
        if vars(arguments)[name] < _BATCH or vars(arguments)[name] % _PERIOD:
            parser.error(
                f'--{name} must be a multiple of {_PERIOD} and {_BATCH} or more, so '
                'that half of the pairs of each family have a change.'
            )
    seen = draw_pairs(arguments.count, seed=arguments.seed)
    unseen = draw_pairs(arguments.test_count, seed=arguments.seed + 1)
    shown = unseen.visible[unseen.changed].mean()
    print(f'{shown:.0%} of the unseen pairs with a change show it in their label.')
    for what, channels in (('image alone', 3), ('image and difference', 6)):
        found = predict_unseen(
            seen,
            unseen,
            channels=channels,
            epochs=arguments.epochs,
            seed=arguments.seed,
        )
        _report(what, found == unseen.changed)


def _report(what: str, right: NDArray[np.bool_]) -> None:
    interval = stats.binomtest(int(right.sum()), len(right)).proportion_ci()
    families = ', '.join(
        f'{family} {right[k :: len(FAMILIES)].mean():.2f}'
        for k, family in enumerate(FAMILIES)
    )
    print(
        f'{what}: {right.mean():.3f} of {len(right)} right, 95 % interval '
        f'{interval.low:.3f} to {interval.high:.3f} ({families})'
    )


if __name__ == '__main__':
    main()
