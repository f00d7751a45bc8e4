"""A figure that shows itself in a notebook without any global state of matplotlib."""

from __future__ import annotations

import io

from matplotlib.figure import Figure

NOTEBOOK_DPI = 110


class ShownFigure(Figure):
    """A matplotlib figure that a notebook shows when it is the last line of a cell."""

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        self.savefig(stream, format="png", dpi=NOTEBOOK_DPI)
        return stream.getvalue()
