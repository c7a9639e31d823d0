"""The pictures of the documentation, made from the real thing: form, mapper and monitor, light and dark.

``OPUS_NB_PICTURES=docs/images`` keeps them there; without it they are made, measured and forgotten.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

LARGEST_BYTES = 200_000

FORM = """
import opus_nb
opus = opus_nb.sandbox(time_scale=0.6, ledger="ledger-pictures")
wf = opus.workflow("B9uGJfZ3CFwOdMKH")
open("contract.txt", "w").write("The parties agree to deliver 40 pallets.")
open("annex.txt", "w").write("Annex: weights and measures.")
form = wf.form({
    "TextInput": "Nordwind GmbH", "NumberInput": "1.250,5O", "FileInput(Single)": "contract.txt", "BoolInput": "yes",
    "ListInput": "Ana; Bo", "ObjectInput": {"pallets": 40, "site": "Kiel"}, "DateInput": "2025-11-09",
    "FileInput(Multiple)": "annex.txt",
})
"""
JOB = """
import opus_nb
from opus_nb.sandbox.workflows import CLAIM_TRIAGE_ID
opus = opus_nb.sandbox(time_scale=0.6, ledger="ledger-pictures")
wf = opus.workflow(CLAIM_TRIAGE_ID)
open("claim-CL-2041.txt", "w").write("Claim CL-2041: a broken window after the storm. Police informed.")
form = wf.form({
    "Claim reference": "CL-2041", "Line of business": "Household", "Claimed amount": 1250.5,
    "Date of loss": "2025-03-04", "Claim form": "claim-CL-2041.txt", "Number of items": 2,
    "Policy.Policy number": "HH-55-1", "Policy.Limit": 5000, "Earlier claims": [310.0],
})
"""
MAPPER = """
import pandas as pd, opus_nb
from opus_nb.sandbox.workflows import CLAIM_TRIAGE_ID
opus = opus_nb.sandbox(time_scale=0.6, ledger="ledger-pictures")
wf = opus.workflow(CLAIM_TRIAGE_ID)
for at in range(48):
    open(f"claim-{at:03}.txt", "w").write(f"Claim CL-{at}")
df = pd.DataFrame({
    "Ref": [f"CL-{2041 + at}" for at in range(48)],
    "Branch": ["Household", "Motor", "Travel", "Liability"] * 12,
    "Claimed amount (EUR)": [str(120 + 37 * at) if at not in (7, 30) else "see letter" for at in range(48)],
    "Date of loss": pd.date_range("2025-03-04", periods=48, freq="D"),
    "claim_form": [f"claim-{at:03}.txt" if at != 12 else "claim-012.heic" for at in range(48)],
    "Policy.Policy number": [f"HH-{at}" for at in range(48)], "Policy.Limit": 5000,
    "Police informed": ["yes", "no"] * 24,
})
mapper = wf.map(df, columns={"Claim reference": "Ref", "Line of business": "Branch"}, constants={"Number of items": 1})
"""
MONITOR = """
import pandas as pd, opus_nb
from opus_nb.sandbox.workflows import CLAIM_TRIAGE_ID
opus = opus_nb.sandbox(time_scale=1.2, ledger="ledger-pictures-monitor")
opus.sandbox.fault("initiate", "error", status=400, probability=0.08)
wf = opus.workflow(CLAIM_TRIAGE_ID)
letter = open("claim.txt", "w"); letter.write("Claim"); letter.close()
df = pd.DataFrame({
    "Claim reference": [f"CL-{2041 + at}" for at in range(160)],
    "Line of business": ["Household", "Motor", "Travel", "Liability"] * 40,
    "Claimed amount": [120.0 + 37 * at for at in range(160)],
    "Date of loss": "2025-03-04", "Claim form": "claim.txt",
    "Policy.Policy number": "HH-55-1", "Policy.Limit": 5000,
}, index=pd.RangeIndex(1, 161, name="row"))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the pictures go."""
    wish = os.environ.get("OPUS_NB_PICTURES")
    return Path(wish).absolute() if wish else tmp_path_factory.mktemp("pictures")


def keep(page: Any, folder: Path, name: str, inside: str) -> None:
    """Take a picture in both themes and look whether it is small and not empty."""
    for theme in ("light", "dark"):
        page.dark(theme == "dark")
        path = folder / f"{name}-{theme}.png"
        page.picture(path, inside)
        contrast, text = page.faintest(inside)
        assert contrast >= 4.5, (theme, contrast, text)
        assert 10_000 < path.stat().st_size < LARGEST_BYTES, path.stat().st_size
    page.dark(False)


def test_the_form(open_notebook, folder):
    """Every kind of input, filled from a row with one bad cell."""
    page = open_notebook("lab", "newest", [FORM, "form"])
    page.run_all()
    page.sees("1\\.250,5O")
    keep(page, folder, "form", ".opus-nb-form")


def test_the_job(open_notebook, folder):
    """What came of it: results as a table, the audit as a timeline."""
    page = open_notebook("lab", "newest", [JOB, "form"])
    page.run_all()
    page.field("Claim reference *").wait_for(timeout=60_000)
    page.button("Run").click()
    page.sees("Settle automatically")
    page.sees("Audit")
    page.button("Get files").click()
    page.sees("1 file: 1 done")
    keep(page, folder, "job", ".on-card")


def test_the_mapper(open_notebook, folder):
    """Guesses with their scores, samples as they would be sent, bad cells, a constant."""
    page = open_notebook("lab", "newest", [MAPPER, "mapper"])
    page.run_all()
    page.sees("rows ready")
    keep(page, folder, "mapper", ".opus-nb-mapper")


def test_the_monitor(open_notebook, folder):
    """In the middle of a run: several states, rate and time left, jobs in flight, failures that are alike."""
    page = open_notebook("lab", "newest", [MONITOR, 'run = wf.run(df, name="claims-2025-q4", max_concurrency=8)'])
    page.run_all()
    page.sees("In flight")
    page.sees(r"[3-9]\d of 160 rows ended", timeout_s=120)
    page.sees(r"(\t\d of 9\t[^]*){4}")  # the nodes of several jobs are known
    keep(page, folder, "monitor", ".opus-nb-monitor")
    page.button("Cancel").click()
    page.sees_the_end()
