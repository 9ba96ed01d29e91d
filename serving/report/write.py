"""A report as HTML, Word or PDF. The same content gives the same bytes: no clock goes in but the report's own day."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime, time
from typing import Any

from docx import Document
from docx.enum.section import WD_ORIENT
from docx.enum.text import WD_ALIGN_PARAGRAPH
from docx.oxml import OxmlElement
from docx.oxml.ns import qn
from docx.shared import Emu, Mm, Pt, RGBColor
from fpdf import FPDF, FontFace
from fpdf.enums import TableBordersLayout

from serving.formats import MEDIA, Format
from serving.render import template
from serving.report import drawing
from serving.report.content import Block, Facts, Figure, Heading, Paragraph, Points, Report, Table

FAMILY = "sc"
WORD_FONT = "微软雅黑"
_MARGIN, _WIDTH = 16, 178  # mm, A4
_CLOSING, _OPENING = frozenset("，。、；：？！）》”’】〕…,.;:)%"), frozenset("（《“‘【〔(")
_INK, _SOFT, _BRAND, _BAD, _BAND = (29, 39, 51), (88, 101, 116), (11, 79, 158), (179, 33, 30), (244, 246, 248)


def written(report: Report, kind: Format) -> tuple[bytes, str]:
    """(bytes, media type)."""
    return WRITERS[kind](report), MEDIA[kind]


def html(report: Report, base: str | None = None) -> bytes:
    """One file, complete in itself, without scripts. ``base``: the way to the pages' root, for links from numbers to their lists."""
    blocks = [(type(block).__name__, block) for block in report.blocks]
    return template("report.html.j2").render(r=report, blocks=blocks, svg=drawing.svg, base=base).encode()


# -- PDF ---------------------------------------------------------------------------------------------------------------

_ILLEGIBLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


class _Pages(FPDF):
    """A4 with the report's name and page numbers at the foot."""

    def __init__(self, title: str) -> None:
        super().__init__(format="A4", unit="mm")
        self.foot = title
        self.add_font(FAMILY, "", str(drawing.font_path()))
        self.set_margins(_MARGIN, 16, _MARGIN)
        self.set_auto_page_break(True, 18)
        self.alias_nb_pages()

    def footer(self) -> None:
        self.set_y(-13)
        self.set_font(FAMILY, size=8)
        self.set_text_color(*_SOFT)
        self.cell(_WIDTH / 2, 5, self.foot)
        self.cell(_WIDTH / 2, 5, f"第 {self.page_no()} 页，共 {{nb}} 页", align="R")


def pdf(report: Report) -> bytes:
    """Text and vectors, with the font embedded as the glyphs that are used."""
    document = _Pages(report.title)
    document.set_title(report.title)
    document.set_lang("zh-CN")
    document.set_creator("OneMap hub")
    document.set_creation_date(datetime.combine(report.as_of, time(), UTC))
    document.add_page()
    _line(document, report.title, 19, _INK, 10)
    _line(document, report.subtitle, 10.5, _SOFT, 6)
    if report.data_as_of:
        _line(document, report.data_as_of, 9, _SOFT, 5)
    document.ln(2)
    for block, following in zip(report.blocks, [*report.blocks[1:], None], strict=True):
        if isinstance(block, Heading):  # never alone at the foot of a page
            below = _figure_size(document, following)[1] if isinstance(following, Figure) else 20
            if document.will_page_break(min(14 + below, document.h - 40)):
                document.add_page()
        _pdf_block(document, block)
    return bytes(document.output())


def _figure_size(document: FPDF, figure: Figure) -> tuple[float, float]:
    """Width and height of a figure; none is higher than a page."""
    height, room = figure.drawing.height * _WIDTH / figure.drawing.width, document.h - 44
    return (_WIDTH, height) if height <= room else (_WIDTH * room / height, room)


def _line(document: FPDF, text: str, size: float, colour: tuple[int, int, int], height: float) -> None:
    document.set_font(FAMILY, size=size)
    document.set_text_color(*colour)
    for line in _broken(document, text):
        document.cell(_WIDTH, height, line, new_x="LMARGIN", new_y="NEXT")


def _broken(document: FPDF, text: str) -> list[str]:
    """Lines of the page's width; none begins with a mark that closes (GB/T 15834-2011, 5.1)."""
    lines, line, width = [], "", 0.0
    room = _WIDTH - 2 * document.c_margin
    for letter in text:
        wide = document.get_string_width(letter)
        if width + wide > room and letter not in _CLOSING:
            length = len(line)
            while length > 1 and (
                line[length - 1] in _OPENING
                or (
                    letter.isascii()
                    and letter.isalnum()
                    and line[length - 1].isascii()
                    and line[length - 1].isalnum()
                    and len(line) - length < 24
                )
            ):
                length -= 1
            lines.append(line[:length])
            line = line[length:].lstrip()
            width = document.get_string_width(line)
        line, width = line + letter, width + wide
    return [*lines, line]


def _pdf_block(document: FPDF, block: Block) -> None:
    match block:
        case Heading():
            document.ln(4 if block.level == 2 else 2)
            _line(
                document,
                block.text,
                14 if block.level == 2 else 11.5,
                _BRAND if block.level == 2 else _INK,
                7 if block.level == 2 else 6,
            )
            document.ln(0.8)
        case Paragraph():
            size, colour = {"lead": (12, _INK), "soft": (9, _SOFT), "bad": (10, _BAD)}.get(block.tone, (10, _INK))
            _line(document, block.text, size, colour, size * 0.55)
            document.ln(1.2)
        case Points():
            for n, text in enumerate(block.texts, 1):
                _line(document, f"{n}. {text}", 10, _INK, 5.6)
            document.ln(1)
        case Facts():
            _pdf_table(
                document,
                [
                    [cell for pair in block.pairs[n : n + 2] for cell in pair]
                    + [""] * (4 - 2 * len(block.pairs[n : n + 2]))
                    for n in range(0, len(block.pairs), 2)
                ],
                (0.15, 0.35, 0.15, 0.35),
                None,
            )
        case Table():
            _pdf_table(document, block.rows, block.widths, block.columns)
        case Figure():
            width, height = _figure_size(document, block)
            if document.will_page_break(height + 6):
                document.add_page()
            y = document.get_y() + 1
            drawing.onto(document, block.drawing, _MARGIN + (_WIDTH - width) / 2, y, width, FAMILY)
            document.set_xy(_MARGIN, y + height + 1)
            if block.caption:
                _line(document, block.caption, 8.5, _SOFT, 5)
            document.ln(1)


_LETTER = 3.2  # mm: a Chinese letter of a table, and a little
_LINES = 40  # of a cell: a row is no higher than a page


def _pdf_table(document: FPDF, rows: Any, widths: Any, columns: Any) -> None:
    document.set_font(FAMILY, size=8.8)
    document.set_text_color(*_INK)
    document.set_draw_color(213, 219, 226)
    document.set_line_width(0.15)
    heading = FontFace(color=_SOFT, fill_color=_BAND)
    with document.table(
        width=_WIDTH,
        col_widths=tuple(round(w * 100) for w in widths),
        text_align="LEFT",
        line_height=4.8,
        padding=1.2,
        wrapmode="CHAR",
        align="LEFT",
        borders_layout=TableBordersLayout.HORIZONTAL_LINES,
        first_row_as_headings=columns is not None,
        headings_style=heading,
    ) as table:
        for row in [*([columns] if columns else []), *rows]:
            line = table.row()
            for n, cell in enumerate(row):
                most = int(_LINES * widths[n] * _WIDTH / _LETTER)
                text = str(cell) if len(str(cell)) <= most else f"{str(cell)[:most]}……"
                line.cell(text, style=FontFace(color=_SOFT) if columns is None and n % 2 == 0 else None)
    document.ln(2)


# -- Word --------------------------------------------------------------------------------------------------------------


def docx(report: Report) -> bytes:
    """A4, headings as headings, tables as tables; figures as pictures with alternative text."""
    document = Document()
    section = document.sections[0]
    section.orientation, section.page_width, section.page_height = WD_ORIENT.PORTRAIT, Mm(210), Mm(297)
    section.left_margin = section.right_margin = Mm(_MARGIN)
    section.top_margin = section.bottom_margin = Mm(18)
    for name, size in (("Normal", 10.5), ("Heading 1", 18), ("Heading 2", 14), ("Heading 3", 12)):
        style = document.styles[name]
        style.font.name, style.font.size = WORD_FONT, Pt(size)
        style.element.get_or_add_rPr().get_or_add_rFonts().set(qn("w:eastAsia"), WORD_FONT)
        style.font.color.rgb = RGBColor(*(_BRAND if name == "Heading 2" else _INK))
    stamp = datetime.combine(report.as_of, time())
    properties = document.core_properties
    properties.title, properties.author, properties.language, properties.created, properties.modified = (
        _legible(report.title),
        "OneMap hub",
        "zh-CN",
        stamp,
        stamp,
    )
    document.add_heading(_legible(report.title), 1)
    _run(document.add_paragraph(), report.subtitle, _SOFT, 10)
    if report.data_as_of:
        _run(document.add_paragraph(), report.data_as_of, _SOFT, 9)
    for block in report.blocks:
        _docx_block(document, block)
    _page_numbers(section.footer.paragraphs[0])
    out = io.BytesIO()
    document.save(out)
    return _timeless(out.getvalue())


def _run(paragraph: Any, text: str, colour: tuple[int, int, int] = _INK, size: float | None = None) -> None:
    run = paragraph.add_run(_legible(text))
    run.font.color.rgb = RGBColor(*colour)
    if size:
        run.font.size = Pt(size)


def _legible(text: str) -> str:
    """Without what XML cannot hold: controls, halves of surrogate pairs, the two non-characters."""
    return _ILLEGIBLE.sub("", text)


def _docx_block(document: Any, block: Block) -> None:
    match block:
        case Heading():
            document.add_heading(_legible(block.text), block.level)
        case Paragraph():
            colour, size = {"lead": (_INK, 12), "soft": (_SOFT, 9.5), "bad": (_BAD, 10.5)}.get(block.tone, (_INK, 10.5))
            _run(document.add_paragraph(), block.text, colour, size)
        case Points():
            for text in block.texts:
                _run(document.add_paragraph(style="List Number"), text)
        case Facts():
            rows = [[cell for pair in block.pairs[n : n + 2] for cell in pair] for n in range(0, len(block.pairs), 2)]
            _docx_table(document, rows, (0.15, 0.35, 0.15, 0.35), None)
        case Table():
            _docx_table(document, block.rows, block.widths, block.columns)
        case Figure():
            paragraph = document.add_paragraph()
            paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
            height = block.drawing.height * _WIDTH / block.drawing.width
            width = _WIDTH * min(1, 240 / height)
            picture = paragraph.add_run().add_picture(io.BytesIO(drawing.png(block.drawing, 2.5)), width=Mm(width))
            picture._inline.docPr.set("descr", _legible(block.drawing.label))
            if block.caption:
                _run(document.add_paragraph(), block.caption, _SOFT, 9)


def _docx_table(document: Any, rows: Any, widths: Any, columns: Any) -> None:
    table = document.add_table(rows=0, cols=len(widths))
    table.style = "Table Grid" if columns else "Normal Table"
    table.autofit = False
    for number, row in enumerate([*([columns] if columns else []), *rows]):
        line = table.add_row()
        for n, width in enumerate(widths):
            cell = line.cells[n]
            cell.width = Emu(int(Mm(_WIDTH) * width))
            soft = (columns and number == 0) or (not columns and n % 2 == 0)
            _run(cell.paragraphs[0], str(row[n]) if n < len(row) else "", _SOFT if soft else _INK, 9)
        if columns and number == 0:
            repeated = OxmlElement("w:tblHeader")
            repeated.set(qn("w:val"), "true")
            line._tr.get_or_add_trPr().append(repeated)
    document.add_paragraph().paragraph_format.space_after = Pt(2)


def _page_numbers(paragraph: Any) -> None:
    paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
    for kind, text in (("begin", None), (None, "PAGE"), ("end", None)):
        run = paragraph.add_run()
        if kind:
            mark = OxmlElement("w:fldChar")
            mark.set(qn("w:fldCharType"), kind)
        else:
            mark = OxmlElement("w:instrText")
            mark.text = text
        run._r.append(mark)


def _timeless(content: bytes) -> bytes:
    """The package without the time at which its parts were packed."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as packed, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as again:
        for part in packed.infolist():
            member = zipfile.ZipInfo(part.filename, (1980, 1, 1, 0, 0, 0))
            member.compress_type, member.create_system = zipfile.ZIP_DEFLATED, 3
            again.writestr(member, packed.read(part))
    return out.getvalue()


WRITERS: dict[Format, Callable[[Report], bytes]] = {Format.html: html, Format.docx: docx, Format.pdf: pdf}
