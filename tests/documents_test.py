"""Pages that a command writes are what it writes today."""

import importlib.util
from types import ModuleType

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope='module')
def results() -> ModuleType:
    """docs/write_results.py."""
    path = ROOT / 'docs' / 'write_results.py'
    spec = importlib.util.spec_from_file_location('write_results', path)
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_results_is_current(results: ModuleType) -> None:
    assert results.PAGE.read_text() == results.page(), 'python docs/write_results.py'


def test_the_tables_of_the_model_card_are_current(results: ModuleType) -> None:
    text = results.CARD.read_text()
    assert results.card(text) == text, 'python docs/write_results.py'


def test_a_table_of_the_card_without_a_measurement_is_refused(
    results: ModuleType,
) -> None:
    with pytest.raises(ValueError, match="no measurement for the table 'scratches'"):
        results.card('<!-- table: scratches -->\n<!-- end -->')
