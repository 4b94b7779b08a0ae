"""Requests to an API: what may pass is tried again, what will not fails at once, and the key is told to nobody else.

Tried again, at most :data:`MOST_RETRIES` times or for :data:`PATIENCE` seconds: 408, 429 and 500 to 599, time-outs,
connections that break, and answers that are not what the protocol says. All else that is not an answer is an error with
the server's own words. Redirects are not followed. The key is read from the environment, sent in a header, and blanked
in whatever comes back, should a server repeat it.
"""

import email.utils
import os
import random
import threading
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple, TypeVar

import httpx2

from mlv.schema.errors import DownloadError, JobError, UsageError, excerpt
from mlv.schema.jobs.respond import address_fault

T = TypeVar("T")

MOST_RETRIES: Final = 8
PATIENCE: Final = 600.0
"""Seconds after a request's first failure in which it is tried again."""

LONGEST_WAIT: Final = 60.0
"""Seconds between two tries, unless the server names more."""

LARGEST_ANSWER: Final = 64 << 10
"""Bytes that are read for each answer that was asked for."""

LONGEST_WORDS: Final = 500
"""Characters that a message quotes of a server."""

SHORTEST_KEY: Final = 8
"""Characters of a key from which on it is blanked: what is shorter stands for none (``EMPTY``)."""

TIMEOUT: Final = httpx2.Timeout(300.0, connect=10.0)
"""Seconds for a part of an answer to come, and for a connection."""

_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


class Waiting(NamedTuple):
    """A wait before a request is tried again."""

    reason: str
    seconds: float
    retries: int


class RefusedError(JobError):
    """A server's refusal of a request, which would come again."""

    def __init__(self, status: int, words: str, message: str, hint: str) -> None:
        super().__init__(message, hint)
        self.status, self.words = status, words


class AbandonedError(Exception):
    """A request that is not tried again, since the work ends for another reason."""


class _PassingError(Exception):
    """A failure that may pass; the message is its reason in a few words."""

    def __init__(self, reason: str, after: float | None = None) -> None:
        super().__init__(reason)
        self.after = after
        """Seconds that the server asks to wait."""


def check_address(url: str) -> str:
    """The address of an API without a slash at its end. Raises UsageError if it is none, or holds more than that."""
    # what stands in for a key in an address must not get into a message
    fault = address_fault(url)
    if fault == "none":
        raise UsageError(
            "The address of the endpoint is no URL.", "Give one such as --endpoint http://localhost:8000/v1."
        )
    if fault == "more":
        raise UsageError(
            "The address of the endpoint has a user's name, a query or a fragment.",
            "Give the address alone; a key is read from the environment (--key-env).",
        )
    return url.rstrip("/")


class Client:
    """Sends requests to one API, from any number of threads."""

    def __init__(self, url: str, key_env: str, on_wait: Callable[[Waiting], None]) -> None:
        """``key_env`` names the environment variable with the key. Raises UsageError if it cannot be one."""
        self._url = check_address(url)
        self._key = os.environ.get(key_env, "").strip()
        if not (self._key.isascii() and self._key.isprintable()):
            raise UsageError(f"{key_env} holds what cannot be a key.", "Set it to the key alone.")
        self._on_wait = on_wait
        self._ended = threading.Event()
        self._certificates = httpx2.create_ssl_context()
        self._own, self._clients = threading.local(), list[httpx2.Client]()
        self._key_hint = f"Set the key in {key_env}, or name another variable: --key-env."

    def end(self) -> None:
        """Put no request any more, nor again."""
        self._ended.set()

    def close(self) -> None:
        """Close all connections."""
        for client in self._clients:
            client.close()

    @property
    def _client(self) -> httpx2.Client:
        """The thread's own: one for all looks at every connection twice for each request."""
        if not hasattr(self._own, "client"):
            key = {"Authorization": f"Bearer {self._key}"} if self._key else {}
            self._own.client = httpx2.Client(
                headers={"Accept-Encoding": "identity", **key},
                timeout=TIMEOUT,
                verify=self._certificates,
                # a proxy is for what lies elsewhere
                trust_env=httpx2.URL(self._url).host not in _LOOPBACK,
            )
            self._clients.append(self._own.client)
        client: httpx2.Client = self._own.client
        return client

    def check_reachable(self) -> None:
        """Raise DownloadError if the server cannot be reached, JobError if it does not take the key."""
        try:
            with self._client.stream("GET", f"{self._url}/models") as response:
                status = response.status_code
        except httpx2.TransportError as error:
            raise DownloadError(
                f"The endpoint cannot be reached: {type(error).__name__}.",
                "Check --endpoint, and whether the server runs.",
            ) from error
        if status == httpx2.codes.UNAUTHORIZED:
            raise JobError("The endpoint does not take the key.", self._key_hint)

    def post(self, path: str, body: Mapping[str, object], answers: int, read: Callable[[str], T]) -> tuple[T, int]:
        """What ``read`` makes of the answer to a request for so many ``answers``, and how often it was put again.

        ``read`` raises ValueError or RecursionError for what is not of the protocol. Raises RefusedError if the server
        refuses, JobError if it answers nothing of use for too long, AbandonedError if the work has ended.
        """
        retries, first = 0, None
        while not self._ended.is_set():
            try:
                return read(self._try(path, body, answers)), retries
            except (ValueError, RecursionError):
                failure = _PassingError("an answer that is none")
            except _PassingError as error:
                failure = error
            first = first or time.monotonic()
            seconds = failure.after if failure.after is not None else _backoff(retries)
            if retries == MOST_RETRIES or time.monotonic() - first + seconds > PATIENCE:
                raise JobError(
                    f"The endpoint gave no answer after {retries} retries: {failure}.",
                    "Resume the job later (`mlv runs resume`), with a smaller --concurrency if it was 429.",
                )
            retries += 1
            self._on_wait(Waiting(str(failure), seconds, retries))
            self._ended.wait(seconds)
        raise AbandonedError

    def _try(self, path: str, body: Mapping[str, object], answers: int) -> str:
        try:
            with self._client.stream("POST", f"{self._url}{path}", json=body) as response:
                content = self._content(response, LARGEST_ANSWER * answers)
        except httpx2.TimeoutException as error:
            raise _PassingError("no answer in time") from error
        except httpx2.TransportError as error:
            raise _PassingError(f"connection failed ({type(error).__name__})") from error
        return self._checked(response, content)

    def _content(self, response: httpx2.Response, most: int) -> str:
        """What a server sent, as far as it may be. Raises JobError if there is more."""
        content, limit = b"", time.monotonic() + PATIENCE
        # as it was sent: nothing is unpacked
        for part in response.iter_raw():
            content += part
            if time.monotonic() > limit:
                raise _PassingError("no answer in time")
            if len(content) > most:
                raise JobError(
                    f"The endpoint sent more than {most >> 10} kB for an answer.", "Check what --endpoint names."
                )
        text = content.decode("utf-8", "replace")
        return text.replace(self._key, "[key]") if len(self._key) >= SHORTEST_KEY else text

    def _checked(self, response: httpx2.Response, content: str) -> str:
        status = response.status_code
        if status in (408, 429) or status >= 500:
            raise _PassingError(str(status), _asked_to_wait(response.headers.get("Retry-After")))
        if status == 200:
            return content
        if response.is_redirect:
            raise JobError(
                "The endpoint leads elsewhere, and is not followed.", "Give the address itself: --endpoint URL."
            )
        words = excerpt(" ".join(content.split()), LONGEST_WORDS)
        hint = self._key_hint if status in (401, 403) else _HINT
        raise RefusedError(status, words, f"The endpoint refuses with {status}: {words or 'no reason given'}", hint)


_HINT: Final = (
    "Plan the job as the server wants it, e.g. with another --api-model, with --top-k 0 if it knows no top_k, or with "
    "fewer --demonstrations if prompts are too long."
)


def _backoff(retries: int) -> float:
    return min(LONGEST_WAIT, 2.0**retries) * random.uniform(0.5, 1)


def _asked_to_wait(header: str | None) -> float | None:
    """Seconds of a header ``Retry-After``, which names them or a date; None if it does neither."""
    if header is None:
        return None
    try:
        return max(0.0, float(header)) if header.strip().isdecimal() else _until(header)
    except (TypeError, ValueError, OverflowError):
        return None


def _until(date: str) -> float:
    moment = email.utils.parsedate_to_datetime(date)
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (aware - datetime.now(UTC)).total_seconds())
