"""A report as one page that works offline: its text, drawings, style and script in a single file."""

from ordersearch.report.html.page import html_page

__all__ = ["html_page"]
