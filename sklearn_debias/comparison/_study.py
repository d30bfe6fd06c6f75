"""The fits of a comparison: which are due, who does them, and what is known of them afterwards."""

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from joblib import effective_n_jobs, parallel_config
from sklearn.utils.parallel import Parallel, delayed
from tqdm.auto import tqdm

from sklearn_debias.comparison._contenders import Contender
from sklearn_debias.comparison._fits import Judging, Outcome, Task, as_text, recorded, run, stacks
from sklearn_debias.comparison._parts import Part
from sklearn_debias.comparison._stacked import run_stacked
from sklearn_debias.comparison._store import Memory
from sklearn_debias.content import key_of

WAIT = 0.2  # seconds between two looks at what another process does


@dataclass
class Study:
    """What is compared on which rows, and where outcomes are kept.

    Parameters
    ----------
    contenders : dict of str to Contender
    splits : dict of str to list of (Part, Part)
        Per method, the rows it is fitted to and judged by when settings are selected.
    whole : dict of str to Part
        Per method, the rows that the selected settings are fitted to.
    draws : dict of int to Part
        Per seed, the training rows of its fits; empty where all have the same.
    validation : Part or None
        What a monitor of these fits may look at.
    judging : dict of str to Judging
        By stage.
    store : Memory
    is_kept : bool
        Whether the store outlives the process, so that fits need names of their own.
    rules : str
        Name of what selects: the scorer, and how rows are split.
    rows : str
        Name of the rows that fits see; of test rows not their labels.
    n_jobs : int or None
    bar : tqdm
    """

    contenders: dict[str, Contender]
    splits: dict[str, list[tuple[Part, Part]]]
    whole: dict[str, Part]
    draws: dict[int, Part]
    validation: Part | None
    judging: dict[str, Judging]
    store: Memory
    is_kept: bool
    rules: str
    rows: str
    n_jobs: int | None
    bar: tqdm
    counted: int = 0  # fits that the bar has been told of in this round
    keys: dict[Task, str] = field(default_factory=dict)

    def key(self, task: Task) -> str:
        """Return the name of a fit by its settings, its rows and its seed."""
        if task not in self.keys:
            self.keys[task] = self._key(task) if self.is_kept else repr(task)
        return self.keys[task]

    def _key(self, task: Task) -> str:
        contender = self.contenders[task.method]
        configuration = contender.configurations[task.configuration]
        # Of the rows, all that a fit may look at: those of the other parts may be new to a store.
        rules = self.rules if task.stage == "select" else ""
        what = (contender.estimator, configuration, contender.trains_on, rules)
        own = self._draw_of(task)
        drawn = () if own is None else (own.content,)
        return key_of(*what, self.rows, (task.stage, task.seed, task.split), *drawn)

    def _draw_of(self, task: Task) -> Part | None:
        """Return the rows drawn for a fit, where they are its own."""
        is_drawn = task.stage == "test" and self.contenders[task.method].trains_on == "train"
        return self.draws.get(task.seed) if is_drawn else None

    def rows_of(self, task: Task) -> Part:
        """Return the rows that a selected configuration is fitted to."""
        own = self._draw_of(task)
        return self.whole[task.method] if own is None else own

    def outcome(self, task: Task) -> Outcome:
        """Return what came of a fit that was done."""
        found = self.store.get(self.key(task))
        assert found is not None, task
        return found

    def do(self, tasks: Sequence[Task]) -> None:
        """Do the fits that are not done, and wait for those that another process does."""
        due = [task for task in tasks if self.store.get(self.key(task)) is None]
        self.bar.update(len(tasks) - len(due))
        with self.store.at_work():
            while due:
                self.counted = 0
                elsewhere = self._stacks(due)
                self._singles([task for task in due if task not in elsewhere])
                left = [task for task in due if self.store.get(self.key(task)) is None]
                self.bar.update(len(due) - len(left) - self.counted)
                due = left
                if due:
                    time.sleep(WAIT)

    def _stacks(self, tasks: Sequence[Task]) -> set[Task]:
        """Do what can be trained together; return the tasks that another process does."""
        groups: dict[tuple, list[Task]] = {}
        for task in tasks:
            if task.stage == "select" and stacks(self.contenders[task.method].estimator):
                groups.setdefault((task.method, task.seed, task.split), []).append(task)
        elsewhere: set[Task] = set()
        for group in groups.values():
            if len(group) < 2:
                continue
            # All or none: a stack must not be shared with fits of another process.
            if not self.store.claim([self.key(task) for task in group]):
                elsewhere.update(group)
                continue
            first = group[0]
            fit, judged = self.splits[first.method][first.split]
            judging = self.judging[first.stage]
            outcomes = run_stacked(self.contenders[first.method], group, fit, judged, judging)
            if outcomes is not None:
                # One that failed is fitted by itself, which says why.
                self._put([pair for pair in zip(group, outcomes, strict=True) if pair[1].arrays])
        return elsewhere

    def _singles(self, tasks: Sequence[Task]) -> None:
        """Do fits one by one, in parallel where that is asked for."""
        # A backend that gives results only at the end would lose all of them when it is stopped.
        with parallel_config(n_jobs=self.n_jobs) if self.n_jobs is not None else parallel_config():
            parallel = Parallel()
            if getattr(parallel._backend, "supports_return_generator", False):
                parallel = Parallel(return_as="generator_unordered")
                # Those of threads are of no fit in particular, and are kept back together.
                with recorded():
                    for pair in parallel(delayed(_run)(*job) for job in self._claimed(tasks)):
                        self._put([pair])
                return
            size = max(1, effective_n_jobs(parallel.n_jobs))
            for start in range(0, len(tasks), size):
                jobs = self._claimed(tasks[start : start + size])
                self._put(Parallel()(delayed(_run)(*job) for job in jobs))

    def _claimed(self, tasks: Sequence[Task]) -> Iterator[tuple]:
        """Yield what is this process's to do, as late as that can be told."""
        for task in tasks:
            key = self.key(task)
            if self.store.get(key) is not None or not self.store.claim([key]):
                continue
            contender = self.contenders[task.method]
            rows: tuple[Part, Part | None] = (self.rows_of(task), self.validation)
            if task.stage == "select":
                rows = self.splits[task.method][task.split]
            configuration = contender.configurations[task.configuration]
            # One configuration: the others need not travel to another process.
            single = replace(contender, configurations=())
            yield task, single, configuration, *rows, self.judging[task.stage]

    def _put(self, pairs: Sequence[tuple[Task, Outcome]]) -> None:
        """Keep outcomes, say what failed, and move the bar."""
        rows = []
        for task, outcome in pairs:
            contender = self.contenders[task.method]
            settings = as_text(contender.configurations[task.configuration])
            facts = {"method": task.method, "stage": task.stage, "settings": settings}
            rows.append((self.key(task), facts, outcome))
            if outcome.error and not self.bar.disable:
                tqdm.write(
                    f"{task.method} failed at {settings or 'its own settings'}: "
                    f"{outcome.error.splitlines()[0]}",
                    file=sys.stdout,
                )
        self.store.put(rows)
        self.counted += len(pairs)
        self.bar.update(len(pairs))


def _run(
    task: Task,
    contender: Contender,
    configuration: dict[str, Any],
    fit: Part,
    judged: Part | None,
    judging: Judging,
) -> tuple[Task, Outcome]:
    """Do one fit, in whatever process."""
    try:
        estimator = contender.made(configuration, task.seed)
    # What cannot even be made is a failure of this configuration.
    except Exception as reason:
        return task, Outcome(float("nan"), 0.0, f"{type(reason).__name__}: {reason}")
    return task, run(estimator, fit, judged, judging)
