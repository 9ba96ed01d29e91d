"""The formats of a report: a format more is a line here and its writer in :mod:`serving.report.write`."""

from __future__ import annotations

from enum import StrEnum


class Format(StrEnum):
    """A format's ending is its value."""

    html = "html"
    docx = "docx"
    pdf = "pdf"


#: as links name them
NAMES = {Format.html: "网页", Format.docx: "Word", Format.pdf: "PDF"}
MEDIA = {
    Format.html: "text/html; charset=utf-8",
    Format.docx: "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    Format.pdf: "application/pdf",
}
