"""JupyterLab's colours, as CSS, each with one for pages that do not know them."""

from __future__ import annotations

QUIET = "var(--jp-ui-font-color2,GrayText)"
GOOD, BUSY = "var(--jp-success-color1,#388e3c)", "var(--jp-brand-color1,#1976d2)"
DOUBTFUL, BAD = "var(--jp-warn-color1,#f57c00)", "var(--jp-error-color1,#d32f2f)"
LINE = "var(--jp-border-color2,#e0e0e0)"
