"""One page for a browser that shows what a fitted estimator made of images."""

from sklearn_mfavb.report._write import write_report

__all__ = ["write_report"]
