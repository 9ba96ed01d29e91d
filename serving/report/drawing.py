"""A drawing of a few kinds of shapes, told once and put on a page (SVG), into a PDF (vectors) or a Word file (PNG).

Lengths in points of the drawing, y downwards. A colour is a tone's name, so that a page may restyle it (class ``t-<tone>``).
"""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Literal

import pylopdf_fonts_zh_cn
from fpdf import FPDF
from markupsafe import Markup, escape
from PIL import Image, ImageDraw, ImageFont

#: tone → colour; text tones have at least 4.5 : 1 on white
TONES = {
    "ink": "#1d2733",
    "soft": "#5b6876",
    "line": "#d5dbe2",
    "grid": "#e9edf1",
    "paper": "#ffffff",
    "band": "#f4f6f8",
    "brand": "#0b4f9e",
    "double": "#7a0f52",
    "red": "#cf2a27",
    "yellow": "#e0a100",
    "blue": "#2f6fd0",
    "green": "#2c8a4b",
    "grey": "#98a4b0",
    "none": "#b9c2cb",
    "limit": "#c9dcf3",
    "pause": "#7d93ad",
    "done": "#7fa8d9",
    "ground": "#b4651d",
    "groundfill": "#f0d2b4",
    "redline": "#cf2a27",
    "redfill": "#fbe3e2",
    "town": "#eef2f5",
    "townline": "#aab6c2",
}
LIGHT_TONE = {
    "双红": "double",
    "红": "red",
    "待数据": "none",
    "黄": "yellow",
    "蓝": "blue",
    "绿": "green",
    "灰": "done",
    "无": "none",
}

Anchor = Literal["start", "middle", "end"]


@dataclass(frozen=True, slots=True)
class Rect:
    x: float
    y: float
    width: float
    height: float
    fill: str
    radius: float = 0
    title: str = ""
    hatched: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    x1: float
    y1: float
    x2: float
    y2: float
    stroke: str
    width: float = 1
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    x: float
    y: float  # baseline
    text: str
    fill: str = "ink"
    size: float = 11
    anchor: Anchor = "start"


@dataclass(frozen=True, slots=True)
class Area:
    rings: tuple[tuple[tuple[float, float], ...], ...]
    fill: str
    stroke: str
    width: float = 1
    title: str = ""


@dataclass(frozen=True, slots=True)
class Dot:
    x: float
    y: float
    radius: float
    fill: str
    title: str = ""


Shape = Rect | Line | Text | Area | Dot


@dataclass(slots=True)
class Drawing:
    """``label`` is what a reader who does not see it is told."""

    width: float
    height: float
    label: str
    shapes: list[Shape] = field(default_factory=list)

    def add(self, *shapes: Shape) -> None:
        self.shapes.extend(shapes)


def width_of(text: str, size: float) -> float:
    """About as wide as the text is set."""
    return sum(size if unicodedata.east_asian_width(c) in "WFA" else size * 0.56 for c in text)


def fitted(text: str, size: float, width: float) -> str:
    """The text, or as much of it as fits, with …"""
    if width_of(text, size) <= width:
        return text
    while text and width_of(text + "…", size) > width:
        text = text[:-1]
    return text + "…"


@cache
def font_path() -> Path:
    """Noto Sans SC (SIL OFL 1.1), from its wheel."""
    return pylopdf_fonts_zh_cn.sans_path()


# -- SVG ---------------------------------------------------------------------------------------------------------------


def svg(drawing: Drawing, name: str = "d") -> Markup:
    """Inline SVG without style attributes; ``name`` keeps ids of several drawings on a page apart."""
    parts = [
        Markup(
            '<svg class="drawing" viewBox="0 0 {w:g} {h:g}" width="{w:g}" height="{h:g}" role="img" aria-label="{label}" xmlns="http://www.w3.org/2000/svg">'
        ).format(w=drawing.width, h=drawing.height, label=drawing.label),
        Markup(
            '<defs><pattern id="{n}-hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
            '<rect class="t-paper" width="6" height="6" fill="{p}"/><rect class="t-pause" width="2.2" height="6" fill="{c}"/></pattern></defs>'
        ).format(n=name, p=TONES["paper"], c=TONES["pause"]),
    ]
    parts += [_svg_shape(shape, name) for shape in drawing.shapes]
    return Markup("").join([*parts, Markup("</svg>")])


def _svg_shape(shape: Shape, name: str) -> Markup:
    match shape:
        case Rect():
            paint = Markup('fill="url(#{}-hatch)"').format(name) if shape.hatched else _paint("fill", shape.fill)
            return _titled(
                Markup('<rect x="{:.2f}" y="{:.2f}" width="{:.2f}" height="{:.2f}" rx="{:g}" {}').format(
                    shape.x, shape.y, shape.width, shape.height, shape.radius, paint
                ),
                "rect",
                shape.title,
            )
        case Line():
            dash = Markup(' stroke-dasharray="4 3"') if shape.dashed else ""
            return Markup('<line x1="{:.2f}" y1="{:.2f}" x2="{:.2f}" y2="{:.2f}" stroke-width="{:g}" {}{}/>').format(
                shape.x1, shape.y1, shape.x2, shape.y2, shape.width, _paint("stroke", shape.stroke), dash
            )
        case Text():
            anchor = Markup(' text-anchor="{}"').format(shape.anchor) if shape.anchor != "start" else ""
            return Markup('<text x="{:.2f}" y="{:.2f}" font-size="{:g}" {}{}>{}</text>').format(
                shape.x, shape.y, shape.size, _paint("fill", shape.fill), anchor, shape.text
            )
        case Area():
            path = " ".join("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in ring) + "Z" for ring in shape.rings)
            return _titled(
                Markup(
                    '<path d="{}" fill-rule="evenodd" stroke="{}" stroke-width="{:g}" class="t-{} s-{}" fill="{}"'
                ).format(path, TONES[shape.stroke], shape.width, shape.fill, shape.stroke, TONES[shape.fill]),
                "path",
                shape.title,
            )
        case Dot():
            return _titled(
                Markup('<circle cx="{:.2f}" cy="{:.2f}" r="{:g}" {}').format(
                    shape.x, shape.y, shape.radius, _paint("fill", shape.fill)
                ),
                "circle",
                shape.title,
            )


def _paint(what: str, tone: str) -> Markup:
    return Markup('{}="{}" class="{}-{}"').format(what, TONES[tone], "s" if what == "stroke" else "t", tone)


def _titled(opened: Markup, element: str, title: str) -> Markup:
    return opened + (
        Markup("><title>{}</title></{}>").format(escape(title), Markup(element)) if title else Markup("/>")
    )


# -- PDF ---------------------------------------------------------------------------------------------------------------


def _rgb(tone: str) -> tuple[int, int, int]:
    colour = TONES[tone]
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def onto(pdf: FPDF, drawing: Drawing, x: float, y: float, width: float, family: str) -> float:
    """Draw at (x, y), ``width`` wide, in the PDF's unit (mm); returns the height."""
    k = width / drawing.width

    def at(px: float, py: float) -> tuple[float, float]:
        return x + px * k, y + py * k

    with pdf.local_context():
        for shape in drawing.shapes:
            match shape:
                case Rect():
                    pdf.set_fill_color(*_rgb("paper" if shape.hatched else shape.fill))
                    pdf.rect(*at(shape.x, shape.y), max(shape.width * k, 0.1), shape.height * k, style="F")
                    if shape.hatched:
                        pdf.set_draw_color(*_rgb("pause"))
                        pdf.set_line_width(0.25)
                        for a, b, c, d in _hatch(shape):
                            pdf.line(*at(a, b), *at(c, d))
                case Line():
                    pdf.set_draw_color(*_rgb(shape.stroke))
                    pdf.set_line_width(shape.width * k)
                    if shape.dashed:
                        pdf.set_dash_pattern(dash=1, gap=0.8)
                    pdf.line(*at(shape.x1, shape.y1), *at(shape.x2, shape.y2))
                    pdf.set_dash_pattern()
                case Text():
                    points = shape.size * k * 72 / 25.4
                    pdf.set_font(family, size=points)
                    pdf.set_text_color(*_rgb(shape.fill))
                    left = shape.x * k - {"start": 0, "middle": 0.5, "end": 1}[shape.anchor] * pdf.get_string_width(
                        shape.text
                    )
                    pdf.text(x + left, y + shape.y * k, shape.text)
                case Area():
                    pdf.set_fill_color(*_rgb(shape.fill))
                    pdf.set_draw_color(*_rgb(shape.stroke))
                    pdf.set_line_width(shape.width * k)
                    for ring in shape.rings:
                        pdf.polygon([at(*p) for p in ring], style="DF")
                case Dot():
                    pdf.set_fill_color(*_rgb(shape.fill))
                    pdf.circle(*at(shape.x, shape.y), shape.radius * k, style="F")
    return drawing.height * k


def _hatch(shape: Rect, step: float = 5) -> list[tuple[float, float, float, float]]:
    """Diagonals within a rectangle."""
    lines, start = [], -shape.height
    while start < shape.width:
        x1, x2 = max(start, 0), min(start + shape.height, shape.width)
        lines.append(
            (shape.x + x1, shape.y + shape.height - (x1 - start), shape.x + x2, shape.y + shape.height - (x2 - start))
        )
        start += step
    return lines


# -- PNG ---------------------------------------------------------------------------------------------------------------


def png(drawing: Drawing, scale: float = 3) -> bytes:
    """The drawing as pixels, ``scale`` of them a point."""
    image = Image.new("RGB", (round(drawing.width * scale), round(drawing.height * scale)), TONES["paper"])
    draw = ImageDraw.Draw(image)
    s: Sequence[float]
    for shape in drawing.shapes:
        match shape:
            case Rect():
                s = (
                    shape.x * scale,
                    shape.y * scale,
                    (shape.x + shape.width) * scale,
                    (shape.y + shape.height) * scale,
                )
                s = (s[0], s[1], max(s[2], s[0] + 1), max(s[3], s[1] + 1))
                draw.rounded_rectangle(s, shape.radius * scale, fill=TONES["paper" if shape.hatched else shape.fill])
                if shape.hatched:
                    for a, b, c, d in _hatch(shape):
                        draw.line(
                            (a * scale, b * scale, c * scale, d * scale), fill=TONES["pause"], width=round(1.2 * scale)
                        )
            case Line():
                draw.line(
                    (shape.x1 * scale, shape.y1 * scale, shape.x2 * scale, shape.y2 * scale),
                    fill=TONES[shape.stroke],
                    width=max(round(shape.width * scale), 1),
                )
            case Text():
                anchor = {"start": "ls", "middle": "ms", "end": "rs"}[shape.anchor]
                draw.text(
                    (shape.x * scale, shape.y * scale),
                    shape.text,
                    fill=TONES[shape.fill],
                    font=_face(round(shape.size * scale)),
                    anchor=anchor,
                )
            case Area():
                for ring in shape.rings:
                    points = [(px * scale, py * scale) for px, py in ring]
                    draw.polygon(points, fill=TONES[shape.fill])
                    draw.line(
                        [*points, points[0]],
                        fill=TONES[shape.stroke],
                        width=max(round(shape.width * scale), 1),
                        joint="curve",
                    )
            case Dot():
                r = shape.radius * scale
                draw.ellipse(
                    (shape.x * scale - r, shape.y * scale - r, shape.x * scale + r, shape.y * scale + r),
                    fill=TONES[shape.fill],
                )
    out = io.BytesIO()
    image.quantize(64, method=Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE).save(out, "PNG")
    return out.getvalue()


@cache
def _face(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(font_path()), size)
