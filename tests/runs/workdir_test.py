"""What a work directory says of the start of its run."""

import pathlib

from cadnet_jax.config import Config
from cadnet_jax.data.split_contents import LabeledSubset
from cadnet_jax.runs.workdir import Inputs, TrainingData, read_origin, write_inputs

INPUTS = Inputs(Config(), TrainingData('tiny_pairs', ('background', 'dent'), (9, 1)))
ORIGIN = {'init_from': 'released', 'dataset': 'synthetic_pairs'}


def test_a_start_without_weights_forgets_those_of_an_earlier_one(
    tmp_path: pathlib.Path,
) -> None:
    """Also the pairs; a run that resumes reads no other weights, and keeps both."""
    subset = LabeledSubset(('a',), (9, 1))
    samples = tmp_path / 'train_samples.json'
    write_inputs(tmp_path, INPUTS, subset=subset, origin=ORIGIN)
    write_inputs(tmp_path, INPUTS, subset=subset, resumes=True)
    assert read_origin(tmp_path) == ORIGIN and samples.exists()
    write_inputs(tmp_path, INPUTS)
    assert read_origin(tmp_path) == {} and not samples.exists()
