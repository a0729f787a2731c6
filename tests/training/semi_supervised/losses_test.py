"""Each semi-supervised loss on fixed arrays, against its formula in plain NumPy."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cadnet_jax.training.semi_supervised import pairs as own_method
from cadnet_jax.training.semi_supervised import terms
from cadnet_jax.training.semi_supervised.cps import cps
from cadnet_jax.training.semi_supervised.dct import dct
from cadnet_jax.training.semi_supervised.terms import Labeled
from cadnet_jax.training.semi_supervised.uamt import uamt
from cadnet_jax.training.semi_supervised.uaps import uaps
from cadnet_jax.training.semi_supervised.ucc import mix_into, mix_labeled, ucc

pytestmark = pytest.mark.unoptimized

B, SIZE, K, STEP = 2, 6, 3, 9000
KEY = jax.random.key(3)
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(-2, 3, (B, SIZE, SIZE, 3)).astype(np.float32)
NEW: Any = RNG.integers(-2, 3, (B, SIZE, SIZE, 3)).astype(np.float32)
STRONG: Any = RNG.integers(-2, 3, (B, SIZE, SIZE, 3)).astype(np.float32)
MASKS = RNG.integers(0, K, (B, SIZE, SIZE))
MASKS[0, 0, :3] = 255
MASKS[1, 0, :4] = 254  # defects of unknown class
# Place matters, so that a turned image has another answer than a turned answer.
PLACE = np.linspace(-1, 1, SIZE * SIZE).reshape(1, SIZE, SIZE, 1).astype(np.float32)
UNKNOWN: Any = np.zeros((B, SIZE, SIZE), int)  # of the unlabeled images
UNKNOWN[1, 2:4] = 255
LABELED = Labeled(jnp.asarray(IMAGES), jnp.asarray(MASKS))


def weights(seed: int, decoders: int = 1, channels: int = 3) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    kernels = rng.normal(size=(decoders, channels, K)).astype(np.float32)
    return {'params': jnp.asarray(kernels), 'batch_stats': jnp.zeros((), int)}


def answers(kernels: Any, images: np.ndarray) -> list[np.ndarray]:
    return [images @ np.asarray(kernel) + PLACE for kernel in kernels]


def forward(
    variables: Any, images: jax.Array, key: jax.Array
) -> tuple[list[jax.Array], Any]:
    """A linear network; its statistics count how often it was called."""
    del key
    logits = [images @ kernel + PLACE for kernel in variables['params']]
    return logits, variables | {'batch_stats': variables['batch_stats'] + 1}


def softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray(powers / powers.sum(-1, keepdims=True))


def cross_entropy(logits: np.ndarray, masks: np.ndarray) -> float:
    """By a loop over pixels; a defect of unknown class is anything but background."""
    p, values = softmax(logits), []
    for place in np.ndindex(*masks.shape):
        label = masks[place]
        if label == 254:
            values.append(-np.log(1 - p[place][0]))
        elif label != 255:
            values.append(-np.log(p[place][label]))
    return float(np.mean(values))


def supervised(logits: np.ndarray, masks: np.ndarray) -> float:
    """Half of cross entropy and Dice, without defects of unknown class in Dice."""
    p = softmax(logits)
    overlap, cardinality = np.zeros(K), np.zeros(K)
    for place in np.ndindex(*masks.shape):
        if masks[place] < 254:
            target = np.eye(K)[masks[place]]
            overlap += p[place] * target
            cardinality += p[place] + target
    dice = 1 - np.mean(2 * overlap / cardinality)
    return float((cross_entropy(logits, masks) + dice) / 2)


def labels_of(logits: np.ndarray, masks: np.ndarray = UNKNOWN) -> np.ndarray:
    return np.where(masks == 255, 255, logits.argmax(-1))


def divergence(mean: np.ndarray, logits: np.ndarray) -> np.ndarray:
    return np.asarray((mean * np.log(mean / softmax(logits))).sum(-1))


def weight(period: int) -> float:
    t = min(STEP // period, 200) / 200
    return float(0.1 * np.exp(-5 * (1 - t) ** 2))


def test_a_defect_of_unknown_class_is_any_of_them() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(B, SIZE, SIZE, K)).astype(np.float32)
    masks = np.full((B, SIZE, SIZE), 254)
    masks[0, 0] = 255
    background = softmax(logits)[masks == 254][:, 0]
    entropy = terms.cross_entropy(jnp.asarray(logits), jnp.asarray(masks))
    assert entropy == pytest.approx(-np.log(1 - background).mean(), rel=1e-5)
    masks[1, 1:] = MASKS[1, 1:]
    found = terms.supervised(jnp.asarray(logits), jnp.asarray(masks))
    assert found == pytest.approx(supervised(logits, masks), rel=1e-5)


def test_dct_is_the_difference_of_turned_answers_and_answers_to_turned_images() -> None:
    """Of one number of quarter turns a step; each of the four is drawn."""
    variables = weights(1)
    kernels = variables['params']
    plain = softmax(answers(kernels, NEW)[0])
    expected = [
        weight(150)
        * np.mean(
            (
                softmax(answers(kernels, np.rot90(NEW, k, (1, 2)))[0])
                - np.rot90(plain, k, (1, 2))
            )
            ** 2
        )
        for k in range(4)
    ]
    known = supervised(answers(kernels, IMAGES)[0], MASKS)
    step = jax.jit(functools.partial(dct, forward))
    drawn = set()
    for seed in range(24):
        key = jax.random.key(seed)
        loss, (parts, after) = step(variables, LABELED, NEW, key, STEP)
        assert parts['supervised'] == pytest.approx(known, rel=1e-5)
        assert loss == pytest.approx(known + float(parts['consistency']), rel=1e-5)
        assert after['batch_stats'] == 3
        turns = int(np.abs(parts['consistency'] - np.array(expected)).argmin())
        near = pytest.approx(expected[turns], rel=1e-4, abs=1e-9)
        assert parts['consistency'] == near
        drawn.add(turns)
    assert drawn == {0, 1, 2, 3}


def test_uamt_counts_pixels_of_which_the_teacher_is_certain() -> None:
    """By the mean of eight noisy views; a ninth is what the student learns.

    The deviation of the noise is 0.1, and none is beyond 0.2.
    """
    variables, teacher = weights(1), weights(6)
    # So near to the teacher that the noise makes much of the difference.
    variables['params'] = teacher['params'] + 0.02 * variables['params']
    *_, first_key, views_key = jax.random.split(KEY, 4)
    w = weight(80)

    def expected(limit: float) -> float:
        def taught(key: jax.Array) -> np.ndarray:
            noise = 0.1 * jax.random.normal(jax.random.split(key)[0], NEW.shape)
            noisy = NEW + np.clip(noise, -limit, limit)
            return softmax(answers(teacher['params'], noisy)[0])

        target = taught(first_key)
        mean = np.mean([taught(key) for key in jax.random.split(views_key, 8)], axis=0)
        entropy = -(mean * np.log(mean + 1e-6)).sum(-1)
        certain = entropy < (0.75 + 2.5 * w) * np.log(2)
        assert 0 < certain.sum() < certain.size
        squares = (softmax(answers(variables['params'], NEW)[0]) - target) ** 2
        return float(w * squares[certain].sum() / (2 * certain.sum()))

    loss, (parts, after) = uamt(
        forward, variables, LABELED, NEW, KEY, STEP, teacher=teacher
    )
    assert parts['consistency'] == pytest.approx(expected(0.2), rel=1e-4)
    for other in (0.0, 0.15, 1.0):
        assert parts['consistency'] != pytest.approx(expected(other), rel=1e-2)
    known = supervised(answers(variables['params'], IMAGES)[0], MASKS)
    assert parts['supervised'] == pytest.approx(known, rel=1e-5)
    assert loss == pytest.approx(known + expected(0.2), rel=1e-5)
    assert after['batch_stats'] == 2


def test_the_teacher_gets_no_gradient() -> None:
    def loss(teacher: Any) -> jax.Array:
        variables = weights(1)
        given = weights(2) | {'params': teacher}
        return uamt(forward, variables, LABELED, NEW, KEY, STEP, teacher=given)[0]

    assert not np.asarray(jax.grad(loss)(weights(2)['params'])).any()


def test_cps_crosses_the_labels_of_two_networks_on_all_images() -> None:
    both = weights(1), weights(2)
    _, (parts, _) = cps(forward, both, LABELED, NEW, KEY, STEP, masks=UNKNOWN)
    expected = 0.0
    for images, masks in ((IMAGES, MASKS), (NEW, UNKNOWN)):
        first, second = (answers(net['params'], images)[0] for net in both)
        expected += supervised(first, labels_of(second, masks))
        expected += supervised(second, labels_of(first, masks))
    assert parts['consistency'] == pytest.approx(weight(150) * expected, rel=1e-5)
    known = sum(supervised(answers(n['params'], IMAGES)[0], MASKS) for n in both)
    assert parts['supervised'] == pytest.approx(known, rel=1e-5)


def test_labels_of_the_other_network_carry_no_gradient() -> None:
    """The second network's gradient is that of its own answers alone."""

    def loss(second: Any, first: Any) -> jax.Array:
        both = weights(1) | {'params': first}, weights(2) | {'params': second}
        return cps(forward, both, LABELED, NEW, KEY, STEP, masks=UNKNOWN)[0]

    first, second = weights(1)['params'], weights(2)['params']
    scaled = jax.grad(loss)(second, 1.0001 * first)  # of the same labels
    np.testing.assert_allclose(jax.grad(loss)(second, first), scaled, rtol=1e-6)


def test_ucc_crosses_weak_labels_and_strong_answers() -> None:
    variables = weights(1, decoders=2)
    loss, (parts, after) = ucc(
        forward,
        variables,
        LABELED,
        NEW,
        KEY,
        STEP,
        strong=STRONG,
        masks=UNKNOWN,
        mixed_labeled=0,
        mixed_unlabeled=0,
    )
    weak_1, weak_2 = answers(variables['params'], NEW)
    strong_1, strong_2 = answers(variables['params'], STRONG)
    apart_1 = divergence(softmax(strong_2), weak_1)
    apart_2 = divergence(softmax(weak_2), strong_1)
    learned = supervised(strong_1, labels_of(weak_2)) * np.exp(-apart_1).mean()
    learned += supervised(strong_2, labels_of(weak_1)) * np.exp(-apart_2).mean()
    w = weight(150)
    assert parts['pseudo_labels'] == pytest.approx(w * learned, rel=1e-4)
    agreement = w * (apart_1.mean() + apart_2.mean())
    assert parts['agreement'] == pytest.approx(agreement, rel=1e-4)
    known = sum(supervised(x, MASKS) for x in answers(variables['params'], IMAGES))
    assert parts['supervised'] == pytest.approx(known, rel=1e-5)
    assert loss == pytest.approx(known + w * learned + agreement, rel=1e-4)
    assert after['batch_stats'] == 3


def test_ucc_ignores_what_is_ignored_in_a_part_that_is_mixed_in() -> None:
    variables = weights(1, decoders=2)
    labeled = LABELED._replace(masks=jnp.full((B, SIZE, SIZE), 255))
    key = jax.random.split(KEY, 5)[-1]
    weak, strong = mix_into([NEW, STRONG], labeled.images, key, 1.0)
    (masks,) = mix_into([UNKNOWN[..., None]], labeled.masks[..., None], key, 1.0)
    assert np.isin(masks, (0, 255)).all() and 0 < (masks == 0).mean() < 0.6

    def learned(share: float, *views: Any) -> float:
        unlabeled, strong, masks = views
        others = labeled, unlabeled, KEY, STEP
        shares: dict[str, Any] = {'mixed_labeled': 0, 'mixed_unlabeled': share}
        _, (parts, _) = ucc(
            forward, variables, *others, strong=strong, masks=masks, **shares
        )
        return float(parts['pseudo_labels'])

    expected = learned(0.0, weak, strong, masks[..., 0])
    assert learned(1.0, NEW, STRONG, UNKNOWN) == pytest.approx(expected, rel=1e-5)


def test_uaps_learns_what_all_decoders_say_together() -> None:
    """The labels are those of a mean whose weights are drawn."""
    variables = weights(1, decoders=4)
    logits = answers(variables['params'], NEW)
    shares = np.asarray(jax.random.dirichlet(jax.random.split(KEY, 3)[-1], jnp.ones(4)))
    mixed = sum(share * softmax(x) for share, x in zip(shares, logits, strict=True))
    mean = np.mean([softmax(x) for x in logits], axis=0)
    for plain in (*logits, mean):  # no other labels would do
        assert (mixed.argmax(-1) != plain.argmax(-1)).any()
    apart = [divergence(mean, x) for x in logits]
    learned = np.mean(
        [
            supervised(x, labels_of(mixed)) * np.exp(-d).mean()
            for x, d in zip(logits, apart, strict=True)
        ]
    )
    known = np.mean(
        [supervised(x, MASKS) for x in answers(variables['params'], IMAGES)]
    )
    loss, (parts, after) = uaps(
        forward, variables, LABELED, NEW, KEY, STEP, masks=UNKNOWN
    )
    w = weight(80)
    assert parts['supervised'] == pytest.approx(known, rel=1e-5)
    assert parts['pseudo_labels'] == pytest.approx(w * learned, rel=1e-4)
    assert parts['agreement'] == pytest.approx(w * np.mean(apart), rel=1e-4)
    assert loss == pytest.approx(known + w * (learned + np.mean(apart)), rel=1e-5)
    assert after['batch_stats'] == 2


def test_pairs_learns_sure_labels_paint_and_that_equal_images_have_no_defect(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """All with weight 1 at every step. The strong view is brighter by 1 here."""
    monkeypatch.setattr(own_method, 'strong_view', lambda images, key: images + 1)
    variables, teacher = weights(1, channels=6), weights(2, channels=6)
    kernels = variables['params']
    images = np.concatenate([IMAGES, STRONG], axis=-1)
    unlabeled = np.concatenate([NEW, STRONG], axis=-1)
    painted = UNKNOWN.copy()
    painted[0, 0], painted[0, 1] = 1, 254
    taught = softmax(answers(teacher['params'], unlabeled)[0])
    sure = taught.max(-1) > 0.95
    assert 0.1 < sure.mean() < 0.9
    labels = np.where(sure, taught.argmax(-1), 255)
    labels[painted > 0] = painted[painted > 0]
    equal = answers(kernels, np.concatenate([STRONG, STRONG], axis=-1) + 1)[0]
    expected = {
        'supervised': supervised(answers(kernels, images)[0], MASKS),
        'pseudo_labels': cross_entropy(answers(kernels, unlabeled + 1)[0], labels),
        'unchanged': cross_entropy(equal, np.zeros_like(labels)),
    }
    for step in (0, STEP):
        loss, (parts, after) = own_method.pairs(
            forward,
            variables,
            Labeled(jnp.asarray(images), LABELED.masks),
            jnp.asarray(unlabeled),
            KEY,
            step,
            teacher=teacher,
            painted=jnp.asarray(painted),
        )
        assert parts == pytest.approx(expected, rel=1e-5)
        assert loss == pytest.approx(sum(expected.values()), rel=1e-5)
        assert after['batch_stats'] == 3


def test_mixed_images_keep_their_labels_and_lose_half_of_their_area() -> None:
    count, size = 400, 20
    numbers = np.arange(count)[:, None, None] + np.zeros((1, size, size))
    labeled = Labeled(jnp.asarray(numbers)[..., None], jnp.asarray(numbers))
    mixed = mix_labeled(labeled, KEY, 0.2)
    np.testing.assert_array_equal(mixed.images[..., 0], mixed.masks)
    changed = np.asarray(mixed.masks != numbers)
    touched = changed.any((1, 2))
    assert touched.mean() == pytest.approx(0.2, abs=0.06)
    assert changed[touched].mean() == pytest.approx(0.5, abs=0.02)
    other = np.asarray(mixed.masks)[changed]
    own = np.broadcast_to(numbers, changed.shape)[changed]
    np.testing.assert_array_equal(other, (own + 1) % count)


def test_both_views_of_an_unlabeled_image_get_the_same_part() -> None:
    views = [jnp.zeros((50, 8, 8, 3)), jnp.ones((50, 8, 8, 3))]
    weak, strong = mix_into(views, jnp.full((3, 8, 8, 3), 7.0), KEY, 0.3)
    np.testing.assert_array_equal(weak == 7, strong == 7)
    assert (weak == 7).any((1, 2, 3)).mean() == pytest.approx(0.3, abs=0.15)


@pytest.mark.parametrize(
    ('step', 'period', 'expected'),
    [(0, 150, 0.1 * np.exp(-5)), (30_000, 150, 0.1), (8000, 80, 0.1 * np.exp(-1.25))],
)
def test_the_weight_of_consistency_rises(
    step: int, period: int, expected: float
) -> None:
    given = terms.consistency_weight(step, period=period)
    assert given == pytest.approx(expected, rel=1e-5)
