"""The widgets put together with plans and jobs: what ``wf.form()`` and ``wf.map(df)`` return.

The widgets themselves know no plan and no run (`opus_nb.screen`); here they are handed what they need.
"""

from __future__ import annotations

from opus_nb.interactive.forms import make_form
from opus_nb.interactive.mappers import make_mapper

__all__ = ["make_form", "make_mapper"]
