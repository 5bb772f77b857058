"""Web pages about results, each in one file that needs no network."""

from pipeline.reports.page import data_uri, render

__all__ = ["data_uri", "render"]
