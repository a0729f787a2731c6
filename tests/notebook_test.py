"""The notebook runs from top to bottom on a fresh kernel, and is stored clean."""

from typing import Any

import nbclient
import nbformat
import pytest

from tests.conftest import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.unoptimized]

NOTEBOOK = ROOT / 'notebooks' / 'inspect_pairs.ipynb'


@pytest.fixture
def notebook() -> Any:
    return nbformat.read(NOTEBOOK, as_version=4)


def test_the_notebook_is_valid_and_without_outputs(
    notebook: nbformat.NotebookNode,
) -> None:
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.get('outputs') and cell.get('execution_count') is None


@pytest.mark.filterwarnings('default')  # those of Jupyter's own packages
def test_the_notebook_goes_from_two_files_to_a_calibrated_verdict(
    notebook: nbformat.NotebookNode, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With nothing prepared; the example's six defects are found, good parts pass."""
    monkeypatch.setenv('PYTHONPATH', str(ROOT))
    nbclient.NotebookClient(notebook, kernel_name='python3', timeout=300).execute()
    outputs = [o for cell in notebook.cells for o in cell.get('outputs', [])]
    pictures = [o for o in outputs if 'image/png' in o.get('data', {})]
    assert len(pictures) == 2
    text = ''.join(o['text'] for o in outputs if o.output_type == 'stream')
    assert 'NG\n6 defect, the largest ' in text
    assert 'rules.any.min_area=2000 OK' in text
    assert '0 of 20 good parts are rejected, so at most 13.9 % of all' in text
    assert 'another good part: OK' in text
    assert 'the example: NG' in text
