"""What a person sees of a running study: one live table on a terminal, a plain line per trial anywhere else."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from regimens.core.result import Result
from regimens.core.terminal import interactive
from regimens.study.definition.study import Study
from regimens.study.queue.standing import Standings


@dataclass
class View:
    """Hears the workers' events. `done` is how many trials were done before this command began."""

    study: Study
    done: int
    workers: int = 1
    running: dict[tuple[str, str, int], dict[str, Any]] = field(default_factory=dict)
    #: the results before this command began
    earlier: Iterable[Result] = ()
    #: how many trials of this command ended otherwise than completed, by status
    odd: Counter[str] = field(default_factory=Counter)
    #: when each trial of this command ended
    _ends: list[float] = field(default_factory=list)
    _live: Any = None
    _told: str = ""
    _plan: str = ""

    def __post_init__(self) -> None:
        self.standings = Standings.of(self.study, self.earlier)

    def __enter__(self) -> View:
        if interactive(sys.stdout):
            from rich.live import Live

            self._live = Live(get_renderable=self.table, refresh_per_second=4, transient=True)
            self._live.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._live is not None:
            self._live.__exit__(*error)

    def hear(self, event: dict[str, Any]) -> None:
        """Take note of one event; see worker.py for what events there are."""
        kind = event["event"]
        if kind == "died":
            self._drop(event["worker"])
            self.say(f"worker {event['worker']} died (status {event['status']}); a new one takes its place")
        if kind == "waiting":
            self.say(event["message"])
        if kind == "round" and self.study.plan != self._plan:
            self._plan = self.study.plan
            self.say(self._plan)
        if kind == "round" and (told := self.standings.sentence) and told != self._told:  # each worker tells of a round
            self._told = told
            self.say(f"so far: {told}")
        if kind not in ("started", "epoch", "finished"):
            return
        key = (event["cell"], event["phase"], event["number"])
        if kind == "finished":
            self.running.pop(key, None)
            self.done += 1
            self._ends.append(time.monotonic())
            self.standings.note(event["cell"], event["phase"], event["status"], event.get("metrics") or {})
            self.odd.update([event["status"]] if event["status"] != "completed" else [])
            self.say(self._line(event))
        else:
            self.running.setdefault(key, {"since": time.monotonic()}).update(event)

    def say(self, line: str) -> None:
        """Print a line above the live table, or just print it."""
        if self._live is not None:
            self._live.console.print(line, highlight=False, markup=False)
        else:
            print(line, flush=True)

    def left(self) -> float | None:
        """Seconds left, by the pace since the first trial of this command ended; None until there is one.

        The first trial also waits for the libraries to load, so its own time says little.
        """
        counted = len(self._ends) - 1
        if counted < self.workers:
            return None
        return (self._ends[-1] - self._ends[0]) / counted * max(0, self.study.expected - self.done)

    def table(self) -> Any:
        """The live table: running trials, what is known of each cell so far, progress, failures, who leads."""
        from rich.table import Table

        left = self.left()
        title = f"{self.study.name}  {self.done}/{self.study.expected} trials"
        title += f"  {duration(left)} left" if left is not None else ""
        title += "".join(f"  {count} {status}" for status, count in sorted(self.odd.items()))
        table = Table(title=title, title_justify="left", caption=self.standings.sentence, caption_justify="left")
        for column in ("cell", "running", "epoch", self.study.metric, "so far"):
            table.add_column(column)
        busy = {key[0] for key in self.running}
        for (cell, phase, number), event in sorted(self.running.items()):
            value = event.get("value")
            number_text = "" if value is None else f"{value:.4f}"
            of_cell = self.standings.of_cell(cell)
            table.add_row(cell, f"{phase} {number}", str(event.get("epoch", "")), number_text, of_cell)
        known = [one.label for one in self.standings.ranked]
        known += [one.label for one in self.study.cells if one.label in self.standings.tuning.keys() - {*known}]
        for cell in [one for one in known if one not in busy][:20]:
            table.add_row(cell, "", "", "", self.standings.of_cell(cell))
        return table

    def _drop(self, worker: int) -> None:
        self.running = {key: event for key, event in self.running.items() if event.get("worker") != worker}

    def _line(self, event: dict[str, Any]) -> str:
        value = (event.get("metrics") or {}).get(self.study.metric)
        outcome = f"{self.study.metric}={value:.4f}" if value is not None else ""
        if event["status"] != "completed":
            outcome = f"{event['status']} {event.get('error') or outcome}".strip()
        left = self.left()
        ahead = f"  ({duration(left)} left)" if left else ""
        where = f"{event['cell']} {event['phase']} {event['number']}"
        return f"[{self.done}/{self.study.expected}] {where}: {outcome}{ahead}"


def duration(seconds: float) -> str:
    """`90` as `1 min 30 s`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
