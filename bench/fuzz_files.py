"""Targets of fuzz.py for files: configuration, personas, chat exports, documents, pictures, videos, drawn answers."""

import contextlib
import importlib.util
import io
import json
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from datetime import UTC
from functools import cache
from pathlib import Path
from random import Random

from PIL import Image, ImageDraw

from bench import fuzz_values as values
from onebot_bot.characters.persona import parse_persona
from onebot_bot.chat.frames import make_frames
from onebot_bot.chat.stills import make_still
from onebot_bot.config import parse_config
from onebot_bot.errors import CommandError, ConfigError, MediaBroken, PersonaError, RenderError
from onebot_bot.importing.importer import read_export
from onebot_bot.importing.source import Said
from onebot_bot.reading.extract import Extract, Job, Kind, Limits
from onebot_bot.reading.job import attempt
from onebot_bot.rendering.fonts import FontSet, find_fonts
from onebot_bot.rendering.markup import typst_body
from onebot_bot.rendering.mathematics import typst_math
from onebot_bot.rendering.page import draw
from onebot_bot.rendering.themes import THEMES

SHIPPED = Path(__file__).parents[1] / "config.toml"
LIMITS = Limits(pages=30, characters=4000)
MEMORY = 2 * 2**30
PIXELS = 100_000


def _expect(condition: bool, error: Exception) -> None:  # noqa: FBT001 - what an error is to be
    """Every error is to name its file."""
    if not condition:
        raise AssertionError(f"an error that names no file: {error}") from error


# --- what people configure -----------------------------------------------------------------------------------------

PERSONA = """+++
name = "小忆"
description = "朋友"
names = ["忆忆"]
birthday = 2006-05-20
emotions = { "开心" = [0.7, 0.2] }
greetings = ["你好，{{ user_name }}"]
+++
你是{{ name }}，{{ age }} 岁。

{% if hour < 6 %}你困了。{% endif %}现在是 {{ time }}。
"""
LITERALS = (
    "9" * 5000, "-" + "9" * 400, "[" * 300, "[" * 3000, "{a=" * 300, "inf", "nan", "1e999", '""', "'''", "2026-99-99",
    "true", "[]",
    "{}", "0x" + "f" * 3000, "07:00:00", "1979-05-27T07:32:00Z", '"\\ud800"', '"\\u0000"', "[[]]", "-0.0",
)  # fmt: skip


def load_configs(random: Random) -> None:
    """config.toml, the shipped one changed: it is taken, or the error names a key or a line."""
    try:
        parse_config(_toml(random, _shipped()), Path("config.toml"))
    except ConfigError as error:
        _expect(str(error).startswith("config.toml"), error)


def load_personas(random: Random) -> None:
    """A persona file."""
    try:
        parse_persona(_toml(random, PERSONA), "a.md", "a")
    except PersonaError as error:
        _expect(str(error).startswith("a.md"), error)


@cache
def _shipped() -> str:
    return SHIPPED.read_text(encoding="utf-8")


def _toml(random: Random, text: str) -> str:
    """With values put for others, lines moved, or characters damaged."""
    lines = text.split("\n")
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(lines))
        key, equals, _old = lines[at].partition("=")
        match random.randrange(5):
            case 0 | 1 if equals:
                lines[at] = f"{key}= {random.choice(LITERALS)}"
            case 2:
                lines[at] = f"{key}{equals} {json.dumps(values.value(random))}"
            case 3:
                lines.insert(random.randrange(len(lines)), lines[at])
            case _:
                lines[at] = values.text(random, 5)
    made = "\n".join(lines)
    return (
        values.damaged(random, made.encode(errors="replace")).decode(errors="replace")
        if random.random() < 0.2
        else made
    )


# --- chat exports --------------------------------------------------------------------------------------------------

_SENDER = {"uid": "u_1", "uin": "30003", "name": "阿澈", "groupCard": "澈"}
_ENTRY = {
    "id": "7300000000000000001", "timestamp": 1_700_000_000_000, "time": "2023-11-14 22:13:20", "sender": _SENDER,
    "type": "type_1",
    "content": {"text": "去爬山吗？[图片: a.png]", "elements": [{"type": "reply", "data": {"content": "x"}}]},
    "recalled": False, "system": False,
}  # fmt: skip
_EXPORT = {
    "metadata": {"name": "QQChatExporter V5"},
    "chatInfo": {"name": "群", "type": "group", "selfUin": "10001", "peerUin": "20002"},
    "messages": [_ENTRY, _ENTRY],
}
_CLASSIC = """消息分组:我的QQ群
消息对象:周末爬山群
================================================================

2023-01-02 12:34:56 【管理员】阿澈(30003)
周六去爬山吗？

2023-01-03 00:00:01 老王<40004@qq.com>
我也去[图片]
"""
_TXT = """聊天名称: 阿澈

阿澈:
时间: 2024-01-01 00:01:40
内容: 在吗？

小忆:
时间: 2024-01-01 00:02:45
内容: [图片: a.png]
资源: 1 个文件
"""


def read_exports(random: Random) -> None:
    """A chat export of any kind: its messages, what is left out, or an error that names the file."""
    path = _folder() / "export"
    path.write_bytes(_export(random))
    try:
        found = list(read_export(path, "zh", UTC))
    except CommandError as error:
        _expect(str(path) in str(error), error)
        return
    for said in found:
        if isinstance(said, Said):
            said.text.encode()
            assert 0 <= said.qq < 10**12


def _export(random: Random) -> bytes:
    match random.randrange(5):
        case 0:
            return values.written(random, values.changed(random, _EXPORT))
        case 1:
            return b"\n".join(values.written(random, values.changed(random, _ENTRY)) for _ in range(4))
        case 2:
            made = _CLASSIC + values.text(random, 30) + _CLASSIC
        case 3:
            made = _TXT + values.text(random, 30) + _TXT
        case _:
            made = (
                json.dumps(_EXPORT, ensure_ascii=False) + random.choice(("{", "[", "]", "}", '"', '"\\"', "\\")) * 3000
            )
    encoding = random.choice(("utf-8", "utf-16", "gb18030"))
    return values.damaged(random, made.encode(encoding, "replace"))


@cache
def _folder() -> Path:
    """One for the process; it ends with it."""
    made = tempfile.TemporaryDirectory(prefix="fuzz-")
    _KEPT.append(made)
    return Path(made.name)


_KEPT: list[tempfile.TemporaryDirectory[str]] = []


# --- documents -----------------------------------------------------------------------------------------------------


def _pdf() -> bytes:
    """A page of text, its stream as it is."""
    stream = b"BT /F1 12 Tf 14 TL 72 700 Td (hello) Tj T* (world) Tj ET"
    objects = (
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R "
        b"/Resources << /Font << /F1 5 0 R >> >> >>",
        b"<< /Length %d >>\nstream\n%s\nendstream" % (len(stream), stream),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
        b"<< /Title (a title) >>",
    )
    out = bytearray(b"%PDF-1.7\n")
    places = []
    for number, item in enumerate(objects, 1):
        places.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, item)
    start = len(out)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    out += (
        b"xref\n0 7\n0000000000 65535 f \n%strailer\n<< /Size 7 /Root 1 0 R /Info 6 0 R >>\nstartxref\n%d\n%%%%EOF"
        % (table, start)
    )
    return bytes(out)


_SPACE = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_WORD = f'<w:document xmlns:w="{_SPACE}"><w:body>{{}}</w:body></w:document>'
_PARAGRAPH = "<w:p><w:r><w:t>你好</w:t><w:tab/></w:r></w:p><w:tbl><w:tr><w:tc><w:p/></w:tc></w:tr></w:tbl>"
_PAGE = (
    '<html><head><meta charset="gbk"><title>题目</title><meta property="og:title" content="x"></head><body>'
    "<nav>menu</nav><article><h1>题目</h1><p>话<br>话</p><table><tr><td>1</td></tr></table></article><script>x</script></body></html>"
)
_TAGS = (
    "<div>",
    "<article>",
    "<p>",
    "</p>",
    "<table>",
    "<select>",
    "<svg>",
    "<template>",
    "<b><i>",
    "<a href=",
    "<!--",
    "<![CDATA[",
    "&#x0;",
)


def _zipped(body: bytes, name: str = "word/document.xml") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        made.writestr(name, body)
    return out.getvalue()


def _document(random: Random) -> bytes:
    inside = _PARAGRAPH * random.choice((1, 3, 300)) + random.choice(
        ("<w:p>", "<!DOCTYPE a>", "&lt;", "<w:t>")
    ) * random.choice((0, 1, 2000))
    body = _WORD.format(inside).encode()
    return _zipped(
        values.damaged(random, body) if random.random() < 0.6 else body,
        random.choice(("word/document.xml",) * 9 + ("a",)),
    )


def _html(random: Random) -> bytes:
    made = _PAGE.replace("话", values.text(random) + random.choice(_TAGS) * random.choice((1, 20, 2000)))
    return made.encode(random.choice(("utf-8", "gb18030", "utf-16")), "replace")


_DOCUMENTS: Mapping[Kind, Callable[[Random], bytes]] = {
    "pdf": lambda _: _pdf(),
    "docx": _document,
    "page": _html,
    "text": lambda random: values.text(random, 60).encode(
        random.choice(("utf-8", "gb18030", "utf-16", "cp932")), "replace"
    ),
}


def _read(kind: Kind, random: Random) -> None:
    data = _DOCUMENTS[kind](random)
    if kind == "pdf" or random.random() < 0.5:
        data = values.damaged(random, data)
    found = attempt(Job(kind, data, LIMITS, MEMORY, random.choice(("", "gbk", "utf-8", "no such"))))
    assert not isinstance(found, Extract) or 0 < len(found.text) <= LIMITS.characters


def read_texts(random: Random) -> None:
    """Plain text in any encoding."""
    _read("text", random)


def read_pages(random: Random) -> None:
    """Web pages."""
    _read("page", random)


def read_documents(random: Random) -> None:
    """Word documents."""
    _read("docx", random)


def read_pdfs(random: Random) -> None:
    """PDFs."""
    _read("pdf", random)


# --- pictures and videos -------------------------------------------------------------------------------------------


@cache
def _pictures() -> tuple[bytes, ...]:
    """Small ones of every format, some of them animated, with transparency, or shown finer and finer."""
    image = Image.new("RGB", (40, 30), "blue")
    ImageDraw.Draw(image).ellipse((3, 3, 30, 20), fill="red")
    exif = Image.Exif()
    exif[0x0112] = 6
    clear = image.convert("RGBA")
    clear.putalpha(100)
    ways: tuple[tuple[Image.Image, str, Mapping[str, object]], ...] = (
        (image, "PNG", {}), (clear, "PNG", {}), (image.convert("P"), "PNG", {"transparency": 0}), (image, "BMP", {}),
        (image.convert("I;16"), "PNG", {}), (image, "JPEG", {"exif": exif}), (image, "JPEG", {"progressive": True}),
        (image.convert("CMYK"), "JPEG", {}), (image, "GIF", {"save_all": True, "append_images": [clear, image]}),
        (clear, "WEBP", {"lossless": True}), (image, "WEBP", {"save_all": True, "append_images": [clear]}),
        (image.convert("1"), "BMP", {}), (image.convert("LA"), "PNG", {}),
    )  # fmt: skip
    return tuple(_saved(picture, form, options) for picture, form, options in ways)


def _saved(image: Image.Image, form: str, options: Mapping[str, object]) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def see_pictures(random: Random) -> None:
    """A picture of any format, damaged: a small one of it, or none."""
    data = values.damaged(random, random.choice(_pictures()))
    try:
        still = make_still(data, PIXELS)
    except MediaBroken:
        return
    assert 0 < still.pixels <= PIXELS


@cache
def _videos() -> tuple[bytes, ...]:
    import av  # noqa: PLC0415 - an extra that need not be installed

    made = []
    for form in ("mp4", "matroska", "avi"):
        out = io.BytesIO()
        with av.open(out, "w", format=form) as container:
            stream = container.add_stream("mpeg4", rate=8)
            stream.width, stream.height, stream.pix_fmt = 48, 32, "yuv420p"
            for colour in ("red", "green", "blue", "white") * 3:
                picture = Image.new("RGB", (48, 32), colour)
                container.mux(stream.encode(av.VideoFrame.from_image(picture)))  # type: ignore[no-untyped-call]  # PyAV
            container.mux(stream.encode())
        made.append(out.getvalue())
    return tuple(made)


def see_videos(random: Random) -> None:
    """A video, damaged."""
    if importlib.util.find_spec("av") is None:
        return
    try:
        stills = make_frames(values.damaged(random, random.choice(_videos())), 4, PIXELS)
    except MediaBroken:
        return
    assert sum(still.pixels for still in stills) <= PIXELS


# --- answers as pictures -------------------------------------------------------------------------------------------

LATEX = (
    "\\frac", "{", "}", "x", "^", "_", "\\sqrt", "\\left(", "\\right)", "\\begin{matrix}", "\\end{matrix}", "&", "\\\\",
    "\\text{", "\\sum", "\\hat", "'", "\\alpha", "1", " ", "\\not", "\\over", "\\limits", "[", "]", "\\color{red}",
    "你", "#", "%", "$",
)  # fmt: skip


def write_markup(random: Random) -> None:
    """Markdown and formulas become Typst's source: always."""
    said = values.text(random, 60)[:4000]
    typst_body(said)
    formula = "".join(random.choices(LATEX, k=random.randint(0, 40)))
    with contextlib.suppress(RenderError):
        typst_math(formula)
    typst_body(f"a ${formula}$ \n\n$$\n{formula}\n$$\n")


def draw_answers(random: Random) -> None:
    """And that is drawn, or not, but by Typst's own word."""
    formula = "".join(random.choices(LATEX, k=random.randint(0, 12)))
    said = f"{values.text(random, 20)[:1500]}\n\n|a|b|\n|-|-|\n|{values.text(random, 3)[:50]}|${formula}$|\n"
    try:
        draw(said, THEMES["light"], _fonts())
    except RenderError:
        return


@cache
def _fonts() -> FontSet:
    return find_fonts()
