"""What a fit says of itself while it runs, where `verbose` asks for it."""

import sys
from typing import Any

from skorch.callbacks import Callback

from sklearn_debias.training._forecast import said

RECENT = 10  # epochs that the time left is judged by
UNSAID = ("epoch", "dur", "batches")


class EpochLog(Callback):
    """Print a line per epoch, with the time left; a bar per phase where someone may be watching."""

    bar: Any = None

    def on_train_begin(self, net: Any, **kwargs: Any) -> None:
        """Announce a phase."""
        self.total = net.phase.max_epochs
        print(f"Phase {net.phase.name!r}: {self.total} epochs")
        if is_watched():
            from tqdm.auto import tqdm  # slow to import

            self.bar = tqdm(total=self.total, desc=net.phase.name, unit="epoch")

    def on_epoch_end(self, net: Any, **kwargs: Any) -> None:
        """Print the epoch's row of the history."""
        done = len(net.history)
        line = f"{done:>{len(str(self.total))}}/{self.total}{terms(net.history[-1])}"
        durations = net.history[-RECENT:, "dur"]
        left = (net.epochs_left - done) * sum(durations) / len(durations)
        line = f"{line}  {durations[-1]:.2f} s, {said(left)} left"
        if self.bar is None:
            print(line, flush=True)
        else:
            self.bar.write(line)
            self.bar.update(done - self.bar.n)

    def close(self) -> None:
        """Leave the bar as it is."""
        if self.bar is not None:
            self.bar.close()
        self.bar = None


def terms(row: dict[str, Any]) -> str:
    """Return what a row of the history holds beside the epoch and the time."""
    names = [
        name
        for name, value in row.items()
        if name not in UNSAID and not name.endswith("_best") and isinstance(value, int | float)
    ]
    # The sum of one loss is that loss.
    if sum(name.endswith("_loss") and name != "valid_loss" for name in names) == 2:
        names = [name for name in names if name != "train_loss"]
    return "".join(f"  {name} {row[name]:.4g}" for name in names)


def is_watched() -> bool:
    """Return whether the output is a terminal or a notebook, where a line can be written anew."""
    kernel = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return sys.stderr.isatty() or hasattr(kernel, "kernel")
