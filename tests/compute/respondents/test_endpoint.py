"""An endpoint is asked as little as possible, for as long as it makes sense, and never told more than it needs."""

import json
import math
import os
import socket
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from killing import Killer
from loopback import Asked, Loopback, Raw, bernoulli, causal, completion, serving
from tiny_causal import save_causal
from workers import run_job

from mlv.compute.jobs.respond import ASKED, RESPONSES, SCORES
from mlv.compute.machine.options import ExecuteOptions, Silent
from mlv.compute.machine.stopping import StoppedError
from mlv.compute.models import files, loading
from mlv.compute.models.families import CAUSAL
from mlv.compute.respondents import http
from mlv.compute.running.execute import execute
from mlv.schema.errors import DownloadError, JobError, UsageError
from mlv.schema.jobs.directory import JobDirectory
from mlv.schema.jobs.events import Answered, FewerAnswers, ParameterRefused, Waited
from mlv.schema.jobs.respond import Api, Decoding, EndpointRef

KEY = "sk-0123456789-do-not-tell"
TIMES = int(os.environ.get("MLV_KILLS", "1"))
"""How many times as many kills as in every run of the tests."""

Plan = Callable[..., JobDirectory]


def ref(api: Api = "chat") -> EndpointRef:
    return EndpointRef(name="m", as_of="2026-11", api=api)


def options(concurrency: int = 4) -> ExecuteOptions:
    return ExecuteOptions("cpu", 1, key_env="MLV_TEST_KEY", concurrency=concurrency)


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLV_TEST_KEY", KEY)


@pytest.fixture
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "_backoff", lambda _: 0.001)


def outputs(job: JobDirectory) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    names = ("asked", "responses", "scores")
    asked, responses, scores = (pl.read_parquet(job.outputs / f"{name}.parquet") for name in names)
    assert [dict(frame.schema) for frame in (asked, responses, scores)] == [ASKED, RESPONSES, SCORES]
    return asked, responses, scores


def yes(asked: Asked) -> dict[str, Any]:
    return completion(["yes"] * asked.body.get("n", 1), chat="messages" in asked.body)


def test_a_prompt_is_one_request_with_all_of_the_decoding(respond_job: Plan) -> None:
    with serving(yes) as server:
        job = respond_job(server.url, endpoint=ref(), decoding=Decoding(top_p=0.9, stop=("\n", "END")))
        assert execute(job.path, options())
    assert len(server.asked) == 5
    body = min(server.asked, key=lambda asked: len(asked.text)).body
    assert (server.asked[0].path, server.asked[0].key) == ("/v1/chat/completions", f"Bearer {KEY}")
    assert body.pop("seed") < 2**31
    assert body == {
        "model": "m",
        "messages": [{"role": "user", "content": "q Answer:"}],
        **{"temperature": 1.0, "top_p": 0.9, "top_k": 50, "max_tokens": 16, "stop": ["\n", "END"]},
        **{"n": 4, "logprobs": True},
    }
    assert len({asked.body["messages"][0]["content"] for asked in server.asked}) == 5
    asked, responses, scores = outputs(job)
    assert asked.rows() == [(prompt, 7) for prompt in range(1, 6)]
    assert responses.rows() == [
        (prompt, sample, "yes", "stop", False, 1, -0.5) for prompt in range(1, 6) for sample in range(4)
    ]
    assert scores.is_empty()
    usage = json.loads((job.outputs / "usage.json").read_text())
    assert usage.pop("seconds") > 0
    assert usage == {**{"requests": 5, "retries": 0, "prompt_tokens": 35, "completion_tokens": 20, "cached_tokens": 15}}
    assert json.loads((job.outputs / "model.json").read_text()) == {
        "architecture": "endpoint",
        "reported": {"model": "m-1", "system_fingerprint": "fp-1"},
        "model": job.spec().models()[0].model_dump(mode="json"),
    }
    assert job.logged(Answered) == [Answered(prompts=5, answers=20)]


def test_completions_are_given_the_text(respond_job: Plan) -> None:
    with serving(yes) as server:
        job = respond_job(server.url, prompts=1, endpoint=ref("completions"), decoding=Decoding(top_k=None, stop=()))
        run_job(job, options())
    [asked] = server.asked
    assert asked.path == "/v1/completions"
    assert (asked.body["prompt"], asked.body["logprobs"], asked.body["top_k"]) == ("q Answer:", 1, 0)
    assert "stop" not in asked.body
    assert outputs(job)[1]["text"].to_list() == ["yes"] * 4


@pytest.mark.parametrize("given", [1, 3])
def test_fewer_answers_than_asked_are_topped_up_one_by_one(respond_job: Plan, given: int) -> None:
    with serving(lambda asked: completion([f"{asked.number}"] * min(given, asked.body.get("n", 1)))) as server:
        job = respond_job(server.url, prompts=2, samples=6, endpoint=ref())
        run_job(job, options(concurrency=1))
    assert [asked.body.get("n", 1) for asked in server.asked] == [6] + [1] * (6 - given) + [1] * 6
    # each has a seed of its own: the same would draw the same
    assert len({asked.body["seed"] for asked in server.asked}) == len(server.asked)
    assert outputs(job)[1].group_by("prompt").len().sort("prompt").rows() == [(1, 6), (2, 6)]
    assert job.logged(FewerAnswers) == [FewerAnswers(asked=6, given=given)]


def test_more_answers_than_asked_are_left(respond_job: Plan) -> None:
    with serving(lambda _: completion(["yes"] * 9)) as server:
        job = respond_job(server.url, prompts=1, endpoint=ref())
        run_job(job, options())
    assert outputs(job)[1].height == 4


@pytest.mark.parametrize("name", ["n", "seed", "logprobs", "top_k"])
def test_a_parameter_that_is_refused_and_not_needed_is_left_out(respond_job: Plan, name: str) -> None:
    def respond(asked: Asked) -> dict[str, Any] | Raw:
        if name in asked.body:
            return Raw(400, json.dumps({"error": f"Unsupported parameter: '{name}'"}).encode())
        return yes(asked)

    with serving(respond) as server:
        job = respond_job(server.url, prompts=3, endpoint=ref(), decoding=Decoding(top_k=None))
        run_job(job, options(concurrency=1))
        assert outputs(job)[1].height == 12
        assert [event.name for event in job.logged(ParameterRefused)] == [name]
        # what decides how answers are drawn is needed
        strict = respond_job(server.url, prompts=3, endpoint=ref(), decoding=Decoding(top_k=40))
        if name == "top_k":
            with pytest.raises(JobError, match=r"refuses with 400.*top_k") as caught:
                run_job(strict, options())
            assert "--top-k 0" in caught.value.hint


def _breaks(asked: Asked) -> None:
    return None


FAULTS: dict[str, Callable[[Asked], dict[str, Any] | Raw | None]] = {
    "429": lambda _: Raw(429, b"slow down " + KEY.encode(), (("Retry-After", "0"),)),
    "503": lambda _: Raw(503, KEY.encode()),
    "an answer that is none": lambda _: Raw(200, b'{"choices": ' + KEY.encode()),
    "an answer without choices": lambda _: Raw(200, b'{"choices": []}'),
    "another object": lambda _: Raw(200, b'["choices"]'),
    "deep": lambda _: Raw(200, b"[" * 50_000),
    "connection failed": _breaks,
}


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("fault", FAULTS)
def test_what_may_pass_is_tried_again(respond_job: Plan, fault: str) -> None:
    failed: Counter[str] = Counter()

    def respond(asked: Asked) -> dict[str, Any] | Raw | None:
        failed[asked.text] += 1
        return FAULTS[fault](asked) if failed[asked.text] <= 2 else yes(asked)

    with serving(respond) as server:
        job = respond_job(server.url, endpoint=ref())
        run_job(job, options())
    assert outputs(job)[1].height == 20
    waits = job.logged(Waited)
    assert len(waits) == 10
    assert {wait.retries for wait in waits} == {1, 2}
    assert json.loads((job.outputs / "usage.json").read_text())["retries"] == 10


@pytest.mark.usefixtures("_impatient")
@pytest.mark.parametrize("fault", FAULTS)
def test_what_does_not_pass_fails_and_keeps_what_was_answered(respond_job: Plan, fault: str) -> None:
    with serving(lambda asked: yes(asked) if asked.text.startswith("q q q") else FAULTS[fault](asked)) as server:
        job = respond_job(server.url, endpoint=ref())
        with pytest.raises(JobError, match="gave no answer after 8 retries") as caught:
            execute(job.path, options(concurrency=1))
        assert "mlv runs resume" in caught.value.hint
        assert Counter(asked.text for asked in server.asked)["q Answer:"] == 9
    with serving(yes) as server:
        job.update_provenance(model_paths={"m": server.url})
        execute(job.path, options())
    # with one request at a time, none but the first had been put
    assert outputs(job)[1].height == 20
    _assert_secret(job)


def _assert_secret(job: JobDirectory) -> None:
    for path in job.path.rglob("*"):
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path


REFUSALS: dict[str, tuple[Raw, str]] = {
    "400": (Raw(400, b"maximum context length exceeded " + KEY.encode() + b"x" * 2000), "refuses with 400: maximum"),
    "401": (Raw(401, b"wrong key " + KEY.encode()), "refuses with 401"),
    "403": (Raw(403, b"not yours"), "refuses with 403: not yours"),
    "404": (Raw(404, b"no model m"), "refuses with 404: no model m"),
    "redirect": (Raw(307, b"", (("Location", "http://127.0.0.1:9/v1"),)), "leads elsewhere"),
    "large": (Raw(200, b" " * (5 << 16)), "sent more than 256 kB"),
}


@pytest.mark.parametrize("refusal", REFUSALS)
def test_what_will_not_pass_fails_at_once(respond_job: Plan, refusal: str, capsys: pytest.CaptureFixture[str]) -> None:
    answer, message = REFUSALS[refusal]
    with serving(lambda asked: yes(asked) if len(asked.text) > 15 else answer) as server:
        job = respond_job(server.url, endpoint=ref())
        with pytest.raises(JobError, match=message) as caught:
            execute(job.path, options(concurrency=1))
        refused = [asked for asked in server.asked if len(asked.text) <= 15]
        assert len(refused) == 1
    assert len(caught.value.message) < 600
    assert KEY not in f"{caught.value.message}{caught.value.hint}{capsys.readouterr()}"
    assert job.state() == "failed"
    _assert_secret(job)


def test_a_key_in_an_answer_is_blanked_and_a_word_for_none_is_not(
    respond_job: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(lambda asked: completion([f"your key is {asked.key.removeprefix('Bearer ')}"] * 4)) as server:
        job = respond_job(server.url, prompts=1, endpoint=ref())
        execute(job.path, options())
        assert outputs(job)[1]["text"][0] == "your key is [key]"
        _assert_secret(job)
        monkeypatch.setenv("MLV_TEST_KEY", "EMPTY")
        other = respond_job(server.url, prompts=1, endpoint=ref(), seed=1)
        execute(other.path, options())
        assert outputs(other)[1]["text"][0] == "your key is EMPTY"
        monkeypatch.delenv("MLV_TEST_KEY")
        without = respond_job(server.url, prompts=1, endpoint=ref(), seed=2)
        execute(without.path, options())
        assert outputs(without)[1]["text"][0] == "your key is "


@pytest.mark.parametrize("key", ["two\nlines", "schlüssel"])
def test_a_key_that_no_header_can_have_is_refused_without_being_told(
    respond_job: Plan, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("MLV_TEST_KEY", key)
    with pytest.raises(UsageError, match="MLV_TEST_KEY holds what cannot be a key") as caught:
        run_job(respond_job("http://127.0.0.1:9/v1", endpoint=ref()), options())
    assert key not in caught.value.line


@pytest.mark.parametrize(
    "url",
    ["", "/v1", "ftp://host/v1", "http://", "http://me:secret@host/v1", "http://host/v1?key=secret", "http://h/#a"],
)
def test_an_address_is_an_address_alone(respond_job: Plan, url: str) -> None:
    with pytest.raises(UsageError, match="address of the endpoint") as caught:
        run_job(respond_job(url, endpoint=ref()), options())
    assert "secret" not in caught.value.line


def test_an_endpoint_that_is_not_there_is_told_before_anything_is_asked(respond_job: Plan) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    job = respond_job(url, endpoint=ref())
    with pytest.raises(DownloadError, match="cannot be reached"):
        execute(job.path, options())
    assert job.logged(Waited) == []


@pytest.mark.parametrize("name", ["model", "system_fingerprint"])
def test_another_model_under_way_fails_the_job(respond_job: Plan, name: str) -> None:
    with serving(lambda asked: yes(asked) | ({name: "another"} if asked.number > 2 else {})) as server:
        job = respond_job(server.url, endpoint=ref())
        for _ in range(2):
            # also when it is taken up again
            with pytest.raises(JobError, match=f"has changed: its {name} was '.*-1', and is 'another' now"):
                execute(job.path, options(concurrency=1))
    assert len(server.asked) == 5


def test_answers_without_log_probabilities_have_none(respond_job: Plan) -> None:
    choice = {"message": {"content": None, "refusal": "I cannot."}, "finish_reason": "eos"}
    filtered = {"message": {"content": "\ud800yes\nand more"}, "finish_reason": "content_filter"}
    with serving(lambda _: {"choices": [choice, filtered]}) as server:
        job = respond_job(server.url, prompts=1, samples=2, endpoint=ref())
        run_job(job, options())
    asked, responses, _ = outputs(job)
    assert asked.rows() == [(1, None)]
    assert responses.rows() == [
        (1, 0, "I cannot.", None, True, None, None),
        # the server did not stop where it was told to
        (1, 1, "?yes", "stop", False, None, None),
    ]


def test_log_probabilities_of_the_old_form_are_read(respond_job: Plan) -> None:
    choice = {"message": {"content": "yes"}, "logprobs": {"token_logprobs": [-1.0, -0.25]}, "finish_reason": "length"}
    with serving(lambda _: {"choices": [choice]}) as server:
        job = respond_job(server.url, prompts=1, samples=1, endpoint=ref())
        run_job(job, options())
    assert outputs(job)[1].rows() == [(1, 0, "yes", "length", False, 2, -1.25)]


def scores_of_both(respond_job: Plan, folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Scores of the options by a model here, and by the same behind an API."""
    reference = files.resolve(str(folder))
    here = respond_job(str(folder), prompts=3, samples=0, model=reference, chat=False, scored=True)
    run_job(here, options())
    with serving(causal(loading.load(folder, CAUSAL))) as server:
        there = respond_job(server.url, prompts=3, samples=0, endpoint=ref("completions"), scored=True)
        run_job(there, options())
    return outputs(here)[2], outputs(there)[2]


def assert_same_scores(local: pl.DataFrame, remote: pl.DataFrame) -> None:
    assert local.height == 6
    assert local.select("prompt", "number", "tokens").equals(remote.select("prompt", "number", "tokens"))
    for name in ("logprob_sum", "logprob_first"):
        assert (local[name] - remote[name]).abs().max() < 1e-4  # type: ignore[operator]


def test_options_are_scored_as_by_the_same_model_here(respond_job: Plan, tmp_path: Path) -> None:
    assert_same_scores(*scores_of_both(respond_job, save_causal(tmp_path / "model", chat=False)))


@pytest.mark.real
def test_options_are_scored_as_by_the_same_real_model_here(respond_job: Plan, real_chat_model: Path) -> None:
    assert_same_scores(*scores_of_both(respond_job, real_chat_model))


def test_options_are_not_scored_where_that_cannot_be(respond_job: Plan) -> None:
    with pytest.raises(UsageError, match="options cannot be scored") as caught:
        run_job(respond_job("http://127.0.0.1:9/v1", endpoint=ref(), scored=True), options())
    assert "--api completions" in caught.value.hint
    with serving(yes) as server, pytest.raises(JobError, match="no log-probabilities of the option 'agree'"):
        run_job(respond_job(server.url, endpoint=ref("completions"), scored=True), options(concurrency=1))
    assert len(server.asked) == 1


def test_as_many_requests_as_are_allowed_are_under_way(respond_job: Plan) -> None:
    def respond(asked: Asked) -> dict[str, Any]:
        time.sleep(0.05)
        return yes(asked)

    with serving(respond) as server:
        run_job(respond_job(server.url, prompts=40, endpoint=ref()), options(concurrency=6))
    assert server.most_under_way == 6
    assert len(server.asked) == 40


def test_answers_are_as_likely_as_they_are(respond_job: Plan) -> None:
    share = {"q " * number + "Answer:": number / 6 for number in range(1, 6)}
    with serving(bernoulli(lambda text: share[text])) as server:
        job = respond_job(server.url, samples=400, endpoint=ref())
        run_job(job, options())
    rows = outputs(job)[1].group_by("prompt").agg((pl.col("text") == "yes").mean()).sort("prompt").rows()
    assert all(abs(found - prompt / 6) < 0.1 for prompt, found in rows)


class _Shown(Silent):
    """A progress that remembers."""

    def __init__(self) -> None:
        self.total = self.done = 0
        self.said: list[str] = []

    def start(self, total: int, unit: str, label: str) -> None:
        self.total = total

    def advance(self, amount: int, **info: float | str) -> None:
        self.done += amount
        self.said += [f"{name} {value}" for name, value in info.items()]


def test_waiting_is_shown(respond_job: Plan) -> None:
    shown = _Shown()
    header = (("Retry-After", "1"),)
    with serving(lambda asked: Raw(429, b"", header) if asked.number == 0 else yes(asked)) as server:
        run_job(respond_job(server.url, endpoint=ref()), options(), shown)
    assert "waiting 1 s (429), 1 retries" in shown.said
    assert shown.said[-1] == "retries 1"
    assert (shown.total, shown.done) == (20, 20)


def test_a_server_that_asks_to_wait_for_too_long_is_not_waited_for(respond_job: Plan) -> None:
    with serving(lambda _: Raw(429, b"", (("Retry-After", "86400"),))) as server:
        job = respond_job(server.url, endpoint=ref())
        began = time.monotonic()
        with pytest.raises(JobError, match="no answer after 0 retries: 429"):
            run_job(job, options(concurrency=1))
    assert time.monotonic() - began < 10


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("3", 3.0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("soon", None), (None, None), ("9" * 400, math.inf)],
)
def test_the_header_of_a_wait_is_read(header: str | None, seconds: float | None) -> None:
    assert http._asked_to_wait(header) == seconds


class _StopsAfter(_Shown):
    """A progress that ends the work after some answers."""

    def advance(self, amount: int, **info: float | str) -> None:
        super().advance(amount, **info)
        if self.done >= 8:
            raise StoppedError("stopped by SIGTERM")


def test_what_was_answered_before_a_stop_is_not_asked_again(respond_job: Plan) -> None:
    def respond(asked: Asked) -> dict[str, Any]:
        time.sleep(0.02)
        return yes(asked)

    with serving(respond) as server:
        job = respond_job(server.url, prompts=30, endpoint=ref())
        with pytest.raises(StoppedError):
            execute(job.path, options(), _StopsAfter())
        kept = {json.loads(line)["prompt"] for line in (job.work / "responses.jsonl").read_text().splitlines()}
        assert 2 <= len(kept) < 30
        execute(job.path, options())
    asked = Counter(asked.text for asked in server.asked)
    assert {asked["q " * prompt + "Answer:"] for prompt in kept} == {1}
    assert outputs(job)[1].height == 120


def test_part_of_the_answers_and_a_torn_line_are_gone_on_from(respond_job: Plan) -> None:
    with serving(yes) as server:
        job = respond_job(server.url, prompts=2, samples=4, endpoint=ref())
        job.work.mkdir()
        answer = {"sample": 2, "text": "before", "finish": "stop", "tokens": 1, "logprob": None}
        lines = [
            json.dumps({"prompt": 1, "tokens": 5, "answers": [answer, answer | {"sample": 0}]}),
            "garbage",
            json.dumps({"prompt": 2, "tokens": 5, "answers": [answer]})[:-9],
        ]
        (job.work / "responses.jsonl").write_text("\n".join(lines))
        execute(job.path, options(concurrency=1))
        assert [asked.body["n"] for asked in server.asked] == [2, 4]
    assert outputs(job)[1]["text"].to_list() == ["before", "yes", "before", "yes"] + ["yes"] * 4


def test_a_finished_job_asks_nothing_and_needs_no_endpoint(respond_job: Plan) -> None:
    with serving(yes) as server:
        job = respond_job(server.url, endpoint=ref())
        run_job(job, options())
    (job.outputs / "responses.parquet").unlink()
    run_job(job, options())
    assert outputs(job)[1].height == 20


def _repeated(server: Loopback) -> int:
    """Requests beyond the first for a prompt."""
    return sum(count - 1 for count in Counter(asked.text for asked in server.asked).values())


def test_killed_jobs_ask_nothing_twice_but_what_was_under_way(respond_job: Plan) -> None:
    kills = 4 * TIMES
    under_way = ExecuteOptions().concurrency

    def respond(asked: Asked) -> dict[str, Any]:
        time.sleep(0.1)
        return yes(asked)

    killer = Killer({"OMP_NUM_THREADS": "1"})
    try:
        with serving(respond) as server:
            job = respond_job(server.url, prompts=120 * kills, samples=2, endpoint=ref())
            for _ in range(kills):
                before, seconds = len(server.asked), 0.1
                while len(server.asked) == before:
                    assert not killer("execute", job.path, word="begun", seconds=seconds).ended
                    seconds *= 1.5
            assert killer("execute", job.path).ended
    finally:
        killer.close()
    assert _repeated(server) <= kills * under_way
    rows = outputs(job)[1]
    assert rows.select("prompt", "sample").rows() == [(p, s) for p in range(1, 120 * kills + 1) for s in range(2)]
