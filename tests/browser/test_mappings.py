"""A person changes what feeds an input, and sees at once what follows."""

from __future__ import annotations

import pytest

PLACES = [("lab", "newest"), ("lab", "older"), ("notebook", "newest"), ("notebook", "older"), ("classic", "colab")]
SETUP = """
import pandas as pd, opus_nb
from opus_nb.sandbox.workflows import CLAIM_TRIAGE_ID
opus = opus_nb.sandbox(time_scale=0.1, ledger="ledger-map")
wf = opus.workflow(CLAIM_TRIAGE_ID)
open("claim.txt", "w").write("Claim CL-7")
df = pd.DataFrame({
    "Claim reference": ["CL-1", "CL-2", "CL-3"], "Branch": ["motor", "travel", "liability"],
    "Claimed amount": ["100", "lots", "250"], "Day": ["2025-03-04", "2025-04-05", "2025-05-06"],
    "Claim form": "claim.txt", "Policy.Policy number": "P-1", "Policy.Limit": 5000,
})
print(opus.base_url)
"""


@pytest.mark.parametrize(("app", "kernel"), PLACES)
def test_choosing_a_column_shows_its_consequences(open_notebook, app, kernel):
    """Samples as they would be sent, bad cells, rows ready; a constant; then the plan of it runs."""
    cells = [SETUP, "mapper = wf.map(df)\nmapper"]
    page = open_notebook(app, kernel, cells)
    page.run_all()
    page.field("Line of business *").wait_for(timeout=60_000)
    page.field("Line of business *").select_option(label="Branch")
    page.sees("Motor, Travel, Liability")
    page.field("Date of loss *").select_option(label="Day")
    page.sees("2 of 3 rows ready")
    page.sees("1 bad cell, the first in row 1")
    page.field("Claimed amount *").select_option(label="(a constant)")
    page.page.get_by_placeholder("the same value for every row").locator("visible=true").first.fill("70")
    page.sees("3 of 3 rows ready")
    page.sees("every required input is fed")
