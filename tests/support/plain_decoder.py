"""The decoder as published, which builds 1,024 channels at stride 4.

    python -m tests.support.plain_decoder

compares the time and the memory of a training step of plain parts with ours.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from cadnet_jax.benchmarks import benchmark, workloads
from cadnet_jax.config import Config
from cadnet_jax.models import cadnet, change, decoder, layers, mix_transformer
from cadnet_jax.models.change import ChannelAttention, CoordinateAttention
from cadnet_jax.models.decoder import Decoder, pool
from cadnet_jax.models.kernels import convolutions, operations
from cadnet_jax.models.kernels.operations import resize_bilinear


class PlainDecoder(Decoder):
    """`Decoder` with the same parameters, in the order of eqs. 11 to 14."""

    def _fuse(
        self, projected: Sequence[jax.Array], kernels: Sequence[jax.Array]
    ) -> jax.Array:
        """W concat(up(f_i))."""
        return _concatenated(projected) @ jnp.concatenate(kernels, axis=1)[0]

    def _intra_class(
        self,
        projected: Sequence[jax.Array],
        d: jax.Array,
        kernel: jax.Array,
        train: bool,
    ) -> jax.Array:
        fused = _concatenated(projected)
        ca = self._channel_attention(fused + d)
        s = CoordinateAttention(
            axis_name=self.axis_name, dtype=self.dtype, name='coordinate_attention'
        )(sum(jnp.split(fused, len(projected), axis=-1), start=d), train=train)
        tiled = jnp.concatenate([s] * len(projected), axis=-1)
        return (ca * (fused + tiled)) @ kernel.astype(self.dtype)

    def _out_of_class(
        self, projected: Sequence[jax.Array], norm: jax.Array, kernel: jax.Array
    ) -> jax.Array:
        fused = _concatenated(projected)
        attended = norm * self._channel_attention(fused) * fused
        return attended @ kernel.astype(self.dtype)

    def _channel_attention(self, fused: jax.Array) -> jax.Array:
        attention = ChannelAttention(dtype=self.dtype, name='channel_attention')
        return attention(*pool([fused]))[:, None, None]


def _concatenated(projected: Sequence[jax.Array]) -> jax.Array:
    size = projected[0].shape[1:3]
    return jnp.concatenate([resize_bilinear(x, size) for x in projected], axis=-1)


def plain_training_step(settings: benchmark.Settings) -> benchmark.Job:
    """For a process of its own, where every network is then built of plain parts.

    `PlainDecoder`, XLA's convolutions, and automatic gradients everywhere.
    """
    cadnet.Decoder = PlainDecoder  # type: ignore[misc]
    operations.enlarge = operations.plain_enlarge
    change.mean = operations.plain_mean
    layers.convolution = convolutions.plain_convolution
    layers.depthwise_convolution = convolutions.plain_depthwise_convolution
    for module in (change, decoder, layers, mix_transformer):
        for name, value in list(vars(module).items()):
            if isinstance(value, jax.custom_vjp):
                setattr(module, name, value.fun)
    return workloads.training_step(settings)


def main() -> None:
    settings = benchmark.Settings(Config())  # 4 pairs of 512 x 512
    decoders = [
        benchmark.Workload('plain', plain_training_step, settings),
        benchmark.Workload('ours', workloads.training_step, settings),
    ]
    print(benchmark.format_table(benchmark.measure(decoders, rounds=3, runs=2)))


if __name__ == '__main__':
    main()
