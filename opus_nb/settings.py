"""Key, address, limits, and where each of them came from."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any, NoReturn
from urllib.parse import urlsplit

from opus_nb.errors import ServiceKeyMissing, SettingsError

__all__ = ["DEFAULT_BASE_URL", "ServiceKey", "Settings", "find_service_key", "read_settings"]

DEFAULT_BASE_URL = "https://operator.opus.com"
KEY_NAME = "OPUS_SERVICE_KEY"
_MASK = "***"
# Shorter words (the sandbox's key is the word "sandbox") occur in ordinary text; masking them there
# would garble messages and protect nothing.
_SECRET_FROM_LENGTH = 12


class ServiceKey:
    """The service key, kept where no repr, pickle, copy or widget can see it.

    Parameters
    ----------
    text : str
        The key as it was given; surrounding white space is dropped.
    origin : str
        Where it was found, for messages.
    """

    __slots__ = ("__reveal", "origin")

    def __init__(self, text: str, origin: str = "argument") -> None:
        stripped = text.strip()
        # In a closure, so that neither vars() nor a debugger's list of attributes shows it.
        self.__reveal: Callable[[], str] = lambda: stripped
        self.origin = origin

    def reveal(self) -> str:
        """Return the key itself; only the request that carries it may ask."""
        return self.__reveal()

    def scrub(self, text: str) -> str:
        """Return ``text`` without the key, should the other side have repeated it."""
        key = self.__reveal()
        return text.replace(key, _MASK) if len(key) >= _SECRET_FROM_LENGTH else text

    @property
    def hint(self) -> str:
        """What a 401 is usually about, from the key's form; never the key."""
        key = self.__reveal()
        if not key.startswith("_"):
            return "Opus keys begin with an underscore, and this one does not: was it lost when copying?"
        if any(each.isspace() for each in key):
            return "There is white space inside this key: was it broken over two lines when copying?"
        if len(key) != 97:
            return f"Opus keys have 97 characters, and this one has {len(key)}: was it cut when copying?"
        return "It may have expired or been deleted: see My Organization, settings, API Keys in Opus."

    def __repr__(self) -> str:
        return f"<service key from {self.origin}>"

    __str__ = __repr__

    def __reduce__(self) -> NoReturn:
        raise TypeError("a service key cannot be pickled or copied to another process")

    def __eq__(self, other: object) -> bool:
        return self is other

    __hash__ = object.__hash__


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that a connection is made of.

    Attributes
    ----------
    service_key : ServiceKey
    base_url : str
        Without a trailing slash.
    ledger : pathlib.Path
        The folder that holds the ledger; made when first written to.
    timeout_s : float
        Bounds one request, not one job.
    api : str
        ``"auto"``, ``"jobs"`` or ``"cases"``.
    initiate : Mapping
        Parameters of ``POST /job/initiate`` given for the whole connection.
    max_requests_per_second : float or None
        None means no limit but the server's own.
    settle_s : float
        How long Opus gets to act on an ``execute`` whose answer was lost, before it is asked what became of it.
    origins : Mapping of str to str
        For each setting, where its value came from.
    """

    service_key: ServiceKey = field(repr=False)
    base_url: str = DEFAULT_BASE_URL
    ledger: Path = Path(".opus_nb")
    timeout_s: float = 30.0
    api: str = "auto"
    workspace: str | None = None
    max_requests_per_second: float | None = None
    settle_s: float = 10.0
    initiate: Mapping[str, Any] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)


def read_settings(
    *,
    service_key: str | None = None,
    base_url: str | None = None,
    workspace: str | None = None,
    ledger: str | os.PathLike[str] | None = None,
    timeout_s: float = 30.0,
    api: str = "auto",
    max_requests_per_second: float | None = None,
    settle_s: float = 10.0,
    initiate: Mapping[str, Any] | None = None,
) -> Settings:
    """Put the settings together: argument first, then the environment, then the default.

    Raises
    ------
    SettingsError
        An address that is none, plain http to another machine, a limit that is not positive, an unknown ``api``.
    ServiceKeyMissing
        No key anywhere.
    """
    url, url_origin = _pick(base_url, "OPUS_BASE_URL", DEFAULT_BASE_URL)
    folder, folder_origin = _pick(None if ledger is None else os.fspath(ledger), "OPUS_NB_LEDGER", ".opus_nb")
    if api not in {"auto", "jobs", "cases"}:
        raise SettingsError(
            "api must be 'auto', 'jobs' or 'cases'", where=f"api={api!r}", next_step="Leave it out: 'auto' finds out."
        )
    _check_positive("timeout_s", timeout_s)
    _check_positive("settle_s", settle_s)
    if max_requests_per_second is not None:
        _check_positive("max_requests_per_second", max_requests_per_second)
    checked_url = _check_url(url)
    return Settings(
        service_key=find_service_key(service_key),
        base_url=checked_url,
        ledger=Path(folder).expanduser().absolute(),
        timeout_s=float(timeout_s),
        api=api,
        workspace=workspace,
        max_requests_per_second=max_requests_per_second,
        settle_s=float(settle_s),
        initiate=dict(initiate or {}),
        origins={"base_url": url_origin, "ledger": folder_origin},
    )


def find_service_key(argument: str | None = None) -> ServiceKey:
    """Look for the key where people keep it, in this order, and say where it was found.

    The argument; the environment variable ``OPUS_SERVICE_KEY``; the Colab secret of that name; the
    machine's keyring (service ``opus_nb``, user ``OPUS_SERVICE_KEY``) if the keyring package is there;
    a hidden prompt, where somebody can answer one. The key's form is not judged: only Opus knows.

    Raises
    ------
    ServiceKeyMissing
        None of them had one.
    """
    if argument is not None:
        if not isinstance(argument, str) or not argument.strip():
            raise ServiceKeyMissing(
                "The service_key that was given is empty",
                where="service_key=",
                next_step=f"Leave it out to use the environment variable {KEY_NAME}, or give the key itself.",
            )
        return ServiceKey(argument, "argument")
    for origin, look in (
        (f"environment variable {KEY_NAME}", _from_environment),
        ("Colab secret", _from_colab),
        ("keyring", _from_keyring),
        ("prompt", _from_prompt),
    ):
        found = look()
        if found and found.strip():
            return ServiceKey(found, origin)
    raise ServiceKeyMissing(
        "No service key was found",
        where=f"looked at: service_key=, {KEY_NAME}, Colab secrets, keyring, and nobody could be asked",
        next_step=(
            f"Set {KEY_NAME} before the notebook starts, or try opus_nb.sandbox(), which needs no key. "
            "Keys are made in Opus under My Organization, settings, API Keys."
        ),
    )


def _pick(argument: str | None, variable: str, default: str) -> tuple[str, str]:
    if argument is not None:
        return argument, "argument"
    from_environment = os.environ.get(variable, "").strip()
    return (from_environment, f"environment variable {variable}") if from_environment else (default, "default")


def _check_positive(name: str, value: float) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < float("inf"):
        raise SettingsError(
            f"{name} must be a positive number",
            where=f"{name}={value!r}",
            next_step=f"As in {name}=10, or leave it out.",
        )


def _check_url(url: str) -> str:
    cleaned = url.strip().rstrip("/")
    parts = urlsplit(cleaned)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SettingsError(
            "base_url is not a web address",
            where=f"base_url={url!r}",
            next_step=f"It looks like {DEFAULT_BASE_URL}.",
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise SettingsError(
            "base_url must be an address alone, without user, query or fragment",
            where=f"base_url with the host {parts.hostname}",
            next_step=f"It looks like {DEFAULT_BASE_URL}; the key goes into service_key= or {KEY_NAME}.",
        )
    if parts.scheme == "http" and not _is_loopback(parts.hostname):
        raise SettingsError(
            "Plain http would send the service key in the open",
            where=f"base_url={url!r}",
            next_step="Use https; plain http is only for this machine (127.0.0.1, localhost).",
        )
    return cleaned


def _is_loopback(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _from_environment() -> str | None:
    return os.environ.get(KEY_NAME)


def _from_colab() -> str | None:
    # Only inside Colab's own page: elsewhere the call waits ten seconds and then raises.
    if "google.colab" not in sys.modules:
        return None
    try:
        from google.colab import userdata

        found = userdata.get(KEY_NAME)
    except Exception:
        # Refused, absent or timed out: each is an answer, and asking again would annoy.
        return None
    return found if isinstance(found, str) else None


def _from_keyring() -> str | None:
    try:
        import keyring

        found = keyring.get_password("opus_nb", KEY_NAME)
    except Exception:
        # Not installed, or a machine without a key store.
        return None
    return found if isinstance(found, str) else None


def _from_prompt() -> str | None:
    shell: Any = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    kernel = getattr(shell, "kernel", None)
    if kernel is not None:
        if not getattr(kernel, "_allow_stdin", False):
            return None
    elif not (sys.stdin is not None and sys.stdin.isatty()):
        return None
    from getpass import getpass

    try:
        return getpass("Opus service key (hidden): ")
    except (EOFError, KeyboardInterrupt):
        return None
