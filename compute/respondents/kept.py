"""``work/responses.jsonl``: replies as they come, so that an interrupted job asks nothing twice but what was under way.

A line is one reply, and on disk before the next one is asked for. A line that a kill cut off is dropped. A prompt may
have several: each holds a part of what was wanted.
"""

import os
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from mlv.compute.respondents.respondent import Answer, Prompt, Reply, Score, Usage, Wanted


class Kept:
    """The replies of a job, on disk. Closed when the block ends."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        self._lock = threading.Lock()
        self._since = time.monotonic()
        self.replies = self._read(path)

    def _read(self, path: Path) -> list[Reply]:
        content = path.read_bytes()
        whole = content.rfind(b"\n") + 1
        os.truncate(self._file, whole)
        os.lseek(self._file, 0, os.SEEK_END)
        return [reply for line in content[:whole].splitlines() if (reply := _reply(line))]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            os.close(self._file)
            self._file = -1

    def append(self, replies: Sequence[Reply]) -> None:
        """Put replies on disk; what comes when the job has ended is dropped."""
        with self._lock:
            if self._file < 0:
                return
            now = time.monotonic()
            passed, self._since = now - self._since, now
            first, *others = replies
            timed = [first.model_copy(update={"usage": first.usage + Usage(seconds=passed)}), *others]
            file = os.dup(self._file)
            _write(file, "".join(f"{reply.model_dump_json()}\n" for reply in timed).encode())
            self.replies += timed
        # threads wait for the disk side by side
        try:
            os.fsync(file)
        finally:
            os.close(file)

    def answers(self) -> dict[int, dict[int, Answer]]:
        """Sampled answers by prompt and number; the one that came first, if there are two."""
        found: dict[int, dict[int, Answer]] = defaultdict(dict)
        for reply in self.replies:
            for answer in reply.answers:
                found[reply.prompt].setdefault(answer.sample, answer)
        return found

    def scores(self) -> dict[int, tuple[Score, ...]]:
        """Scores of the options by prompt."""
        return {reply.prompt: reply.scores for reply in reversed(self.replies) if reply.scores}

    def tokens(self) -> dict[int, int | None]:
        """Tokens of prompts as they were put."""
        known = {reply.prompt: reply.tokens for reply in self.replies if reply.tokens is not None}
        return {reply.prompt: known.get(reply.prompt) for reply in self.replies}

    def usage(self) -> Usage:
        """What all replies took."""
        return sum((reply.usage for reply in self.replies), Usage())

    def reported(self) -> dict[str, str]:
        """What an endpoint said of its model."""
        return {name: value for reply in self.replies for name, value in reply.reported.items()}

    def left(self, prompts: Sequence[tuple[Prompt, int]], scored: bool) -> list[Wanted]:
        """What is not there yet of prompts and their numbers of samples."""
        answers, scores = self.answers(), self.scores()
        wanted = (
            Wanted(
                prompt,
                tuple(sample for sample in range(samples) if sample not in answers.get(prompt.number, {})),
                scored and prompt.number not in scores,
            )
            for prompt, samples in prompts
        )
        return [one for one in wanted if one.answers]


def _reply(line: bytes) -> Reply | None:
    try:
        return Reply.model_validate_json(line)
    except ValueError:
        return None


def _write(file: int, content: bytes) -> None:
    while content:
        content = content[os.write(file, content) :]
