"""Tables in Markdown, as a reader of GitHub's dialect takes them."""

from cadnet_jax.files.markdown import markdown_table


def test_a_table_has_a_line_for_its_names_a_ruler_and_a_line_for_each_row() -> None:
    table = markdown_table(('', 'IoU'), [('CADNet', '46.6'), ('SegFormer', '8.3')])
    assert table == (
        '|  | IoU |\n| --- | --- |\n| CADNet | 46.6 |\n| SegFormer | 8.3 |'
    )


def test_a_table_without_rows_has_its_names() -> None:
    assert markdown_table(['a'], []) == '| a |\n| --- |'
