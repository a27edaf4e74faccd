"""What may be shown of a text: passwords as ***, and nothing that a terminal would obey."""

from __future__ import annotations

import json
import os
import re
from urllib.parse import unquote

SECRETS_ENV = "TTT_SECRETS"
"""Where a command leaves the addresses with passwords that it was given, as JSON by field, for its own processes."""

_OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")
"""Control characters but for tab and newline, marks that reorder a line, and halves of bytes that are no UTF-8."""
_USER_INFO = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^\s:/@]*):([^\s]*)@")
_QUERY = re.compile(
    r"([?&;][^=&;\s]*(?:password|passwd|pwd|pass|token|secret|key|signature|credential|odbc_connect)[^=&;\s]*)"
    r"=([^&\s'\"]+)",
    re.IGNORECASE,
)
_SHORTEST = 4
"""Characters of a password that is looked for by itself; a shorter one is in half of all words."""


def visible(text: str) -> str:
    r"""The text with what a terminal would obey written out: ESC as `\x1b`, a mark that reverses a line as `\u202e`."""
    return _OBEYED.sub(lambda match: ascii(match[0])[1:-1], text)


def shown_uri(uri: str) -> str:
    """The address with its user, without its password and the secrets of its query; likewise addresses in a text."""
    return _QUERY.sub(r"\1=***", _USER_INFO.sub(r"\1:***@", uri))


def masked(text: str) -> str:
    """The text without the passwords of the addresses in it, and of those that this process was given."""
    for secret in _given():
        text = text.replace(secret, "***")
    return shown_uri(text)


def passwords(uri: str) -> set[str]:
    """The secrets in an address, as they stand there and decoded."""
    secrets = [match[2] for pattern in (_USER_INFO, _QUERY) for match in pattern.finditer(uri)]
    return {secret for password in secrets for secret in (password, unquote(password)) if len(secret) >= _SHORTEST}


def given_uris() -> dict[str, str]:
    """The addresses with passwords that the command was given, by field."""
    return dict(json.loads(os.environ.get(SECRETS_ENV, "{}")))


def _given() -> list[str]:
    """Longest first: a password may contain another."""
    uris = [*given_uris().values(), os.environ.get("MLFLOW_TRACKING_URI", "")]
    secrets = {secret for uri in uris for secret in passwords(uri)}
    for name in ("MLFLOW_TRACKING_PASSWORD", "MLFLOW_TRACKING_TOKEN"):
        secrets |= {secret for secret in [os.environ.get(name, "")] if len(secret) >= _SHORTEST}
    return sorted(secrets, key=len, reverse=True)
