"""The losses against sums written out by hand, and their properties."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cadnet_jax.data.labels import ANY_DEFECT
from cadnet_jax.models.cadnet import Outputs
from cadnet_jax.training.losses import (
    balance_factors,
    contrastive,
    count_labels,
    cross_entropy,
    total_loss,
)
from cadnet_jax.training_config import LossConfig

pytestmark = pytest.mark.unoptimized

MASK = jnp.array([[[0, 1, 2], [255, 0, 2]]], jnp.int32)
DISTANCE = jnp.array([[[0.1, 0.5, 3.0], [9.0, 1.3, 2.0]]])


def test_contrastive_of_a_worked_example() -> None:
    """Background pays above 0.3, a defect below 2.2, an ignored pixel never."""
    terms = contrastive(DISTANCE, MASK)
    expected = [[[0.0, 1.7, 0.0], [0.0, 1.0, 0.2]]]
    np.testing.assert_allclose(terms, expected, atol=1e-6)


def test_class_weights_scale_the_defects_alone() -> None:
    terms = contrastive(DISTANCE, MASK, jnp.array([7.0, 10.0, 100.0]))
    expected = [[[0.0, 17.0, 0.0], [0.0, 1.0, 20.0]]]
    np.testing.assert_allclose(terms, expected, rtol=1e-5)


def test_cross_entropy_against_a_float64_oracle() -> None:
    logits = np.random.default_rng(0).normal(size=(1, 2, 3, 3)) * 5
    terms = cross_entropy(jnp.asarray(logits, jnp.float32), MASK)
    shares = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    labels = np.where(MASK == 255, 0, np.asarray(MASK))
    expected = -np.log(np.take_along_axis(shares, labels[..., None], -1)[..., 0])
    np.testing.assert_allclose(terms, np.where(MASK == 255, 0, expected), rtol=1e-5)


def test_of_a_defect_of_unknown_class_all_classes_of_defects_count() -> None:
    """-log(1 - P(background)), and in the contrastive loss a factor of 1."""
    logits = jnp.asarray(np.random.default_rng(0).normal(size=(1, 2, 3, 3)) * 5)
    mask = MASK.at[0, 0, 1].set(ANY_DEFECT)
    terms = cross_entropy(logits, mask, defect_weight=5.0)
    background = jax.nn.softmax(logits[0, 0, 1])[0]
    np.testing.assert_allclose(terms[0, 0, 1], -5 * np.log1p(-background), rtol=1e-4)
    known = np.asarray(mask != ANY_DEFECT)
    others = cross_entropy(logits, MASK, defect_weight=5.0)
    np.testing.assert_array_equal(terms[known], others[known])

    factors = balance_factors([100, 9, 1])
    found = contrastive(DISTANCE, mask, factors)
    np.testing.assert_allclose(found[0, 0, 1], 2.2 - 0.5, rtol=1e-5)
    same = contrastive(DISTANCE, MASK, factors)
    np.testing.assert_array_equal(found[known], same[known])


def test_the_defect_weight_scales_the_cross_entropy_of_defects() -> None:
    logits = jnp.asarray(np.random.default_rng(0).normal(size=(1, 2, 3, 3)))
    plain, weighted = (
        np.asarray(cross_entropy(logits, MASK, defect_weight=w)) for w in (1.0, 5.0)
    )
    factors = np.array([[[1, 5, 5], [0, 1, 5]]])
    np.testing.assert_allclose(weighted, factors * plain, rtol=1e-6)
    assert plain[MASK != 255].all()


def test_balance_factors_are_eq_9() -> None:
    """The published code's constants, 1/0.924 and 1/0.076, are shares of this kind."""
    factors = balance_factors([10_000, 924, 76])
    np.testing.assert_allclose(factors, [1, 1 / 0.924, 1 / 0.076], rtol=1e-6)


def test_an_absent_class_adds_nothing_and_no_infinity() -> None:
    np.testing.assert_array_equal(balance_factors([5, 0, 8]), [1, 0, 1])
    np.testing.assert_array_equal(balance_factors([5, 0, 0]), [1, 0, 0])


def test_pixels_are_counted_without_the_ignored_ones() -> None:
    np.testing.assert_array_equal(count_labels(MASK, 4), [2, 1, 2, 0])


def random_outputs(size: int, classes: int) -> Outputs:
    rng = np.random.default_rng(1)
    logits = rng.normal(size=(1, size, size, classes)).astype(np.float32)
    distance = rng.uniform(0, 3, size=(1, size, size)).astype(np.float32)
    return Outputs(jnp.asarray(logits), jnp.asarray(distance), ())


@pytest.mark.parametrize(
    ('head', 'terms'),
    [
        ('cad', {'cross_entropy', 'contrastive'}),
        ('plain', {'cross_entropy', 'contrastive'}),
        ('ooc', {'contrastive', 'contrastive_score'}),
    ],
)
def test_the_total_is_the_sum_of_the_terms_of_the_head(
    head: str, terms: set[str]
) -> None:
    outputs = random_outputs(3, 1 if head == 'ooc' else 3)
    mask = jnp.asarray(np.random.default_rng(2).integers(0, 3, (1, 12, 12)), jnp.uint8)
    loss, named = total_loss(
        outputs, mask, LossConfig(), head=head, class_pixels=(9, 1, 1)
    )
    assert set(named) == terms
    np.testing.assert_allclose(loss, sum(named.values()), rtol=1e-6)


def test_without_a_distance_there_is_the_cross_entropy_alone() -> None:
    outputs = random_outputs(3, 3)._replace(distance=None)
    _, named = total_loss(
        outputs,
        jnp.zeros((1, 12, 12), jnp.uint8),
        LossConfig(),
        head='segformer',
        class_pixels=(9, 1, 1),
    )
    assert set(named) == {'cross_entropy'}


def test_auxiliary_heads_add_their_weighted_cross_entropies() -> None:
    """DANet's two branches count fully, its auxiliary head 0.4 times."""
    rng = np.random.default_rng(2)
    main, *others = (
        jnp.asarray(rng.normal(size=(1, 2, 3, 3)), jnp.float32) for _ in range(4)
    )
    outputs = Outputs(main, None, (), tuple(others))
    loss, terms = total_loss(
        outputs, MASK, LossConfig(ce_weight=2.0), head='danet', class_pixels=(5, 3, 2)
    )
    means = [float(cross_entropy(x, MASK).sum()) / 5 for x in others]  # 5 are valid
    expected = 2 * (means[0] + means[1] + 0.4 * means[2])
    np.testing.assert_allclose(terms['auxiliary'], expected, rtol=1e-5)
    np.testing.assert_allclose(loss, sum(terms.values()), rtol=1e-6)


def test_weights_of_the_configuration_scale_their_terms() -> None:
    outputs, mask = random_outputs(3, 3), jnp.ones((1, 12, 12), jnp.uint8)
    one, twice = (
        total_loss(outputs, mask, config, head='cad', class_pixels=(9, 1, 1))[1]
        for config in (LossConfig(), LossConfig(ce_weight=2, contrastive_weight=3))
    )
    np.testing.assert_allclose(
        twice['cross_entropy'], 2 * one['cross_entropy'], rtol=1e-6
    )
    np.testing.assert_allclose(twice['contrastive'], 3 * one['contrastive'], rtol=1e-6)


def test_the_change_score_counts_as_often_as_it_is_told() -> None:
    outputs, mask = random_outputs(3, 1), jnp.ones((1, 12, 12), jnp.uint8)
    one, more = (
        total_loss(outputs, mask, config, head='ooc', class_pixels=(9, 1, 1))[1]
        for config in (LossConfig(), LossConfig(score_ratio=512))
    )
    np.testing.assert_allclose(more['contrastive'], one['contrastive'], rtol=1e-6)
    np.testing.assert_allclose(
        more['contrastive_score'], 512 * one['contrastive_score'], rtol=1e-6
    )


@pytest.mark.parametrize('balance', ['train', 'none'])
@pytest.mark.parametrize(('head', 'times'), [('ooc', 5), ('cad', 1)])
def test_out_of_class_defects_count_more_in_the_contrastive_loss(
    head: str, times: float, balance: str
) -> None:
    outputs = random_outputs(3, 1 if head == 'ooc' else 3)
    for mask, factor in ((jnp.ones((1, 12, 12)), times), (jnp.zeros((1, 12, 12)), 1)):
        one, more = (
            total_loss(
                outputs,
                mask,
                LossConfig(balance=balance, defect_weight=weight),
                head=head,
                class_pixels=(9, 1, 1),
            )[1]
            for weight in (1.0, 5.0)
        )
        for name in {'contrastive', 'contrastive_score'} & set(one):
            np.testing.assert_allclose(more[name], factor * one[name], rtol=1e-6)


def test_ignored_pixels_change_neither_loss_nor_gradient() -> None:
    """What the network says where nothing is known must not matter."""
    outputs = random_outputs(12, 3)
    mask = np.random.default_rng(2).integers(0, 3, (1, 12, 12)).astype(np.uint8)
    mask[:, :, 6:] = 255
    config = LossConfig(balance='batch')

    def loss(logits: jax.Array, distance: jax.Array) -> jax.Array:
        changed = Outputs(logits, distance, ())
        return total_loss(
            changed, jnp.asarray(mask), config, head='cad', class_pixels=(1, 1, 1)
        )[0]

    values, gradients = jax.value_and_grad(loss, argnums=(0, 1))(*outputs[:2])
    noise = jnp.asarray(mask == 255, jnp.float32) * 5
    assert outputs.distance is not None
    other = loss(outputs.logits + noise[..., None], outputs.distance + noise)
    np.testing.assert_array_equal(values, other)
    for gradient in gradients:
        assert not np.asarray(gradient)[mask == 255].any()
        assert np.asarray(gradient)[mask != 255].any()


def test_a_mask_of_ignored_pixels_gives_zero_not_nan() -> None:
    loss, _ = total_loss(
        random_outputs(3, 3),
        jnp.full((1, 12, 12), 255, jnp.uint8),
        LossConfig(balance='batch'),
        head='cad',
        class_pixels=(1, 1, 1),
    )
    assert loss == 0


@pytest.mark.parametrize('balance', ['train', 'batch', 'none'])
def test_balance_takes_the_shares_it_names(balance: str) -> None:
    """Of 9 defect pixels 8 are of class 1: as a batch, class 2 counts 9-fold."""
    mask = np.ones((1, 3, 3), np.uint8)
    mask[0, 0, 0] = 2
    outputs = Outputs(jnp.zeros((1, 3, 3, 3)), jnp.zeros((1, 3, 3)), ())
    _, named = total_loss(
        outputs,
        jnp.asarray(mask),
        LossConfig(balance=balance),
        head='cad',
        class_pixels=(100, 1, 3),
    )
    factors = {'train': (4, 4 / 3), 'batch': (9 / 8, 9), 'none': (1, 1)}[balance]
    expected = 2.2 * (8 * factors[0] + factors[1]) / 9
    np.testing.assert_allclose(named['contrastive'], expected, rtol=1e-5)
