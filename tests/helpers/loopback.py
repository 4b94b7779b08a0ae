"""A server of OpenAI's protocol on the loopback, which answers as a test or a benchmark says.

It counts what it is asked and how much of that is under way at a time. Run as a program it serves until its standard
input ends: the milliseconds that an answer takes are its argument, its address is what it prints.
"""

import contextlib
import hashlib
import json
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Asked(NamedTuple):
    """A request that came."""

    path: str
    body: dict[str, Any]
    key: str
    number: int
    """Of the requests so far, from 0."""

    @property
    def text(self) -> str:
        """The prompt."""
        found = self.body["messages"][0]["content"] if "messages" in self.body else self.body["prompt"]
        return str(found)


class Raw(NamedTuple):
    """What is sent as it is."""

    status: int
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


Respond = Callable[[Asked], dict[str, Any] | Raw | None]
"""Makes an answer; None: the connection breaks."""


class Loopback:
    """What a server saw."""

    def __init__(self, respond: Respond) -> None:
        self._respond = respond
        self._lock = threading.Lock()
        self._under_way = self.most_under_way = 0
        self.asked: list[Asked] = []
        self.url = ""

    def answer(self, path: str, body: dict[str, Any], key: str) -> dict[str, Any] | Raw | None:
        """Count a request and answer it."""
        with self._lock:
            asked = Asked(path, body, key, len(self.asked))
            self.asked.append(asked)
            self._under_way += 1
            self.most_under_way = max(self.most_under_way, self._under_way)
        try:
            return self._respond(asked)
        finally:
            with self._lock:
                self._under_way -= 1


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128
    seen: Loopback

    def handle_error(self, *_: object) -> None:
        """A client that was killed is no error of the server."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        """A list of models, which nobody reads."""
        self._send(200, b"{}")

    def do_POST(self) -> None:
        """Answer as the test says."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = self.server.seen.answer(self.path, body, self.headers.get("Authorization", ""))
        if answer is None:
            self.close_connection = True
        elif isinstance(answer, Raw):
            self._send(*answer)
        else:
            self._send(200, json.dumps(answer).encode())

    def _send(self, status: int, body: bytes, headers: Sequence[tuple[str, str]] = ()) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextlib.contextmanager
def serving(respond: Respond) -> Iterator[Loopback]:
    """Serve while the block runs."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.seen = Loopback(respond)
    server.seen.url = f"http://127.0.0.1:{server.server_port}/v1"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server.seen
    finally:
        server.shutdown()
        server.server_close()


def completion(texts: Sequence[str], *, chat: bool = True, **more: Any) -> dict[str, Any]:
    """An answer with some choices, each of one token of log-probability -0.5."""
    choices: list[dict[str, Any]] = [
        {
            "index": number,
            "finish_reason": "stop",
            **(
                {"message": {"role": "assistant", "content": text}, "logprobs": {"content": [{"logprob": -0.5}]}}
                if chat
                else {"text": text, "logprobs": {"token_logprobs": [-0.5]}}
            ),
        }
        for number, text in enumerate(texts)
    ]
    usage = {
        "prompt_tokens": 7,
        "completion_tokens": len(texts),
        "prompt_tokens_details": {"cached_tokens": 3},
    }
    return {"model": "m-1", "system_fingerprint": "fp-1", "choices": choices, "usage": usage, **more}


def bernoulli(probability: Callable[[str], float], options: tuple[str, str] = ("yes", "no")) -> Respond:
    """Answers of which each is the first option with the probability that its prompt has."""

    def respond(asked: Asked) -> dict[str, Any]:
        texts = []
        for choice in range(asked.body.get("n", 1)):
            digest = hashlib.sha256(f"{asked.text}\0{asked.body.get('seed')}\0{choice}".encode()).digest()
            drawn = int.from_bytes(digest[:8]) / 2**64
            texts.append(options[0] if drawn < probability(asked.text) else options[1])
        return completion(texts, chat="messages" in asked.body)

    return respond


def causal(loaded: Any) -> Respond:
    """A local decoder behind ``/completions``: what is echoed, with log-probabilities of the whole vocabulary."""
    import torch

    def respond(asked: Asked) -> dict[str, Any]:
        assert asked.body["echo"]
        encoded = loaded.tokenizer(asked.text, return_offsets_mapping=True)
        ids = encoded["input_ids"]
        with torch.inference_mode():
            logits = loaded.model(input_ids=torch.tensor([ids])).logits[0].double().log_softmax(1)
        values = [None, *(float(logits[place, token]) for place, token in enumerate(ids[1:]))]
        offsets = [start for start, _ in encoded["offset_mapping"]]
        # and one more, as was asked for
        logprobs = {"token_logprobs": [*values, -9.0], "text_offset": [*offsets, len(asked.text)]}
        return {
            "choices": [{"text": f"{asked.text}x", "logprobs": logprobs, "finish_reason": "length"}],
            "model": "m-1",
        }

    return respond


def _main() -> None:
    delay = float(sys.argv[1]) / 1000

    def respond(asked: Asked) -> dict[str, Any]:
        time.sleep(delay)
        return completion(["yes"] * asked.body.get("n", 1))

    with serving(respond) as server:
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.flush()
        sys.stdin.read()
        sys.stdout.write(f"{server.most_under_way}\n")


if __name__ == "__main__":
    _main()
