"""XML files that annotation tools write: parsed without entities, within a bound."""

import pathlib
import re
import xml.etree.ElementTree as ET

_ENCODING = re.compile(rb'<\?xml[^>]*\sencoding\s*=\s*["\']([A-Za-z][\w.-]*)')


def read_xml(path: pathlib.Path, *, root: str, most_bytes: int) -> ET.Element:
    """The outermost element of the file `path`.

    Args:
        path: the XML file.
        root: the name that its outermost element must have.
        most_bytes: a larger file is something else.

    Raises:
        ValueError: there is no such file, it is too large, not in UTF-8 or the encoding
            that it declares, not well-formed, declares a document type, or its
            outermost element has another name.
    """
    if not path.is_file():
        raise ValueError(f'{path}: no such file')
    if (length := path.stat().st_size) > most_bytes:
        raise ValueError(f'{path}: {length:,} bytes are too many for an annotation')
    data = path.read_bytes()
    declared = _ENCODING.match(data)
    encoding = declared[1].decode().lower() if declared else 'utf-8'
    if encoding.startswith(('utf-16', 'utf-32')):  # of whose bytes half or more are 0
        encoding = 'utf-8'
    try:
        # Strictly: two names must not become one by what replaces their letters.
        text = data.decode(encoding).removeprefix('\ufeff')
    except (LookupError, UnicodeError):
        text = '\0'
    if '\0' in text:  # the parser would take it for UTF-16, and read another text
        raise ValueError(f'{path}: not text in {encoding}; save it as UTF-8')
    # Entities can stand for other files, or for a text that fills the memory. What is
    # parsed below is this text, whatever encoding the file has or declares.
    if '<!DOCTYPE' in text or '<!ENTITY' in text:
        raise ValueError(f'{path}: declares a document type, which is not read')
    try:
        element = ET.fromstring(text)
    except ET.ParseError as error:
        raise ValueError(f'{path}: not well-formed XML ({error})') from None
    if element.tag != root:
        raise ValueError(
            f'{path}: its outermost element is <{element.tag:.40}>, not <{root}>'
        )
    return element
