"""The layers that carry a state or draw random numbers."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from cadnet_jax.models.layers import BatchNorm, DropPath


class TestBatchNorm:
    """Against PyTorch's rule, written out in float64."""

    rng = np.random.default_rng(0)
    x = 3 + 2 * rng.standard_normal((3, 5, 7, 4))
    scale, bias, mean = rng.standard_normal((3, 4))
    var = rng.uniform(0.5, 2, 4)

    @property
    def variables(self) -> Any:
        params = {'scale': self.scale, 'bias': self.bias}
        statistics = {'mean': self.mean, 'var': self.var}
        variables = {'params': params, 'batch_stats': statistics}
        return jax.tree.map(lambda x: jnp.asarray(x, jnp.float32), variables)

    def expected(self, mean: np.ndarray, var: np.ndarray) -> np.ndarray:
        normal = (self.x - mean) / np.sqrt(var + 1e-5)
        return np.asarray(normal * self.scale + self.bias)

    def test_training_normalizes_by_the_batch_and_keeps_the_unbiased_variance(
        self,
    ) -> None:
        result: Any = BatchNorm().apply(
            self.variables,
            jnp.asarray(self.x, jnp.float32),
            train=True,
            mutable=['batch_stats'],
        )
        out, updates = result
        mean = self.x.mean((0, 1, 2))
        expected = self.expected(mean, self.x.var((0, 1, 2)))
        np.testing.assert_allclose(out, expected, rtol=0, atol=1e-5)
        running = updates['batch_stats']
        unbiased = self.x.var((0, 1, 2), ddof=1)
        np.testing.assert_allclose(
            running['mean'], 0.9 * self.mean + 0.1 * mean, rtol=1e-5
        )
        np.testing.assert_allclose(
            running['var'], 0.9 * self.var + 0.1 * unbiased, rtol=1e-5
        )

    def test_evaluation_normalizes_by_the_running_statistics(self) -> None:
        x = jnp.asarray(self.x, jnp.float32)
        out: Any = BatchNorm().apply(self.variables, x, train=False)
        expected = self.expected(self.mean, self.var)
        np.testing.assert_allclose(out, expected, rtol=0, atol=1e-5)

    def test_shards_of_a_batch_on_an_axis_are_one_batch(self) -> None:
        """`jax.vmap` has named axes too."""
        x = jnp.asarray(np.concatenate([self.x, -self.x]), jnp.float32)

        def apply(x: jax.Array, axis_name: str | None) -> Any:
            return BatchNorm(axis_name).apply(
                self.variables, x, train=True, mutable=['batch_stats']
            )

        whole, statistics = apply(x, None)
        parts, parts_statistics = jax.vmap(apply, (0, None), axis_name='data')(
            x.reshape(2, 3, 5, 7, 4), 'data'
        )
        np.testing.assert_allclose(parts.reshape(x.shape), whole, rtol=0, atol=1e-5)
        for name in ('mean', 'var'):
            expected = statistics['batch_stats'][name]
            for part in parts_statistics['batch_stats'][name]:
                np.testing.assert_allclose(part, expected, rtol=1e-5)


class TestDropPath:
    x = np.ones((4000, 2, 3), np.float32)
    rngs = {'drop_path': jax.random.key(0)}  # noqa: RUF012

    def test_a_branch_is_dropped_whole_and_its_expectation_stays(self) -> None:
        out = np.asarray(DropPath(0.25).apply({}, self.x, train=True, rngs=self.rngs))
        kept = out[:, 0, 0]
        np.testing.assert_array_equal(
            out, np.broadcast_to(kept[:, None, None], out.shape)
        )
        np.testing.assert_allclose(np.unique(kept), [0, 1 / 0.75])
        assert abs(kept.mean() - 1) < 0.04  # Four standard deviations.

    def test_stacked_groups_share_their_draw(self) -> None:
        shared, apart = (
            np.asarray(layer.apply({}, self.x, train=True, rngs=self.rngs))
            for layer in (DropPath(0.5, groups=2), DropPath(0.5))
        )
        np.testing.assert_array_equal(shared[:2000], shared[2000:])
        assert np.any(apart[:2000] != apart[2000:])

    @pytest.mark.parametrize(('rate', 'train'), [(0.5, False), (0.0, True)])
    def test_nothing_is_dropped_in_evaluation_or_at_rate_0(
        self, rate: float, train: bool
    ) -> None:
        np.testing.assert_array_equal(
            DropPath(rate).apply({}, self.x, train=train), self.x
        )
