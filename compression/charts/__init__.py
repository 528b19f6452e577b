"""What charts show and how, as plain data. Importing this package is cheap."""

from pathlib import Path

LABELS = Path(__file__).with_name("labels.js")
"""Places the words of a chart in a browser: for pages and for reports."""
