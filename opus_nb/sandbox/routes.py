"""Which path leads to which endpoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from opus_nb.sandbox import control_endpoints as control
from opus_nb.sandbox import file_endpoints as files
from opus_nb.sandbox import job_endpoints as jobs
from opus_nb.sandbox import workflow_endpoints as workflows
from opus_nb.sandbox.jobs import Family
from opus_nb.sandbox.replies import Call, Reply
from opus_nb.sandbox.state import SandboxState

Endpoint = Callable[[SandboxState, Call], Reply]


@dataclass(frozen=True, slots=True)
class Route:
    """One path. `name` is what faults and books call it; control routes have none."""

    name: str
    family: Family
    endpoint: Endpoint
    needs_key: bool = True


CONTROL = "/__sandbox__"
_CASES = "/api/v1"
_JOB_ROUTES: tuple[tuple[str, str, str, Endpoint], ...] = (
    ("GET", "/job/*/status", "status", jobs.status),
    ("GET", "/job/*/results", "results", jobs.results),
    ("GET", "/job/*/audit", "audit", jobs.audit),
    ("GET", "/job/*", "detail", jobs.detail),
    ("POST", "/job/initiate", "initiate", jobs.initiate),
    ("POST", "/job/v2/initiate", "initiate", jobs.initiate_moved),
    ("POST", "/job/execute", "execute", jobs.execute),
    ("GET", "/job/search", "search", jobs.search),
    ("GET", "/job/search-light", "search", jobs.search),
    ("POST", "/job/*/archive", "archive", jobs.archive),
    ("DELETE", "/job/*/archive", "archive", jobs.archive),
    ("DELETE", "/job/*/delete", "delete", jobs.delete),
    ("POST", "/job/file/upload", "upload", files.upload),
    ("POST", "/job/file/download", "download", files.download),
    ("GET", "/workflow/*", "workflow", workflows.workflow),
    ("GET", "/workflow/private", "list", workflows.private_list),
    ("GET", "/executor/workflow/*/versions", "versions", workflows.versions),
    ("GET", "/reference-workflow/v2/workflow-object/*", "workflow", workflows.workflow_object),
)
_CASE_ROUTES: tuple[tuple[str, str, str, Endpoint], ...] = (
    ("GET", "/case/*/status", "status", jobs.status),
    ("GET", "/case/*/results", "results", jobs.results),
    ("GET", "/case/*/audit", "audit", jobs.audit),
    ("POST", "/case", "initiate", jobs.initiate),
    ("POST", "/case/*/execute", "execute", jobs.execute),
    ("POST", "/file/upload/presigned", "upload", files.upload),
    ("GET", "/workflow/*", "workflow", workflows.workflow),
)
_CONTROL_ROUTES: tuple[tuple[str, str, Endpoint], ...] = (
    ("GET", "/books", control.books),
    ("GET", "/faults", control.list_faults),
    ("POST", "/faults", control.add_fault),
    ("DELETE", "/faults", control.clear_faults),
    ("POST", "/jobs/*/answer", control.answer_job),
    ("POST", "/jobs/*/end", control.end),
    ("POST", "/clock", control.advance_clock),
    ("GET", "/options", control.options),
    ("POST", "/options", control.options),
    ("GET", "/workflows", control.workflows),
    ("POST", "/reset", control.reset),
)
COOKIE_ONLY = frozenset({"/users", "/policies", "/file/search", "/tags"})


class RouteTable:
    """Finds the route of a path; fixed words win over ids."""

    def __init__(self) -> None:
        self._fixed: dict[tuple[str, str], Route] = {}
        self._open: dict[tuple[str, int], list[tuple[list[str], int, Route]]] = {}
        for method, path, name, endpoint in _JOB_ROUTES:
            self._add(method, path, Route(name, "jobs", endpoint))
        for method, path, name, endpoint in _CASE_ROUTES:
            self._add(method, _CASES + path, Route(name, "cases", endpoint))
        for method, path, endpoint in _CONTROL_ROUTES:
            self._add(method, CONTROL + path, Route("", "jobs", endpoint, needs_key=False))
        self._put = Route("put", "jobs", files.put, needs_key=False)
        self._get = Route("get", "jobs", files.get, needs_key=False)

    def _add(self, method: str, path: str, route: Route) -> None:
        if "*" not in path:
            self._fixed[method, path] = route
            return
        parts = path.split("/")
        self._open.setdefault((method, len(parts)), []).append((parts, parts.index("*"), route))

    def find(self, method: str, path: str) -> tuple[Route, str] | None:
        """Find the route, and the id in the path."""
        fixed = self._fixed.get((method, path))
        if fixed is not None:
            return fixed, ""
        if path.startswith(f"/{files.BUCKET}/"):
            stored = {"PUT": self._put, "GET": self._get}.get(method)
            return (stored, "") if stored is not None else None
        parts = path.split("/")
        for pattern, place, route in self._open.get((method, len(parts)), ()):
            if all(here == there or at == place for at, (here, there) in enumerate(zip(parts, pattern, strict=True))):
                return (route, parts[place]) if parts[place] else None
        return None
