"""The report of a run: one page, `report.html`, of what the run and its stages recorded."""

from pipeline.reporting.report import REPORT, reported, write_report

__all__ = ["REPORT", "reported", "write_report"]
