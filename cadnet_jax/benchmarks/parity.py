"""How far results in each precision are from those of the CPU in float32."""

import concurrent.futures
import functools
import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from cadnet_jax.benchmarks.subject import PRECISIONS, Subject, draw_pairs
from cadnet_jax.benchmarks.timing import Row, describe_error
from cadnet_jax.data.transforms import normalize
from cadnet_jax.models.cadnet import CADNet
from cadnet_jax.models.kernels.operations import resize_bilinear


class Results(NamedTuple):
    """What is compared.

    Attributes:
        logits: float32 [B, H/4, W/4, K].
        distance: DistMap, float32 [B, H/4, W/4].
        score: probability of a defect, float32 [B, H, W].
        classes: uint8 [B, H, W].
    """

    logits: Any
    distance: Any
    score: Any
    classes: Any


def parity(subject: Subject) -> Iterator[Row]:
    """Results on the device in each precision against the CPU's in float32.

    Yields:
        Rows with `precision` and the largest differences: `logits` and `logits_largest`
        (the CPU's largest logit), `distance` and `distance_largest`, `score`;
        `classes_changed`, the share of pixels of another class, and
        `defects`, the share of pixels that are defects on the CPU.
    """
    cpu = jax.local_devices(backend='cpu')[0]
    here = jax.local_devices()[0]
    names = [('reference', 'float32', cpu)]
    names += [(precision, precision, here) for precision in PRECISIONS]
    with concurrent.futures.ThreadPoolExecutor(len(names)) as pool:
        compiled = [
            pool.submit(_compile, subject, precision, device)
            for _, precision, device in names
        ]
        expected = jax.device_get(compiled[0].result()())
        for (name, *_), run in zip(names[1:], compiled[1:], strict=True):
            try:
                actual = jax.device_get(run.result()())
                yield {'precision': name} | differences(actual, expected)
            except Exception as error:
                yield {'precision': name, 'error': describe_error(error)}


def differences(actual: Results, expected: Results) -> Row:
    """The figures of a row of `parity`."""
    if not np.isfinite(actual.logits).all():
        raise ValueError('a logit is not finite')
    row: Row = {}
    for name in ('logits', 'distance', 'score'):
        values, wanted = getattr(actual, name), getattr(expected, name)
        row[name] = float(np.abs(values - wanted).max())
        row[f'{name}_largest'] = float(np.abs(wanted).max())
    row['classes_changed'] = float(np.mean(actual.classes != expected.classes))
    row['defects'] = float(np.mean(expected.classes > 0))
    return row


def _compile(subject: Subject, precision: str, device: Any) -> Callable[[], Results]:
    args = jax.device_put(
        (subject.variables, *draw_pairs(*subject.sizes.parity)), device
    )
    loss = subject.config.loss
    function = functools.partial(
        _predict,
        subject.model(precision),
        math.log(loss.defect_weight / loss.defect_odds),
    )
    with jax.default_matmul_precision(PRECISIONS[precision].products):
        compiled = jax.jit(function).lower(*args).compile()
    return lambda: compiled(*args)


def _predict(
    model: CADNet,
    log_weight: float,
    variables: Any,
    images: jax.Array,
    references: jax.Array,
) -> Results:
    outputs: Any = model.apply(variables, normalize(images), normalize(references))
    size = images.shape[1], images.shape[2]
    logits = resize_bilinear(outputs.logits, size).at[..., 0].add(log_weight)
    score = 1 - jax.nn.softmax(logits)[..., 0]
    classes = jnp.argmax(logits, axis=-1).astype(jnp.uint8)
    return Results(outputs.logits, outputs.distance, score, classes)
