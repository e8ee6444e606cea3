"""Small documents, made as tests need them, and some that are made to do harm."""

import io
import struct
import zipfile
import zlib

from PIL import Image

from onebot_bot.reading.extract import Limits

LIMITS = Limits(pages=30, characters=4000)
WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def pdf(*pages: str, title: str = "", extra: str = "") -> bytes:
    """A PDF with a page for each text: each character as UTF-16, in a font that names no glyphs of its own."""
    count = len(pages)
    kids = " ".join(f"{4 + 2 * i} 0 R" for i in range(count))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {count} >>",
        "<< /Type /Font /Subtype /Type0 /BaseFont /STSong-Light /Encoding /UniGB-UCS2-H /DescendantFonts "
        "[<< /Type /Font /Subtype /CIDFontType0 /BaseFont /STSong-Light >>] >>",
    ]
    for number, text in enumerate(pages):
        lines = [f"<{line.encode('utf-16-be').hex()}> Tj T*" for line in text.splitlines()]
        stream = f"BT /F1 12 Tf 14 TL 72 700 Td {' '.join(lines)} ET"
        objects += [
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents {5 + 2 * number} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>",
            f"<< /Length {len(stream)} >>\nstream\n{stream}\nendstream",
        ]
    objects.append(f"<< /Title <{(chr(0xFEFF) + title).encode('utf-16-be').hex()}> >>")
    return _pdf_file([item.encode() for item in objects], f"/Info {len(objects)} 0 R {extra}")


def pdf_bomb(size: int) -> bytes:
    """A page whose few bytes unfold to `size`."""
    stream = zlib.compress(bytes(size), 9)
    page = b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << >> >>"
    body = b"<< /Length %d /Filter /FlateDecode >>\nstream\n%s\nendstream" % (len(stream), stream)
    kinds = [b"<< /Type /Catalog /Pages 2 0 R >>", b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>"]
    return _pdf_file([*kinds, page, body], "")


def _pdf_file(objects: list[bytes], trailer: str) -> bytes:
    out = bytearray(b"%PDF-1.7\n")
    places = []
    for number, item in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, item)
    start = len(out)
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(objects) + 1
    out += f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer\n<< /Size {size} /Root 1 0 R {trailer} >>\n".encode()
    return bytes(out + f"startxref\n{start}\n%%EOF".encode())


def docx(body: str, before: str = "") -> bytes:
    """A Word document with that XML in its body."""
    return archive(f'<?xml version="1.0"?>{before}<w:document xmlns:w="{WORD}"><w:body>{body}</w:body></w:document>')


def paragraphs(*texts: str) -> str:
    """The XML of paragraphs."""
    return "".join(f"<w:p><w:r><w:t>{text}</w:t></w:r></w:p>" for text in texts)


def archive(document: str, name: str = "word/document.xml") -> bytes:
    """A zip archive with that one file in it."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr(name, document)
    return out.getvalue()


def blank(width: int, height: int) -> bytes:
    """A white PNG: few bytes for any number of pixels."""
    out = io.BytesIO()
    Image.new("1", (width, height), 1).save(out, "PNG")
    return out.getvalue()


def header(width: int, height: int) -> bytes:
    """The beginning of a PNG that says how large it is, as a bomb does in a few bytes."""
    size = struct.pack(">II5B", width, height, 1, 0, 0, 0, 0)
    chunks = ((b"IHDR", size), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    packed = (
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data)) for name, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)
