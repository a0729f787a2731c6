"""What a run says is what can be read back, also after it was killed and resumed."""

import json
import pathlib
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

import cv2
import jax
import numpy as np
import pytest
from tensorboardX.proto import event_pb2

from cadnet_jax.training.log import RecentMetrics, TrainingLog, read_log

VALUES = {'loss': 0.75, 'gradient_norm': 2.5, 'learning_rate': 6e-5}
METRICS: dict[str, Any] = {
    'split': 'val',
    'step': 20,
    'pairs': 5,
    'classes': {
        'background': {'iou': 0.99, 'accuracy': 0.995},
        'missing': {'iou': 0.5, 'accuracy': 0.625},
        'excess': {'iou': None, 'accuracy': None},
    },
    'miou': 0.5,
    'macc': 0.625,
    'defect_iou': None,
}


class Events(NamedTuple):
    """What TensorBoard would show of a work directory, and where it begins to."""

    scalars: dict[str, list[tuple[int, float]]]  # tag -> (step, value)
    images: dict[str, list[tuple[int, np.ndarray]]]  # tag -> (step, RGB)
    starts: list[int]  # steps from which on what was said before is void


def read_events(workdir: pathlib.Path) -> Events:
    """Of all event files, the oldest first."""
    events = Events({}, {}, [])
    for path in sorted((workdir / 'tensorboard').iterdir()):
        for event in _records(path.read_bytes()):
            if event.HasField('session_log'):
                events.starts.append(event.step)
            for value in event.summary.value:
                if value.HasField('image'):
                    encoded = np.frombuffer(value.image.encoded_image_string, np.uint8)
                    image = cv2.imdecode(encoded, cv2.IMREAD_COLOR_RGB)
                    assert image is not None
                    events.images.setdefault(value.tag, []).append((event.step, image))
                else:
                    scalar = event.step, value.simple_value
                    events.scalars.setdefault(value.tag, []).append(scalar)
    return events


def _records(data: bytes) -> Iterator[Any]:
    """TFRecord: length (8 bytes), its checksum (4), the event, its checksum (4)."""
    while data:
        (length,) = struct.unpack('<Q', data[:8])
        assert len(data) >= length + 16, 'cut short'
        yield event_pb2.Event.FromString(data[12 : 12 + length])
        data = data[length + 16 :]


def write_lines(workdir: pathlib.Path, *lines: str) -> pathlib.Path:
    path = workdir / 'metrics.jsonl'
    path.write_text(''.join(lines))
    return path


def panels(count: int) -> list[np.ndarray]:
    """Pictures of prime sides in which no two colors or axes could be swapped."""
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (7, 11, 3), np.uint8) for _ in range(count)]


# --- TensorBoard --------------------------------------------------------------------


def test_tensorboard_holds_each_value_at_its_step(tmp_path: pathlib.Path) -> None:
    with TrainingLog(tmp_path, step=0, enabled=True) as log:
        log.training(10, VALUES, speed=1.5)
        log.training(20, VALUES | {'loss': 0.25}, speed=3.0)
    assert read_events(tmp_path).scalars == {
        'training/loss': [(10, 0.75), (20, 0.25)],
        'training/gradient_norm': [(10, 2.5), (20, 2.5)],
        'training/learning_rate': [(step, np.float32(6e-5)) for step in (10, 20)],
        'training/pairs_per_second': [(10, 1.5), (20, 3.0)],
    }


def test_tensorboard_holds_the_means_and_the_iou_of_each_class(
    tmp_path: pathlib.Path,
) -> None:
    """As far as they are defined; and no counts, which are no measure of quality."""
    with TrainingLog(tmp_path, step=0, enabled=True) as log:
        log.evaluation(20, METRICS, [])
    assert read_events(tmp_path).scalars == {
        'evaluation/miou': [(20, 0.5)],
        'evaluation/macc': [(20, 0.625)],
        'evaluation/iou/background': [(20, np.float32(0.99))],
        'evaluation/iou/missing': [(20, 0.5)],
    }


def test_tensorboard_holds_the_panels_bit_for_bit(tmp_path: pathlib.Path) -> None:
    expected = panels(3)
    with TrainingLog(tmp_path, step=0, enabled=True) as log:
        log.evaluation(20, METRICS, expected)
    images = read_events(tmp_path).images
    assert list(images) == ['pair_0', 'pair_1', 'pair_2']
    for found, panel in zip(images.values(), expected, strict=True):
        ((step, image),) = found
        assert step == 20
        np.testing.assert_array_equal(image, panel)


def test_tensorboard_is_told_from_which_step_a_resumed_run_speaks(
    tmp_path: pathlib.Path,
) -> None:
    """It hides what the run before had said from there on."""
    for start in (0, 10):
        workdir = tmp_path / str(start)
        workdir.mkdir()
        with TrainingLog(workdir, step=start, enabled=True) as log:
            log.training(start + 10, VALUES, speed=1.0)
        assert read_events(workdir).starts == [start + 1]


# --- metrics.jsonl ------------------------------------------------------------------


def test_metrics_hold_what_was_said_and_nothing_of_the_clock(
    tmp_path: pathlib.Path,
) -> None:
    with TrainingLog(tmp_path, step=0, enabled=True) as log:
        log.training(20, VALUES, speed=1.5)
        assert not log.evaluated(20)
        log.evaluation(20, METRICS, panels(1))
        assert log.evaluated(20) and not log.evaluated(10)
    lines = [{'step': 20, **VALUES}, {'step': 20, 'evaluation': METRICS}]
    assert read_log(tmp_path) == lines
    text = (tmp_path / 'metrics.jsonl').read_text()
    assert [json.loads(line) for line in text.splitlines()] == lines


def test_each_line_is_on_disk_at_once(tmp_path: pathlib.Path) -> None:
    """A kill takes nothing away that was said before."""
    with TrainingLog(tmp_path, step=0, enabled=True) as log:
        for step in (10, 20):
            log.training(step, VALUES, speed=1.0)
            assert [line['step'] for line in read_log(tmp_path)][-1] == step


def test_a_value_that_json_has_no_word_for_is_refused(tmp_path: pathlib.Path) -> None:
    with (
        TrainingLog(tmp_path, step=0, enabled=True) as log,
        pytest.raises(ValueError, match='JSON compliant'),
    ):
        log.training(10, {'loss': float('nan')}, speed=1.0)
    assert read_log(tmp_path) == []


@pytest.mark.parametrize(
    ('resumed', 'kept', 'evaluated'),
    [(0, 0, False), (15, 1, False), (20, 3, True), (25, 3, True), (30, 4, True)],
)
def test_what_was_said_beyond_the_resumed_step_is_dropped(
    resumed: int, kept: int, evaluated: bool, tmp_path: pathlib.Path
) -> None:
    """It is said again, so that the file is that of a run that was never stopped."""
    lines = [
        '{"step": 10, "loss": 0.5}\n',
        '{"step": 20, "loss": 0.25}\n',
        '{"step": 20, "evaluation": {"miou": 0.5, "classes": {}}}\n',
        '{"step": 30, "loss": 0.1}\n',
    ]
    path = write_lines(tmp_path, *lines)
    with TrainingLog(tmp_path, step=resumed, enabled=True) as log:
        assert path.read_text() == ''.join(lines[:kept])
        assert log.evaluated(20) is evaluated
        log.training(40, {'loss': 0.0}, speed=1.0)
    again = '{"step": 40, "loss": 0.0}\n'
    assert path.read_text() == ''.join(lines[:kept]) + again
    assert [file.name for file in tmp_path.iterdir() if file.is_file()] == [path.name]


@pytest.mark.parametrize('cut', ['{', '{"step": 20, "lo', '{"step": 20, "loss": 0.25}'])
def test_a_line_that_a_kill_cut_short_is_dropped(
    cut: str, tmp_path: pathlib.Path
) -> None:
    """Whole is a line that ends; the next one is not glued to the rest."""
    first = '{"step": 10, "loss": 0.5}\n'
    path = write_lines(tmp_path, first, cut)
    assert read_log(tmp_path) == [{'step': 10, 'loss': 0.5}]
    with TrainingLog(tmp_path, step=20, enabled=True) as log:
        log.training(20, {'loss': 0.75}, speed=1.0)
    assert path.read_text() == first + '{"step": 20, "loss": 0.75}\n'


@pytest.mark.parametrize('damage', [b'{"step": 20, "lo', b'\0\0\0', b'\xff\xfe', b''])
def test_a_damaged_line_in_the_middle_names_the_file(
    damage: bytes, tmp_path: pathlib.Path
) -> None:
    """It is no kill's work: nothing is dropped, and the file stays as it is."""
    path = tmp_path / 'metrics.jsonl'
    data = b'{"step": 10}\n' + damage + b'\n{"step": 30}\n'
    path.write_bytes(data)
    with pytest.raises(ValueError, match=r'metrics\.jsonl: ') as error:
        read_log(tmp_path)
    assert str(error.value).startswith(f'{path}: ') and '\n' not in str(error.value)
    with pytest.raises(ValueError, match=r'metrics\.jsonl: '):
        TrainingLog(tmp_path, step=30, enabled=True)
    assert path.read_bytes() == data


def test_a_run_that_said_nothing_has_no_lines(tmp_path: pathlib.Path) -> None:
    assert read_log(tmp_path) == []


def test_a_disabled_log_writes_nothing(tmp_path: pathlib.Path) -> None:
    """It knows what was evaluated, as all processes have to agree on what is due."""
    lines = '{"step": 20, "evaluation": {}}\n', '{"step": 30, "loss": 0.5}\n'
    path = write_lines(tmp_path, *lines)
    with TrainingLog(tmp_path, step=20, enabled=False) as log:
        assert log.evaluated(20)
        log.training(30, VALUES, speed=1.0)
        log.evaluation(30, METRICS, panels(2))
        assert log.evaluated(30)
    assert path.read_text() == ''.join(lines)
    assert list(tmp_path.iterdir()) == [path]


# --- The metrics of each step -------------------------------------------------------


def step_metrics(loss: float, norm: float = 1.0) -> dict[str, jax.Array]:
    """As the step gives them: one value for each device."""
    metrics = {'loss': loss, 'gradient_norm': norm}
    return {name: jax.numpy.array([value]) for name, value in metrics.items()}


def test_means_are_over_the_steps_since_the_last_ones() -> None:
    recent = RecentMetrics()
    for step, (loss, norm) in enumerate([(1.0, 2.0), (2.0, 4.0), (6.0, 0.0)], 1):
        recent.add(step, step_metrics(loss, norm))
    assert recent.means() == {'loss': 3.0, 'gradient_norm': 2.0}
    recent.add(4, step_metrics(0.5, 0.25))
    assert recent.means() == {'loss': 0.5, 'gradient_norm': 0.25}


def test_the_means_of_a_resumed_run_include_what_was_pending() -> None:
    recent = RecentMetrics()
    recent.pending = [{'loss': 1.0, 'gradient_norm': 1.0}]
    recent.add(2, step_metrics(3.0, 2.0))
    assert recent.means() == {'loss': 2.0, 'gradient_norm': 1.5}


def test_a_step_is_fetched_when_the_next_one_is_under_way() -> None:
    recent = RecentMetrics()
    recent.add(1, step_metrics(1.0))
    assert (recent.loss, recent.pending) == (None, [])
    recent.add(2, step_metrics(2.0))
    assert (recent.loss, len(recent.pending)) == (1.0, 1)
    recent.fetch()
    assert (recent.loss, len(recent.pending)) == (2.0, 2)
    recent.fetch()
    assert len(recent.pending) == 2


@pytest.mark.parametrize(
    ('loss', 'norm', 'shown'),
    [
        (float('nan'), 1.0, 'loss nan, gradient_norm 1'),
        (0.5, float('inf'), 'loss 0.5, gradient_norm inf'),
        (float('-inf'), 1.0, 'loss -inf'),
    ],
)
def test_a_step_that_is_not_finite_is_named_and_never_pending(
    loss: float, norm: float, shown: str
) -> None:
    """Whoever asks next: another step, a checkpoint, or the next line of the log."""
    recent = RecentMetrics()
    recent.add(7, step_metrics(1.0))
    recent.add(8, step_metrics(loss, norm))
    asking = (lambda: recent.add(9, step_metrics(2.0)), recent.fetch, recent.means)
    for ask in asking:
        with pytest.raises(ValueError, match=f'step 8, .*: {shown}'):
            ask()
        assert recent.pending == [{'loss': 1.0, 'gradient_norm': 1.0}]
        assert recent.loss == 1.0
