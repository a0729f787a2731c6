"""Claims about the report: all is in it, and nothing in it is taken for HTML."""

import csv
import html.parser
import pathlib

import pytest

from cadnet_jax.datasets import check_report
from cadnet_jax.datasets.checks import KINDS, Finding, Report

NASTY = '<script>alert("größe")</script>, \n&.png'


def make_report(count: int = 1, name: str = NASTY) -> Report:
    findings = [
        Finding('unlabelled', 'train', f'{i}', name, f'{name}: {i} pixels', i)
        for i in range(count)
    ]
    findings.append(Finding('unreadable', 'test', name, name, f'{name}: bad'))
    return Report(
        {'train': 1234, 'test': 1}, findings, {'unlabelled': [(findings[0], b'JPEG')]}
    )


class Page(html.parser.HTMLParser):
    """The tags and attributes of a page, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ''
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.mark.parametrize('name', ['report.html', 'findings.csv'])
def test_what_another_tool_wrote_stays(tmp_path: pathlib.Path, name: str) -> None:
    check_report.write(make_report(), tmp_path)
    (tmp_path / name).write_text('<!DOCTYPE html><title>Coverage</title>')
    with pytest.raises(FileExistsError, match=f'{name}: not written by a check'):
        check_report.remove(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {'report.html', 'findings.csv'}


def test_names_are_shown_as_they_are_and_never_run(tmp_path: pathlib.Path) -> None:
    page = Page(check_report.write(make_report(), tmp_path).read_text())
    assert 'script' not in {tag for tag, _ in page.tags}
    assert page.text.count(f'{NASTY}: 0 pixels') == 2, 'under the picture, in the list'


def test_the_page_needs_nothing_else(tmp_path: pathlib.Path) -> None:
    """Pictures are in it; nothing is loaded from elsewhere."""
    page = Page(check_report.write(make_report(name='a'), tmp_path).read_text())
    links = [
        value
        for _, attributes in page.tags
        for name, value in attributes.items()
        if name in ('src', 'href')
    ]
    assert links == ['data:image/jpeg;base64,SlBFRw==']
    assert '1234 pairs' in page.text and '1 errors, 1 warnings' in page.text


def test_long_lists_end_on_the_page_and_go_on_in_the_csv_file(
    tmp_path: pathlib.Path,
) -> None:
    page = Page(check_report.write(make_report(150), tmp_path).read_text())
    assert [tag for tag, _ in page.tags].count('li') == 101
    assert '50 more are in findings.csv' in page.text
    with (tmp_path / 'findings.csv').open(newline='') as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 151
    assert [row['severity'] for row in rows] == ['error'] + ['warning'] * 150
    assert rows[0]['file'] == NASTY
    assert rows[0]['remedy'] == KINDS['unreadable'].remedy
    assert rows[1]['message'].endswith(': 149 pixels'), 'the worst first'


def test_what_is_said_of_a_whole_set_is_printed_and_of_a_pair_is_not() -> None:
    """Classes, splits and groups are named where the check is read, not in its CSV."""
    texts = {
        kind: f'text {number}'
        for number, kind in enumerate(('unlearned', 'no_choice', 'shares', 'ungrouped'))
    }
    report = make_report(3)
    report.findings.extend(
        Finding(kind, 'train', '', '', text) for kind, text in texts.items()
    )
    lines = check_report.warn_of_sets(report)
    assert lines == [f'warning: {text}.' for text in texts.values()]


def test_the_table_counts_each_kind() -> None:
    lines = check_report.format_table(make_report(1500)).splitlines()
    assert lines[0] == 'pairs: 1,234 train, 1 test'
    counts = {line[9:57].strip(): line.split()[-1] for line in lines[1:]}
    assert set(counts) == {kind.title for kind in KINDS.values()}
    assert counts['large difference where nothing is labeled'] == '1,500'
    assert counts['missing, damaged or no image'] == '1'
    assert sorted(counts.values())[:-2] == ['0'] * (len(KINDS) - 2)
