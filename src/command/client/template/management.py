# @MARKER@
"""Calls the management listener of a turntable server.

    from turntable_management import ManagementError, connect

    management = connect("http://127.0.0.1:8181")
    try:
        management.user.kick("1:mel", "rude")
    except ManagementError as error:
        print(error.code, error.status, error.message)
"""

from __future__ import annotations

import http.client
import json
import re
import socket
import ssl
import urllib.error
import urllib.parse
import urllib.request
from typing import Any, Dict, List, Mapping, Optional, Sequence, TypedDict, Union, overload

#: Seconds that the server may be silent in a call.
TIMEOUT = 30.0


class ManagementError(Exception):
    """A call without a result.

    ``code`` and ``status`` are those of the server's answer; without an answer the status is 0, and the code
    "unreachable" or "timeout". An answer that is none of turntable has the code "bad_answer".
    """

    def __init__(self, code: str, message: str, status: int, details: Optional[Dict[str, Any]] = None) -> None:
        super().__init__(code, message, status)
        self.code = code
        self.message = message
        self.status = status
        self.details = details

    def __str__(self) -> str:
        return f"{self.code}: {self.message}"


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The token is for this server: a redirection is an error."""

    def redirect_request(self, *_: Any) -> None:
        return None


class _Caller:
    """Sends calls."""

    def __init__(self, url: str, token: Optional[str], timeout: float, context: Optional[ssl.SSLContext]) -> None:
        parts = urllib.parse.urlsplit(url)
        is_plain = parts.username is None and not parts.query and not parts.fragment
        if parts.scheme not in ("http", "https") or not parts.hostname or not is_plain:
            raise ValueError("accepted is a URL like http://127.0.0.1:8181, without a name, password or query")
        self._base = url.rstrip("/")
        self._timeout = timeout
        self._headers = {"Content-Type": "application/json"}
        if token is not None:
            if not re.fullmatch(r"[\x21-\x7e]+", token):
                raise ValueError("a token is of visible ASCII characters")
            self._headers["Authorization"] = "Bearer " + token
        # A request goes to this server, and not to a proxy of the environment.
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), _NoRedirect, urllib.request.HTTPSHandler(context=context)
        )

    def call(self, method: str, needed: Dict[str, Any], optional: Dict[str, Any]) -> Any:
        given = {name: value for name, value in optional.items() if value is not None}
        body = json.dumps({**needed, **given}, allow_nan=False).encode()
        request = urllib.request.Request(f"{self._base}/rpc/{method}", body, self._headers, method="POST")
        try:
            try:
                with self._opener.open(request, timeout=self._timeout) as response:
                    return _result(response.status, response.read())
            except urllib.error.HTTPError as error:
                with error:
                    return _result(error.code, error.read())
        except urllib.error.URLError as error:
            raise self._unanswered(error.reason) from error
        except (OSError, http.client.HTTPException) as error:
            raise self._unanswered(error) from error

    def _unanswered(self, reason: Any) -> ManagementError:
        if isinstance(reason, (socket.timeout, TimeoutError)):
            return ManagementError("timeout", f"no answer within {self._timeout} s", 0)
        return ManagementError("unreachable", f"{self._base}: {reason}", 0)


def _result(status: int, body: bytes) -> Any:
    """The result that an answer has."""
    try:
        answer = json.loads(body)
    except ValueError:
        raise ManagementError("bad_answer", f"the status is {status}, and the answer no JSON", status) from None
    if status == 200:
        return answer
    error = answer.get("error") if isinstance(answer, dict) else None
    if isinstance(error, dict) and isinstance(error.get("code"), str):
        raise ManagementError(error["code"], str(error.get("message")), status, error.get("details"))
    raise ManagementError("bad_answer", f"the status is {status}, and the answer none of turntable", status)


@SERVICES@
class Management:
    """The services of a management listener."""

    def __init__(self, caller: _Caller) -> None:
@SERVICE_FIELDS@


def connect(
    url: str = "http://127.0.0.1:8181",
    token: Optional[str] = None,
    timeout: float = TIMEOUT,
    context: Optional[ssl.SSLContext] = None,
) -> Management:
    """The services of the management listener at a URL, which may have a path, as behind a proxy.

    ``timeout`` is how many seconds the server may be silent, ``context`` is for https.
    """
    return Management(_Caller(url, token, timeout, context))
