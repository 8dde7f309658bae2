"""Kills schedulers: ``python -m tests.campaigns.crashes --kills 200 --seed 1``, about ten minutes.

Real schedulers, one after another, on one store, each killed with SIGKILL at a moment that `Moments` draws
while it runs the DAGs of `load` and people steer it. After each kill another process (this one) reads what is
on disk, and everything in `checks` must hold. In the end a scheduler is left alone until all runs have ended.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import duckdb

from ppacer_nb.server.address import published
from ppacer_nb.server.client import RemoteScheduler
from tests.benchmarks.table import print_table
from tests.campaigns import load
from tests.campaigns.checks import ALWAYS, IN_THE_END, Check
from tests.campaigns.evidence import Evidence, undisturbed
from tests.campaigns.lives import PATIENCE, Life, Moments
from tests.campaigns.people import People
from tests.campaigns.reading import read
from tests.campaigns.scheduler_process import STORE, UP

#: Seconds for the last scheduler to end what all the others have left.
LAST_LIFE = 300.0

_KILLED = -9
_FEW = 5  # findings of one check that are shown


@dataclass
class Findings:
    """What does not hold, by check."""

    by_check: dict[str, list[str]] = field(default_factory=dict)

    def note(self, check: str, when: str, sentence: str) -> None:
        """Keep a finding."""
        self.by_check.setdefault(check, []).append(f"{when}: {sentence}")

    def __str__(self) -> str:
        lines = []
        for check, found in self.by_check.items():
            lines += [f"{check}: {len(found)} times", *(f"    {text}" for text in found[:_FEW])]
        return "\n".join(lines)


class Campaign:
    """A folder in which schedulers live and are killed, and what was found out about it."""

    def __init__(self, folder: Path, seed: int, *, kernels: bool) -> None:
        self.folder = folder
        self.findings = Findings()
        self.killed: Counter[str] = Counter()  #: by kind of moment
        self.stopped = 0  #: lives that had ended in order before they could be killed
        self._rng = random.Random(seed)
        self._moments = Moments(self._rng)
        self._load = "threads and kernels" if kernels else "threads"
        self.known = Evidence(load.dags(self._load))
        self._lives = 0
        self._journal_read = 0
        (folder / "failures").mkdir()
        (folder / "journal").touch()

    @property
    def kills(self) -> int:
        """How many there have been."""
        return sum(self.killed.values())

    def kill_one(self) -> str:
        """Start a scheduler, kill it and look; return at which kind of moment it was to be."""
        self._lives += 1
        kind = self._rng.choice(list(self._moments.kinds))
        life = Life(self.folder, self._load)
        people = _Crowd(self, life, str(self._lives))
        try:
            self._moments.kinds[kind](life)
        finally:
            left = life.kill()
            people.disperse()
        self._moments.note(life)
        if life.process.returncode == _KILLED:
            self.killed[kind] += 1
        elif life.process.returncode == 0:
            self.stopped += 1
        else:
            self._note("lives_until_killed", f"it ended by itself: {life.words}")
        for process in left:
            self._note("leaves_nothing_behind", f"{process} still lives")
        if people.failure is not None:
            self._note("api_answers", f"{type(people.failure).__name__}: {people.failure}")
        self.look(was_up=life.was_up)
        return kind

    def finish(self) -> float:
        """Let a last scheduler end all runs; return the seconds that it took."""
        began = time.monotonic()
        life = Life(self.folder, self._load, "--only-finish")
        life.wait_for(UP)
        address = published(self.folder / STORE)
        assert address is not None
        scheduler = RemoteScheduler(address)
        changed = threading.Event()
        unsubscribe = scheduler.subscribe(lambda _: changed.set())
        while _unfinished(scheduler) and changed.wait(LAST_LIFE - (time.monotonic() - began)):
            changed.clear()
        unsubscribe()
        seconds = time.monotonic() - began
        scheduler.stop(wait=timedelta(0))
        life.end()
        self.look(was_up=True, checks=(*ALWAYS, *IN_THE_END))
        return seconds

    def look(self, *, was_up: bool, checks: tuple[Check, ...] = tuple(ALWAYS)) -> None:
        """Read what is on disk and check it."""
        try:
            left = read(self.folder / STORE, len(self.known.rows))
        except duckdb.Error as error:
            self._note("can_be_opened", str(error))
            return
        self.known.take_in(left, list(self._new_lines()), was_up=was_up)
        for check in checks:
            for sentence in check(self.known):
                self._note(check.__name__, sentence)
        self.known.have_checked()

    def _note(self, check: str, sentence: str) -> None:
        self.findings.note(check, f"life {self._lives}", sentence)

    def _new_lines(self) -> Iterator[str]:
        with (self.folder / "journal").open() as journal:
            journal.seek(self._journal_read)
            text = journal.read()
        whole = text.rpartition("\n")[0]  # what runs in a kernel may write right now
        self._journal_read += len(whole) + 1 if whole else 0
        yield from whole.splitlines()


class _Crowd:
    """The people around one life."""

    def __init__(self, campaign: Campaign, life: Life, name: str) -> None:
        self._life = life
        rng = campaign._rng
        self._people = [
            People(campaign.folder / STORE, campaign.known.promises, random.Random(rng.random()), who, count)
            for who, count in ((f"Ola {name}", rng.randint(1, 8)), (f"Jan {name}", rng.randint(1, 8)))
        ]
        self._arriving = threading.Thread(target=self._arrive)
        self._arriving.start()

    @property
    def failure(self) -> Exception | None:
        """What the API did that it must not."""
        return next((person.failure for person in self._people if person.failure is not None), None)

    def disperse(self) -> None:
        """Let them go home; their scheduler is gone."""
        for person in self._people:
            person.leave.set()
        self._arriving.join()
        for person in self._people:
            if person.ident is not None:
                person.join(PATIENCE)

    def _arrive(self) -> None:
        self._life.reached[UP].wait(PATIENCE)
        if self._life.was_up:
            for person in self._people:
                person.start()


def _unfinished(scheduler: RemoteScheduler) -> int:
    counts = scheduler.history.counts()
    return sum(count for state, count in counts.items() if not state.is_terminal)


def main() -> None:
    """Run a campaign, and print what came of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-kernels", action="store_true", help="only tasks in threads")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ppacer-crashes-") as folder:
        campaign = Campaign(Path(folder), given.seed, kernels=not given.no_kernels)
        began = time.monotonic()
        while campaign.kills < given.kills:
            kind = campaign.kill_one()
            rows, findings = len(campaign.known.rows), sum(map(len, campaign.findings.by_check.values()))
            print(
                f"{time.monotonic() - began:6.1f} s  kill {campaign.kills:3}  {kind:13} "
                f"{rows:7} events  {len(campaign.known.runs):5} runs  {findings} findings",
                flush=True,
            )
        last = campaign.finish()
        _print_summary(campaign, given.seed, time.monotonic() - began, last)
    sys.exit(1 if campaign.findings.by_check else 0)


def _print_summary(campaign: Campaign, seed: int, seconds: float, last: float) -> None:
    known = campaign.known
    states = Counter(row.state for row in known.rows if row.kind == "task")
    print()
    print_table(
        ("crash campaign", f"seed {seed}"),
        [
            *((f"killed: {kind}", str(count)) for kind, count in campaign.killed.items()),
            ("ended in order before the kill", str(campaign.stopped)),
            ("took", f"{seconds:.0f} s, the last scheduler {last:.1f} s of them"),
            ("events", str(len(known.rows))),
            ("runs, of them undisturbed", f"{len(known.runs)}, {sum(1 for _ in undisturbed(known))}"),
            ("attempts, of them interrupted", f"{states['running']}, {states['interrupted']}"),
            ("bodies begun", str(sum(line.what == "start" for line in known.journal))),
            ("requests kept, refused", f"{known.kept}, {known.promises.refused}"),
            ("file", f"{(campaign.folder / STORE).stat().st_size / 1e6:.1f} MB"),
            *((f"BROKEN: {check}", str(len(found))) for check, found in campaign.findings.by_check.items()),
        ],
    )
    print(campaign.findings)


if __name__ == "__main__":
    main()
