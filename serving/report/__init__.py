"""Analysis reports (一键生成项目分析报告) of a project, a town or a department: HTML, Word and PDF from one content."""
