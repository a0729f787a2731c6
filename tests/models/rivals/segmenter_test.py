"""The rivals' sizes against mmsegmentation's, as counted there, and how they train."""

import functools
import math
import os
import pathlib
import re
from typing import Any

import jax
import numpy as np
import optax
import pytest
from jax.extend.core import jaxprs_in_params

from cadnet_jax.model_config import ModelConfig
from cadnet_jax.models.cadnet import build_model
from cadnet_jax.models.complexity import gmacs, multiply_adds
from cadnet_jax.models.heads import HEADS
from cadnet_jax.models.initialize import initialize, parameter_shapes
from cadnet_jax.models.kernels.backend import plain_forms
from cadnet_jax.models.rivals.segmenter import DESIGNS
from cadnet_jax.runs.state import initial_state
from cadnet_jax.training.step import train_step
from cadnet_jax.training_config import LossConfig
from tests.support import tiny_networks
from tests.support.tiny_data import boards

pytestmark = pytest.mark.unoptimized

# Parameters for 3, 7 and 16 classes, with the auxiliary head.
PARAMETERS = {
    'fcn': (49_485_414, 49_488_494, 49_495_424),
    'pspnet': (12_786_982, 12_787_758, 12_789_504),
    'deeplabv3plus': (43_577_558, 43_580_638, 43_587_568),
    'danet': (49_817_838, 49_825_022, 49_841_186),
    'ocrnet': (12_067_492, 12_070_628, 12_077_684),
}
# Of three classes: encoder, decoder, auxiliary head.
PARTS = {
    'fcn': (23_527_264, 23_597_571, 2_360_579),
    'pspnet': (11_195_744, 1_443_459, 147_779),
    'deeplabv3plus': (23_527_264, 17_689_715, 2_360_579),
    'danet': (23_527_264, 23_929_995, 2_360_579),
    'ocrnet': (9_562_260, 2_505_232, 0),
}
# At 512 x 512: as mmcv counts, and convolutions alone.
GMACS = {
    'fcn': (57.906, 57.839),
    'pspnet': (54.259, 54.218),
    'deeplabv3plus': (176.225, 176.024),
    'danet': (199.051, 198.919),
    'ocrnet': (52.831, 52.724),
}
STRIDES = {'fcn': 16, 'pspnet': 8, 'deeplabv3plus': 4, 'danet': 8, 'ocrnet': 4}
RIVALS = list(PARAMETERS)
STEPS = 60


@functools.cache
def encoder_shapes(head: str) -> tuple[Any, Any]:
    """Features of a 512 x 512 image, and variables, not computed."""
    encoder = DESIGNS[head].encoder()
    image = jax.ShapeDtypeStruct((1, 512, 512, 3), np.float32)
    init = functools.partial(encoder.init_with_output, train=False)
    features, variables = jax.eval_shape(init, jax.random.key(0), image)
    return features, variables['params']


def count(tree: Any) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(tree))


def count_parts(head: str, num_classes: int) -> tuple[int, int, int]:
    """Parameters of encoder, decoder and auxiliary head."""
    features, encoder = encoder_shapes(head)
    design, counts = DESIGNS[head], []
    for part, inputs in ((design.decoder, features), (design.auxiliary, features[:3])):
        if part is None:
            counts.append(0)
            continue
        init = functools.partial(part(num_classes=num_classes).init, train=False)
        shapes = jax.eval_shape(init, jax.random.key(0), inputs)
        counts.append(count(shapes['params']))
    return count(encoder), counts[0], counts[1]


@pytest.mark.parametrize('head', RIVALS)
def test_parameters_are_those_of_mmsegmentation(head: str) -> None:
    """For 3, 7 and 16 classes."""
    found = tuple(sum(count_parts(head, classes)) for classes in (3, 7, 16))
    assert found == PARAMETERS[head]
    assert count_parts(head, 3) == PARTS[head]


@pytest.mark.parametrize('head', RIVALS)
def test_the_whole_network_has_the_parts(head: str) -> None:
    """So do its multiply-adds, counted from the traced program, agree with mmcv's."""
    config = ModelConfig(head=head)
    shapes = parameter_shapes(build_model(config, 3))['params']
    found = [count(shapes.get(part)) for part in ('encoder', 'decoder', 'auxiliary')]
    assert tuple(found) == PARTS[head]
    counted, convolutions = GMACS[head]
    assert gmacs(config, 3, 512, 512) == pytest.approx(counted, abs=1e-3)
    products = multiply_adds(config, 3, 512, 512)
    assert products.convolutions == pytest.approx(convolutions, abs=1e-3)


def test_the_attentions_of_danet_are_counted_by_themselves() -> None:
    """9.66 for positions and 2.15 for channels."""
    expected = (4096**2 * (64 + 512) + 2 * 512**2 * 4096) / 1e9
    found = multiply_adds(ModelConfig(head='danet'), 3, 512, 512).attention
    assert found == pytest.approx(expected, rel=1e-9)


# Parameters of the stem and the four stages.
STAGES = {
    'fcn': (28_768, 215_808, 1_219_584, 7_098_368, 14_964_736),
    'pspnet': (28_768, 147_968, 525_568, 2_099_712, 8_393_728),
}


@pytest.mark.parametrize('head', STAGES)
def test_stages_of_a_resnet(head: str) -> None:
    _, params = encoder_shapes(head)
    scopes = ['stem', *(f'stage_{stage}' for stage in range(1, 5))]
    found = [
        count({name: part for name, part in params.items() if name.startswith(scope)})
        for scope in scopes
    ]
    assert tuple(found) == STAGES[head]


def test_stages_of_hrnet() -> None:
    _, params = encoder_shapes('ocrnet')
    expected = {
        'conv': 1728 + 128 + 36_864 + 128,
        'stage_1': 286_208,
        'transition_1': 124_524,
        'stage_2': 124_092,
        'transition_2': 23_472,
        'stage_3': 2_162_880,
        'transition_3': 93_600,
        'stage_4': 6_708_636,
    }
    for scope, parameters in expected.items():
        parts = {n: part for n, part in params.items() if n.startswith(scope)}
        assert count(parts) == parameters, scope


def test_heads_of_ocrnet() -> None:
    shapes = parameter_shapes(build_model(ModelConfig(head='ocrnet'), 3))
    decoder = shapes['params']['decoder']
    assert count(decoder['coarse']) == 74_253
    assert count(decoder['fine']) == 2_430_979


@pytest.mark.parametrize('head', RIVALS)
@pytest.mark.parametrize('size', [(64, 64), (37, 53)])
def test_logits_have_the_stride_of_the_network(
    head: str, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rounded up; each auxiliary head of the row has logits, in training alone."""
    tiny_networks.shrink(monkeypatch)
    model = build_model(ModelConfig(head=head, dropout=0.0), 5)
    image = jax.ShapeDtypeStruct((2, *size, 3), np.float32)
    shapes = parameter_shapes(model)
    evaluated = jax.eval_shape(model.apply, shapes, image, image)
    stride = STRIDES[head]
    assert evaluated.logits.shape == (2, *(math.ceil(x / stride) for x in size), 5)
    assert evaluated.distance is None
    train = functools.partial(model.apply, train=True, mutable=['batch_stats'])
    trained, _ = jax.eval_shape(train, shapes, image, image)
    assert len(trained.auxiliary) == len(HEADS[head].auxiliary_weights)
    assert all(logits.shape[-1] == 5 for logits in trained.auxiliary)


Convolution = tuple[tuple[int, ...], int, int, int]  # kernel, stride, dilation, groups


def convolutions(jaxpr: Any) -> list[Convolution]:
    """The convolutions of a program but for 1x1; the kernels as PyTorch has them."""
    found: list[Convolution] = []
    for equation in jaxpr.eqns:
        if equation.primitive.name == 'conv_general_dilated':
            params = equation.params
            height, width, inputs, outputs = equation.invars[1].aval.shape
            dilation = params['rhs_dilation'][0]
            assert params['padding'] == ((dilation * (height // 2),) * 2,) * 2
            found.append(
                (
                    (outputs, inputs, height, width),
                    params['window_strides'][0],
                    dilation,
                    params['feature_group_count'],
                )
            )
        for inside in jaxprs_in_params(equation.params):
            found += convolutions(inside)
    return found


_ROW = re.compile(
    r'\((\d+), (\d+), 3, 3\) stride \((\d), .* dil \((\d+), \d+\)(?: groups (\d+))?'
)
_SECTIONS = {
    'fcn': 'FCN',
    'pspnet': 'PSPNet',
    'deeplabv3plus': 'DeepLabV3+',
    'danet': 'DANet',
    'ocrnet': 'OCRNet',
}


@pytest.mark.parametrize('head', RIVALS)
def test_convolutions_are_those_of_mmsegmentation(head: str) -> None:
    """Strides and dilations too, of the layers that the reference data list."""
    shared = pathlib.Path(os.environ.get('CADNET_SHARED', '../shared'))
    listing = shared / 'rivals' / 'layers.txt'
    if not listing.exists():
        pytest.skip(f'{listing} is not there')
    parts = re.split(r'^===== (\S+) \d+\n', listing.read_text(), flags=re.M)
    section = parts[parts.index(_SECTIONS[head]) + 1]
    rows = _ROW.findall(section)
    assert rows
    expected = {
        ((int(o), int(i), 3, 3), int(stride), int(dilation), int(groups or 1))
        for o, i, stride, dilation, groups in rows
    }
    model = build_model(ModelConfig(head=head, dropout=0.0), 3)
    image = jax.ShapeDtypeStruct((1, 64, 64, 3), np.float32)
    train = functools.partial(model.apply, train=True, mutable=['batch_stats'])
    with plain_forms():
        program = jax.make_jaxpr(train)(parameter_shapes(model), image, image)
    found = set(convolutions(program.jaxpr))
    assert expected <= found
    if head in ('fcn', 'pspnet', 'deeplabv3plus'):  # Of others it has the heads alone.
        assert found == expected


@pytest.mark.slow
@pytest.mark.parametrize('head', [*RIVALS, 'unet', 'fc_siam_diff'])
def test_a_network_learns_two_pairs_by_heart(
    head: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Auxiliary heads too; all terms are logged. Their logits start near 0."""
    tiny_networks.shrink(monkeypatch)
    if head in tiny_networks.TINY_UNETS:
        monkeypatch.setitem(HEADS, head, tiny_networks.TINY_UNETS[head])
    model = build_model(ModelConfig(head=head, dropout=0.0), 3)
    optimizer = optax.adam(1e-2)
    state = initial_state(model, optimizer, seed=0)
    images, references, masks = boards(2, (64, 64))
    batch = {'image': images, 'reference': references, 'mask': masks}
    step = jax.jit(
        functools.partial(
            train_step,
            model=model,
            optimizer=optimizer,
            loss_config=LossConfig(),
            class_pixels=(100, 2, 1),
            key=jax.random.key(0),
            axis_name=None,
        )
    )
    state, first = step(state, batch)
    for _ in range(STEPS):
        state, last = step(state, batch)
    names = {'loss', 'cross_entropy', 'gradient_norm'}
    weights = HEADS[head].auxiliary_weights
    if weights:
        names.add('auxiliary')
        expected = sum(weights) * math.log(3)
        assert first['auxiliary'] == pytest.approx(expected, rel=0.05)
        assert last['auxiliary'] < 0.3 * first['auxiliary']
    assert set(last) == names
    assert last['cross_entropy'] < 0.1 * first['cross_entropy']


def test_a_residual_block_begins_as_the_identity(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As mmsegmentation's do that have no pre-trained weights."""
    tiny_networks.shrink(monkeypatch)
    params = initialize(build_model(ModelConfig(head='fcn'), 3), seed=0)['params']
    block = params['encoder']['stage_1_block_1']
    assert not block['conv_3']['norm']['scale'].any()
    assert block['conv_2']['norm']['scale'].all()
