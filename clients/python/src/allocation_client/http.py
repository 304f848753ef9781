"""Sends commands over HTTP, and asks what has become of them."""

from __future__ import annotations

import math
import uuid
from urllib.parse import quote

from .command_status import CommandStatus, read_status
from .commands import Command
from .errors import ProblemError
from .messages import to_structured
from .transport import Transport


class AllocationClient:
    """
    Sends commands over HTTP.

    A request that meets no answer, a 429 or a 503 is sent again, up to 5 times in all. The command
    keeps its id, so the service decides it once.
    """

    def __init__(
        self, url: str, *, source: str, token: str | None = None, timeout_s: float = 10
    ) -> None:
        """
        :param url: of the service, for example `http://localhost:8080`
        :param source: names the sender, for example `/shop`. An id belongs to its source
        :param token: the bearer token of the caller; None: the service needs none
        :param timeout_s: how long one attempt may take, in seconds, besides the time in which the
            service waits for an answer
        """
        self._transport = Transport(url, token, timeout_s)
        self._source = source

    def send(
        self, command: Command, *, id: str | None = None, correlation_id: str | None = None
    ) -> CommandStatus:
        """
        Sends the command, and returns once the log has accepted it.

        :param id: the same id again is the same command; None: a new id
        :param correlation_id: comes back on every event; None: the events have the id instead
        :returns: the status `pending`, with the command's place
        :raises InvalidCommandError: the id, the source or the correlation id is wrong
        :raises ProblemError: the service refused the command
        :raises UnreachableError: the service did not answer. It may have accepted the command
        """
        return self._post(command, 0, id, correlation_id)

    def send_and_wait(
        self,
        command: Command,
        timeout_s: float,
        *,
        id: str | None = None,
        correlation_id: str | None = None,
    ) -> CommandStatus:
        """
        Sends the command, and waits for its answer. Parameters and errors are those of `send`.

        :param timeout_s: how long to wait, in seconds. The service counts whole seconds, and waits
            for 30 at most
        :returns: the status `pending` when the time is up: ask `status` later
        """
        return self._post(command, max(1, math.ceil(timeout_s)), id, correlation_id)

    def status(self, place: str) -> CommandStatus | None:
        """
        Asks what has become of a command.

        :param place: the `place` that `send` returned
        :returns: None: the service knows no command there
        :raises ProblemError: the service refused the question
        :raises UnreachableError: the service did not answer
        """
        return self._ask(f"/commands/{quote(place)}")

    def find(self, id: str) -> CommandStatus | None:
        """
        Asks what has become of the newest command with this id, among the newest commands.

        A redriven command has a new place. This method finds the command there.

        :returns: None: the service finds no such command of this source
        :raises ProblemError: the service refused the question
        :raises UnreachableError: the service did not answer
        """
        return self._ask(f"/commands/{quote(id, safe='')}?source={quote(self._source, safe='')}")

    def _ask(self, path: str) -> CommandStatus | None:
        try:
            answer = self._transport.request(path)
        except ProblemError as error:
            if error.status == 404:
                return None
            raise
        return read_status(answer)

    def _post(
        self, command: Command, wait_s: int, id: str | None, correlation_id: str | None
    ) -> CommandStatus:
        command_id = str(uuid.uuid4()) if id is None else id
        body = to_structured(
            command, id=command_id, source=self._source, correlation_id=correlation_id
        )
        headers = {"content-type": "application/cloudevents+json"}
        if wait_s > 0:
            headers["prefer"] = f"wait={wait_s}"
        answer = self._transport.request(
            "/commands", body=body, headers=headers, wait_s=wait_s, command_id=command_id
        )
        return read_status(answer)
