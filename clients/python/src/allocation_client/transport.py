"""Requests to the HTTP API, with retries."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from http.client import HTTPException
from typing import cast
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from .errors import FieldError, ProblemError, UnreachableError

MAX_ATTEMPTS = 5
FIRST_DELAY_S = 0.1
# A longer `retry-after` counts as this much, because the caller waits for the result.
MAX_DELAY_S = 30.0
# Too many requests, and: the log or the database cannot be reached.
RETRIABLE = (429, 503)


class _NoRedirects(HTTPRedirectHandler):
    """Refuses redirects, because they would send the token to another host."""

    def redirect_request(self, *_: object) -> None:
        return None


class Transport:
    """Sends requests to one service."""

    def __init__(self, url: str, token: str | None, timeout_s: float) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"The URL must begin with http:// or https://, not {url}")
        self._url = url.rstrip("/")
        self._headers = {} if token is None else {"authorization": f"Bearer {token}"}
        self._timeout_s = timeout_s
        self._opener = build_opener(_NoRedirects)

    def request(
        self,
        path: str,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        wait_s: float = 0,
        command_id: str | None = None,
    ) -> Mapping[str, object]:
        """
        Sends a `POST` of the body, or a `GET` without a body, and returns the JSON of the answer.

        :param wait_s: how long the service may wait before it answers
        :param command_id: for the errors
        :raises ProblemError: the service refused the request
        :raises UnreachableError: the service did not answer, in several attempts
        """
        request = Request(
            self._url + path, data=body, headers={**self._headers, **(headers or {})}
        )
        delay_s = FIRST_DELAY_S
        for attempt in range(1, MAX_ATTEMPTS + 1):
            pause_s = delay_s
            delay_s *= 2
            try:
                with self._opener.open(request, timeout=self._timeout_s + wait_s) as response:
                    return _answer(response.status, response.read(), command_id)
            except HTTPError as error:
                with error:
                    if error.code not in RETRIABLE or attempt == MAX_ATTEMPTS:
                        raise _problem(error, command_id) from None
                    pause_s = _retry_after_s(error.headers.get("retry-after"), pause_s)
            except (OSError, HTTPException) as error:
                if attempt == MAX_ATTEMPTS:
                    cause = str(error) or type(error).__name__
                    raise UnreachableError(self._url, attempt, cause, command_id) from error
            time.sleep(pause_s)
        raise AssertionError("The last attempt returns or raises")


def _retry_after_s(seconds: str | None, otherwise_s: float) -> float:
    return min(float(seconds), MAX_DELAY_S) if seconds and seconds.isdecimal() else otherwise_s


def _answer(status: int, body: bytes, command_id: str | None) -> Mapping[str, object]:
    try:
        answer = json.loads(body)
    except ValueError:
        answer = None
    if isinstance(answer, dict):
        return cast(Mapping[str, object], answer)
    detail = "The answer is not a JSON object: is this the URL of the allocation service?"
    raise ProblemError(status=status, title="No JSON", detail=detail, command_id=command_id)


def _problem(error: HTTPError, command_id: str | None) -> ProblemError:
    """Reads `application/problem+json`. A proxy may have answered in another form."""
    try:
        problem = json.loads(error.read())
    except (ValueError, OSError, HTTPException):
        problem = None
    if not isinstance(problem, dict):
        problem = {}
    errors = problem.get("errors")
    return ProblemError(
        status=error.code,
        type=str(problem.get("type", "about:blank")),
        title=str(problem.get("title", error.reason)),
        detail=str(problem.get("detail", "no details")),
        reason=problem.get("reason"),
        errors=[
            FieldError(str(each.get("field")), str(each.get("message")))
            for each in (errors if isinstance(errors, list) else [])
            if isinstance(each, dict)
        ],
        command_id=command_id,
    )
