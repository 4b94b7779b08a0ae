"""Asking a model behind an API that speaks OpenAI's protocol: vLLM, llama.cpp, Ollama, or a service that is paid.

A prompt's answers are asked for in one request (``n``) where the API honours that; what is missing is asked for one by
one, and an answer is never asked for twice: only failures of the transport are. Parameters that answers can do without
(:data:`DISPENSABLE`) are left out once the API has refused them; all others are sent, since defaults differ.

Replies are on disk before anything else happens to them, in the thread that got them.
"""

import json
import queue
import re
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, Field

from mlv.compute.machine.options import ExecuteOptions, Progress
from mlv.compute.respondents.encoding import continued
from mlv.compute.respondents.http import AbandonedError, Client, RefusedError, Waiting
from mlv.compute.respondents.respondent import (
    Answer,
    Finish,
    Keep,
    Prompt,
    Reply,
    Score,
    Usage,
    Wanted,
    cut,
    random_numbers,
)
from mlv.schema.errors import JobError, UsageError
from mlv.schema.jobs.events import Event, FewerAnswers, ParameterRefused, Waited
from mlv.schema.jobs.respond import EndpointRef, RespondSpec

DISPENSABLE: Final = ("n", "seed", "logprobs")
"""Parameters without which answers are drawn just the same, one by one, or are known less well."""

TICK: Final = 0.5
"""Seconds after which it is looked whether the work was told to stop."""

FAREWELL: Final = 30.0
"""Seconds for requests that are under way when another has failed."""

FINISHES: Final[dict[str, Finish]] = {"stop": "stop", "length": "length", "content_filter": "content_filter"}


class _Token(BaseModel):
    logprob: float


class _Logprobs(BaseModel):
    """Of the tokens of an answer: a list of objects in /chat/completions, lists in /completions and older servers."""

    content: list[_Token] | None = None
    token_logprobs: list[float | None] | None = None
    text_offset: list[int] | None = None

    def all(self) -> list[float | None]:
        """Of each token, as far as they are told."""
        if self.content is not None:
            return [token.logprob for token in self.content]
        return self.token_logprobs or []


class _Message(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _Choice(BaseModel):
    message: _Message | None = None
    text: str | None = None
    finish_reason: str | None = None
    logprobs: _Logprobs | None = None


class _Details(BaseModel):
    cached_tokens: int | None = None


class _Usage(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    prompt_tokens_details: _Details | None = None


class _Completion(BaseModel):
    """An answer of the API; what it has beside is not looked at."""

    choices: list[_Choice] = Field(min_length=1)
    model: str | None = None
    system_fingerprint: str | None = None
    usage: _Usage | None = None


class _Done(NamedTuple):
    """A request has been answered."""

    answers: int


class _Over(NamedTuple):
    """A thread has ended, and by which error if by one."""

    error: BaseException | None


_Notice = _Done | _Over | Event


class Endpoint:
    """A model behind an API as a respondent."""

    def __init__(
        self,
        reference: EndpointRef,
        url: str,
        spec: RespondSpec,
        options: ExecuteOptions,
        log: Callable[[Event], None],
        reported: dict[str, str],
    ) -> None:
        """``reported`` is what the API said of its model before. Raises UsageError if it cannot be asked so."""
        if spec.scored and reference.api == "chat":
            raise UsageError(
                "An API for chats tells no log-probabilities of a given answer, so that options cannot be scored.",
                "Plan the job with --no-scored, or with --api completions if the server has it.",
            )
        self._reference, self._spec, self._log = reference, spec, log
        self._concurrency = options.concurrency
        self._notices: queue.Queue[_Notice] = queue.Queue()
        self._client = Client(url, options.key_env, self._waiting)
        self._lock = threading.Lock()
        self._reported, self._refused = dict(reported), set[str]()

    def describe(self) -> dict[str, object]:
        """What it is, and what it said of its model."""
        return {"architecture": "endpoint", "reported": self._reported}

    def ask(self, wanted: Sequence[Wanted], keep: Keep, progress: Progress) -> None:
        """Ask all that is wanted, some at a time.

        Raises DownloadError if the API cannot be reached, before anything is asked; JobError if it refuses, fails for
        too long, or another model answers than before.
        """
        if not wanted:
            return
        self._client.check_reachable()
        left = iter(wanted)
        threads = [
            threading.Thread(target=self._work, args=(left, keep), daemon=True)
            for _ in range(min(self._concurrency, len(wanted)))
        ]
        try:
            for thread in threads:
                thread.start()
            self._follow(len(threads), progress)
        finally:
            self._client.end()
            self._client.close()

    def _follow(self, running: int, progress: Progress) -> None:
        """Show what the threads do until all have ended; raise the first error of theirs."""
        failure, retries = None, 0
        while running:
            try:
                notice = self._notices.get(timeout=FAREWELL if failure else TICK)
            except queue.Empty:
                if failure:
                    break
                progress.advance(0)
                continue
            if isinstance(notice, _Over):
                running -= 1
                failure = failure or notice.error
            elif isinstance(notice, _Done):
                progress.advance(notice.answers, **({"retries": str(retries)} if retries else {}))
            else:
                self._log(notice)
            if isinstance(notice, Waited):
                retries += 1
                progress.advance(0, waiting=f"{notice.seconds:.0f} s ({notice.reason}), {retries} retries")
        if failure:
            raise failure

    def _waiting(self, waiting: Waiting) -> None:
        self._notices.put(Waited(reason=waiting.reason, seconds=round(waiting.seconds, 3), retries=waiting.retries))

    def _work(self, left: Iterator[Wanted], keep: Keep) -> None:
        """Ask prompt after prompt until none is left, or a thread has failed."""
        error = None
        try:
            while one := self._next(left):
                self._ask(one, keep)
        except AbandonedError:
            pass
        except BaseException as failed:
            error = failed
            self._client.end()
        self._notices.put(_Over(error))

    def _next(self, left: Iterator[Wanted]) -> Wanted | None:
        with self._lock:
            return next(left, None)

    def _ask(self, one: Wanted, keep: Keep) -> None:
        """Ask all that is wanted of a prompt, request by request."""
        if one.scores:
            self._hand_over(self._scored(one.prompt), keep)
        samples = one.samples
        while samples:
            reply = self._sampled(one.prompt, samples)
            self._hand_over(reply, keep)
            samples = samples[len(reply.answers) :]

    def _hand_over(self, reply: Reply, keep: Keep) -> None:
        keep([reply])
        self._notices.put(_Done(len(reply.answers) + len(reply.scores)))

    def _sampled(self, prompt: Prompt, samples: Sequence[int]) -> Reply:
        """Answers of one request: as many as the API gives at once."""
        while True:
            count = 1 if "n" in self._refused else len(samples)
            body = {
                name: value
                for name, value in self._sampling(prompt, samples[0], count).items()
                if name not in self._refused
            }
            try:
                completion, usage = self._post(body, count)
                break
            except RefusedError as error:
                if not self._can_do_without(error, body):
                    raise
        choices = completion.choices[:count]
        if len(choices) < count and self._refuse("n"):
            self._notices.put(FewerAnswers(asked=count, given=len(choices)))
        tokens = usage.completion_tokens if len(choices) == 1 else 0
        return Reply(
            prompt=prompt.number,
            tokens=usage.prompt_tokens or None,
            answers=tuple(
                _answer(sample, choice, tokens or None, self._spec.decoding.stop)
                for sample, choice in zip(samples, choices, strict=False)
            ),
            usage=usage,
            reported=self._told(),
        )

    def _sampling(self, prompt: Prompt, sample: int, count: int) -> dict[str, Any]:
        """The body of a request for ``count`` answers, ``sample`` the number of the first."""
        decoding, spec = self._spec.decoding, self._spec
        chat = self._reference.api == "chat"
        return {
            "model": self._reference.name,
            **({"messages": [{"role": "user", "content": prompt.text}]} if chat else {"prompt": prompt.text}),
            "temperature": decoding.temperature,
            "top_p": decoding.top_p,
            # 0 for all: servers have limits of their own
            "top_k": decoding.top_k or 0,
            "max_tokens": decoding.max_tokens,
            **({"stop": list(decoding.stop)} if decoding.stop else {}),
            "n": count,
            "seed": int(random_numbers(spec.seed, spec.draw, prompt, sample).words(1)[0]) >> 33,
            "logprobs": True if chat else 1,
        }

    def _can_do_without(self, error: RefusedError, body: dict[str, Any]) -> bool:
        """Whether a request was refused for a parameter that is left out from now on."""
        dispensable = DISPENSABLE if self._spec.decoding.top_k else (*DISPENSABLE, "top_k")
        named = [name for name in dispensable if name in body and re.search(rf"\b{name}\b", error.words)]
        if error.status not in (400, 422) or not named:
            return False
        for name in named:
            if self._refuse(name):
                self._notices.put(ParameterRefused(name=name, reason=error.words))
        return True

    def _scored(self, prompt: Prompt) -> Reply:
        """Scores of all options."""
        scores, total = [], Usage()
        for number, option in enumerate(prompt.options, 1):
            score, usage = self._score(prompt, number, option)
            scores.append(score)
            total += usage
        return Reply(prompt=prompt.number, tokens=None, scores=tuple(scores), usage=total, reported=self._told())

    def _score(self, prompt: Prompt, number: int, option: str) -> tuple[Score, Usage]:
        """Score an option by having the API repeat the prompt with it, and say the log-probabilities."""
        whole = prompt.text + continued(prompt.text, option, templated=False)
        body = {
            "model": self._reference.name,
            "prompt": whole,
            "temperature": 1.0,
            # some servers refuse to write nothing; what comes after the option is left out
            "max_tokens": 1,
            "echo": True,
            "logprobs": 1,
        }
        completion, usage = self._post(body, 1)
        told = completion.choices[0].logprobs or _Logprobs()
        offsets = told.text_offset or []
        found = [
            value
            for offset, value in zip(offsets, told.token_logprobs or [], strict=False)
            if len(prompt.text) <= offset < len(whole) and value is not None
        ]
        if len(prompt.text) not in offsets or not found:
            raise JobError(
                f"The API tells no log-probabilities of the option {option!r} after the prompt.",
                "Plan the job with --no-scored. If its server can: options have to begin with a token of their own.",
            )
        return Score(number=number, tokens=len(found), logprob_sum=sum(found), logprob_first=found[0]), usage

    def _post(self, body: dict[str, Any], answers: int) -> tuple[_Completion, Usage]:
        """Put a request; what it took."""
        path = "/chat/completions" if self._reference.api == "chat" else "/completions"
        completion, retries = self._client.post(path, body, answers, _completion)
        self._check_model(completion)
        told = completion.usage or _Usage()
        cached = told.prompt_tokens_details.cached_tokens if told.prompt_tokens_details else None
        return completion, Usage(
            requests=1,
            retries=retries,
            prompt_tokens=told.prompt_tokens or 0,
            completion_tokens=told.completion_tokens or 0,
            cached_tokens=cached or 0,
        )

    def _told(self) -> dict[str, str]:
        """What the API has said of its model so far."""
        with self._lock:
            return dict(self._reported)

    def _refuse(self, name: str) -> bool:
        """Leave a parameter out from now on; whether that is news."""
        with self._lock:
            news = name not in self._refused
            self._refused.add(name)
            return news

    def _check_model(self, completion: _Completion) -> None:
        """Raise JobError if another model answers than before: one run is one respondent."""
        said = {"model": completion.model, "system_fingerprint": completion.system_fingerprint}
        with self._lock:
            for name, value in said.items():
                if value and self._reported.setdefault(name, value) != value:
                    raise JobError(
                        f"The model behind the endpoint has changed: its {name} was {self._reported[name]!r}, and is "
                        f"{value!r} now.",
                        "Plan the job again with another --as-of.",
                    )


def _answer(sample: int, choice: _Choice, tokens: int | None, stop: Sequence[str]) -> Answer:
    message = choice.message or _Message()
    text = message.content or choice.text or message.refusal or ""
    before = cut(text, stop)
    logprobs = choice.logprobs.all() if choice.logprobs else []
    known = [value for value in logprobs if value is not None] if before is None else []
    return Answer(
        sample=sample,
        text=text if before is None else before,
        finish=FINISHES.get(choice.finish_reason or "") if before is None else "stop",
        refused=bool(message.refusal),
        # a server that does not stop has counted what is cut off
        tokens=None if before is not None else len(known) or tokens,
        logprob=sum(known) if known and len(known) == len(logprobs) else None,
    )


def _completion(content: str) -> _Completion:
    """What an API answered. Raises ValueError or RecursionError if it is not of the protocol."""
    # halves of characters, which JSON may hold and UTF-8 not
    if "\\ud" in content.lower():
        content = json.dumps(json.loads(content), ensure_ascii=False).encode("utf-8", "replace").decode()
    return _Completion.model_validate_json(content)
