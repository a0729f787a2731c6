"""XML in the encoding that it declares; a document type is refused in any."""

import pathlib
import xml.etree.ElementTree as ET

import pytest

from cadnet_jax.datasets.xml_files import read_xml

BOMB = '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa">]>'


def read(
    path: pathlib.Path, data: bytes, *, encoding: str = '', prolog: str = ''
) -> ET.Element:
    declared = f' encoding="{encoding}"' if encoding else ''
    head = f'<?xml version="1.0"{declared}?>{prolog}'.encode(encoding or 'utf-8')
    path.write_bytes(head + data)
    return read_xml(path, root='a', most_bytes=10**6)


@pytest.mark.parametrize('encoding', ['', 'UTF-8', 'GBK', 'gb18030', 'big5'])
def test_a_name_is_read_in_the_encoding_that_is_declared(
    encoding: str, tmp_path: pathlib.Path
) -> None:
    data = '<a>劃痕</a>'.encode(encoding or 'utf-8')
    assert read(tmp_path / 'a.xml', data, encoding=encoding).text == '劃痕'


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: pathlib.Path) -> None:
    path = tmp_path / 'a.xml'
    path.write_text('<?xml version="1.0"?><a>ß</a>', encoding='utf-8-sig')
    assert read_xml(path, root='a', most_bytes=99).text == 'ß'


def test_bytes_of_another_encoding_are_refused(tmp_path: pathlib.Path) -> None:
    """Two names would become one by what replaces their letters."""
    path = tmp_path / 'a.xml'
    with pytest.raises(ValueError, match=r'a\.xml: not text in utf-8; save'):
        read(path, '<a>划痕</a>'.encode('gbk'))
    path.write_bytes(b'<?xml version="1.0" encoding="klingon"?><a/>')
    with pytest.raises(ValueError, match='not text in klingon'):
        read_xml(path, root='a', most_bytes=99)


@pytest.mark.parametrize('encoding', ['utf-8', 'gbk', 'utf-7', 'utf-16', 'utf-16-le'])
def test_a_document_type_is_refused_in_any_encoding(
    encoding: str, tmp_path: pathlib.Path
) -> None:
    data = '<a>&a;</a>'.encode(encoding)
    with pytest.raises(ValueError, match=r'document type|not text in utf-8; save'):
        read(tmp_path / 'a.xml', data, encoding=encoding, prolog=BOMB)
