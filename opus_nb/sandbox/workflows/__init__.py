"""The workflows a sandbox serves when it is given none.

`DEFAULT_WORKFLOWS` are listed; `ODDITIES` answer by id only. `ALL_WORKFLOWS` is both.
"""

from __future__ import annotations

from opus_nb.sandbox.workflows.claims import CLAIM_TRIAGE_ID, claim_triage
from opus_nb.sandbox.workflows.dossier import DOSSIER_ID, dossier_summary
from opus_nb.sandbox.workflows.oddities import (
    INACTIVE_ID,
    NO_INPUTS_ID,
    NO_SCHEMA_ID,
    ODDITIES,
    RETIRED_ID,
)
from opus_nb.sandbox.workflows.onboarding import VENDOR_ONBOARDING_ID, vendor_onboarding
from opus_nb.sandbox.workflows.purchase import PURCHASE_APPROVAL_ID, purchase_approval
from opus_nb.sandbox.workflows.quickstart import QUICKSTART_ID, all_input_types

DEFAULT_WORKFLOWS = (all_input_types, claim_triage, dossier_summary, purchase_approval, vendor_onboarding)
ALL_WORKFLOWS = DEFAULT_WORKFLOWS + ODDITIES

__all__ = [
    "ALL_WORKFLOWS",
    "CLAIM_TRIAGE_ID",
    "DEFAULT_WORKFLOWS",
    "DOSSIER_ID",
    "INACTIVE_ID",
    "NO_INPUTS_ID",
    "NO_SCHEMA_ID",
    "ODDITIES",
    "PURCHASE_APPROVAL_ID",
    "QUICKSTART_ID",
    "RETIRED_ID",
    "VENDOR_ONBOARDING_ID",
]
