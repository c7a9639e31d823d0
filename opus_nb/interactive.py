"""The form and the mapper put together with plans and jobs: ``wf.form()`` and ``wf.map(df)``."""

from __future__ import annotations

import inspect
import json
import keyword
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from os import PathLike
from typing import Any

import numpy as np
import pandas as pd

from opus_nb import loop
from opus_nb.batch.book import Book
from opus_nb.batch.identity import Identities
from opus_nb.batch.ledger import Ledger
from opus_nb.batch.lock import RunLock
from opus_nb.connection import Connection, with_parameters
from opus_nb.errors import OpusError
from opus_nb.frames.audit import audit_frame
from opus_nb.frames.results import results_frame
from opus_nb.job import LocalFile, Outcome, RowState
from opus_nb.plan import Plan
from opus_nb.run import Run
from opus_nb.screen.form import Form, JobLook, KnownJob
from opus_nb.screen.inside import fetch_progress
from opus_nb.screen.mapper import InputLook, Mapper, MappingLook
from opus_nb.screen.python_call import as_written
from opus_nb.service.api import InitiateParameters
from opus_nb.service.schema import Field, Schema
from opus_nb.sheet.cells import MISSING, show_text
from opus_nb.sheet.checked import CheckedSheet
from opus_nb.sheet.checks import check_sheet
from opus_nb.sheet.headers import fold_name, header_texts, is_unnamed
from opus_nb.sheet.mapping import ColumnMapping, InputSource, map_columns
from opus_nb.submission import Job

__all__ = ["make_form", "make_mapper"]
