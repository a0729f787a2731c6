"""The rivals' numbers against PyTorch's.

`pytorch.npz` has what PyTorch 2.13 computed on a CPU, in float64, with networks that
were written apart from ours: those of mmsegmentation 0.30 (`fcn_d6_r50-d16`,
`pspnet_r18-d8`, `deeplabv3plus_r50-d8`, `danet_r50-d8`, `ocrnet_hr18`), and U-Net as
SSL4MIS has it. Each has logits of its published size, and loss and gradients of the
size in `tiny_networks`. Dropout is off, and the loss is the mean over the pixels that
are not ignored. Weights are not stored: each array is drawn by its name there.

What is held here is the definition of the networks, so the programs may compile fast;
`tests/golden_test.py` holds the numbers of the programs that users have.
"""

import functools
import math
import pathlib
import re
import zlib
from typing import Any

import jax
import numpy as np
import pytest
from flax import traverse_util

from cadnet_jax.data.labels import IGNORED
from cadnet_jax.model_config import ModelConfig
from cadnet_jax.models.cadnet import build_model
from cadnet_jax.models.heads import HEADS
from cadnet_jax.models.initialize import parameter_shapes
from cadnet_jax.models.rivals.hrnet import HRNET_W18, HRNet
from cadnet_jax.models.rivals.segmenter import DESIGNS
from cadnet_jax.training.losses import total_loss
from cadnet_jax.training_config import LossConfig
from cadnet_jax.weights.foreign_names import LAYOUTS, origin
from cadnet_jax.weights.pretrained import convert
from tests.support import tiny_networks

pytestmark = pytest.mark.slow

CLASSES = 3
UNETS = ['unet', 'fc_siam_diff']
# Unoptimized, the dilated convolutions of FCN's head run longer than all else compiles.
PUBLISHED_SIZES = [
    pytest.param(head, marks=() if head == 'fcn' else pytest.mark.unoptimized)
    for head in [*DESIGNS, *UNETS]
]
# Of images that put no value so near a ReLU's edge that rounding changes a gradient.
SEEDS = {
    'fcn': 41,
    'pspnet': 29,
    'deeplabv3plus': 56,
    'danet': 11,
    'ocrnet': 14,
    'unet': 21,
    'fc_siam_diff': 36,
}
# (relative, of the array's largest)
LOGITS = (0, 1e-4)
LOSSES = (1e-5, 0)
GRADIENT_NORMS = (5e-3, 1e-4)

# What is added to other features is small, or the sums grow from block to block; and
# attention between channels with large features looks at one channel alone.
SMALL = {
    r'bn[23]\.weight|fuse_layers\..*weight': 0.4,
    r'cam_in_conv\.bn\.(weight|bias|running_mean)': 0.1,
}
MMSEGMENTATION = next(x for x in LAYOUTS if x.title[-6:] == 'HRNets' and x.prefix)
SSL4MIS = (
    (r'encoder/level_1', 'encoder.in_conv'),
    (r'encoder/level_(\d)', lambda m: f'encoder.down{int(m[1]) - 1}.maxpool_conv.1'),
    (r'decoder/level_(\d)', lambda m: f'decoder.up{5 - int(m[1])}.conv'),
    (r'reduce_(\d)', lambda m: f'up{5 - int(m[1])}.conv1x1'),
    (r'classifier', 'out_conv'),
    (r'conv_1', 'conv_conv.0'),
    (r'norm_1', 'conv_conv.1'),
    (r'conv_2', 'conv_conv.4'),
    (r'norm_2', 'conv_conv.5'),
    (r'(kernel|scale)$', 'weight'),
    (r'(mean|var)$', r'running_\1'),
    (r'/', '.'),
)

Path = tuple[str, ...]


def foreign_name(head: str, path: Path) -> str:
    """What mmsegmentation or SSL4MIS calls the array at `path` of our variables."""
    if head not in UNETS:
        return origin(path, MMSEGMENTATION)[0].name
    name = '/'.join(path[1:])
    for pattern, replacement in SSL4MIS:
        name = re.sub(pattern, replacement, name)
    return name


def draw(name: str, shape: tuple[int, ...]) -> np.ndarray:
    """The array of that name in PyTorch; shapes and axes are PyTorch's, too."""
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    if len(shape) == 4:
        deviation = math.sqrt(1 / math.prod(shape[1:]))
        return rng.standard_normal(shape, np.float32) * np.float32(deviation)
    is_around_0 = name.endswith(('bias', 'running_mean'))
    values = rng.uniform(*((-0.1, 0.1) if is_around_0 else (0.5, 1.5)), shape)
    for pattern, factor in SMALL.items():
        values = values * (factor if re.search(pattern, name) else 1)
    return values.astype(np.float32)


def inputs(head: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Four images, references and masks to train on; some pixels are ignored.

    The images are of large areas: where they are noise alone, their means are all but
    equal, and a norm after pooling makes much of rounding.
    """
    rng = np.random.default_rng(SEEDS[head])
    areas = rng.standard_normal((2, 4, 2, 3, 3), np.float32)
    noise = rng.standard_normal((2, 4, 64, 96, 3), np.float32)
    image, reference = areas.repeat(32, axis=2).repeat(32, axis=3) + noise / 2
    mask = rng.integers(0, CLASSES, (4, 8, 12), np.uint8)
    mask = mask.repeat(8, axis=1).repeat(8, axis=2)
    mask[:, :8] = IGNORED
    return image, reference, mask


def wide_inputs() -> np.ndarray:
    """An image and a reference `[1, 128, 320, 3]`.

    The widest dilation reaches from one place of a feature map to another.
    """
    rng = np.random.default_rng(0)
    return rng.standard_normal((2, 1, 128, 320, 3), np.float32)


def model_and_variables(head: str) -> tuple[Any, Any]:
    """A network without dropout, and the variables that PyTorch's has."""
    model = build_model(ModelConfig(head=head, dropout=0.0), CLASSES)
    foreign, ours = {}, {}
    for path, leaf in traverse_util.flatten_dict(parameter_shapes(model)).items():
        shape, is_kernel = leaf.shape, path[-1] == 'kernel'
        if is_kernel:
            height, width, inward, outward = (1, 1, *shape)[-4:]
            shape = outward, inward, height, width
        name = foreign_name(head, path)
        foreign[name] = array = draw(name, shape)
        ours[path] = array.transpose(2, 3, 1, 0) if is_kernel else array
        ours[path] = ours[path].reshape(leaf.shape)
    if head in UNETS:  # The importer does not know them.
        return model, traverse_util.unflatten_dict(ours)
    return model, convert(foreign, model, source='PyTorch').variables


@functools.cache
def stored() -> dict[str, np.ndarray]:
    with np.load(pathlib.Path(__file__).with_name('pytorch.npz')) as file:
        return dict(file)


def assert_near(
    found: Any, expected: np.ndarray, tolerance: tuple[float, float]
) -> None:
    relative, absolute = tolerance
    largest = np.abs(expected).max()
    np.testing.assert_allclose(found, expected, relative, absolute * largest)


def some(logits: jax.Array) -> np.ndarray:
    """Those that are stored: no more than 8 rows."""
    every = max(logits.shape[1] // 8, 1)
    return np.asarray(logits[:, ::every, ::every])


@pytest.mark.parametrize('head', PUBLISHED_SIZES)
def test_a_network_of_the_published_size_has_the_logits_of_pytorch(
    head: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In evaluation; from weights in mmsegmentation's names, or SSL4MIS's.

    HRNet has one module a stage: eight of them compile for half a minute.
    """
    short = functools.partial(HRNet, HRNET_W18._replace(modules=(1, 1, 1)))
    ocrnet = DESIGNS['ocrnet']._replace(encoder=short)
    monkeypatch.setitem(DESIGNS, 'ocrnet', ocrnet)
    model, variables = model_and_variables(head)
    image, reference = wide_inputs()
    logits = jax.jit(model.apply)(variables, image, reference).logits
    assert_near(some(logits), stored()[f'{head}/published_size'], LOGITS)


@pytest.mark.unoptimized
@pytest.mark.parametrize('head', [*DESIGNS, *UNETS])
def test_training_has_the_losses_and_gradients_of_pytorch(
    head: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The norm of each parameter's gradient; and the logits in training."""
    tiny_networks.shrink(monkeypatch)
    if head in UNETS:
        monkeypatch.setitem(HEADS, head, tiny_networks.TINY_UNETS[head])
    model, variables = model_and_variables(head)
    image, reference, mask = inputs(head)
    labels = jax.numpy.asarray(mask)

    def loss(params: Any) -> Any:
        outputs, _ = model.apply(
            {**variables, 'params': params},
            image,
            reference,
            train=True,
            mutable=['batch_stats'],
        )
        value, terms = total_loss(
            outputs, labels, LossConfig(), head=head, class_pixels=(1,) * CLASSES
        )
        return value, (terms, outputs.logits)

    compute = jax.jit(jax.value_and_grad(loss, has_aux=True))
    (value, (terms, logits)), gradients = compute(variables['params'])
    assert_near(some(logits), stored()[f'{head}/logits'], LOGITS)
    losses = [value, terms['cross_entropy'], terms.get('auxiliary', 0.0)]
    assert_near(losses, stored()[f'{head}/losses'], LOSSES)
    norms = {
        foreign_name(head, ('params', *path)): np.linalg.norm(gradient)
        for path, gradient in traverse_util.flatten_dict(gradients).items()
    }
    names = stored()[f'{head}/names'].astype(str).tolist()
    assert sorted(norms) == names
    found = [norms[name] for name in names]
    assert_near(found, stored()[f'{head}/gradient_norms'], GRADIENT_NORMS)
