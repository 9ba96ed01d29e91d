"""Analysis reports (一键生成项目分析报告) of a project, a town or a department: HTML, Word and PDF from one content."""

from serving.report.area import of_area
from serving.report.content import Report
from serving.report.project import of_project

__all__ = ["Report", "of_area", "of_project"]
