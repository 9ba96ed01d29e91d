"""Analysis reports (一键生成项目分析报告) of a project, a town, a department or the whole city: HTML, Word and PDF from one content."""

from serving.report.area import of_area
from serving.report.city import of_city
from serving.report.content import Report
from serving.report.project import of_project

__all__ = ["Report", "of_area", "of_city", "of_project"]
