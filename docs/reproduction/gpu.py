"""Show all that a GPU can show, within twelve minutes; without one, at toy size on the CPU.

    python docs/reproduction/gpu.py --out results
    python docs/reproduction/gpu.py --toy

Each part runs in a process of its own, with a limit of seconds, and prints its figures as they
come. A part that fails, hangs or leaves the GPU broken is reported, and the others go on. Figures
are written to gpu.json in the folder of `--out`, or else of the environment variable OUT, or else
nowhere. Toy sizes (`--toy`, and always without CUDA) show that the script reaches its end: no
figure of theirs means anything. Images of the last part are read from SKLEARN_DEBIAS_DATA.
"""

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import threading
import time
import warnings
from datetime import UTC, datetime
from pathlib import Path

MINUTES = 12
BUDGETS = {  # seconds by part, in the order in which they run
    "tests": 120,
    "steps": 150,
    "precision": 70,
    "sweep": 90,
    "heads": 60,
    "embedder": 60,
    "papers": 170,
}
MARK = "FIGURE "


def functions():
    """Return the parts by name; torch is imported here, not by whoever waits for them."""
    sys.path.insert(0, str(Path(__file__).parent))
    import gpu_papers
    import gpu_parts

    own = ("steps", "precision", "sweep", "heads", "embedder")
    found = {name: lambda toy, _, name=name: getattr(gpu_parts, name)(toy) for name in own}
    found["tests"] = lambda toy, _: gpu_parts.cuda_tests(toy)
    found["papers"] = lambda toy, budget: gpu_papers.papers(toy, budget)
    return found


def run_part(name, toy, budget):
    """Run a part in this process, and print a line of JSON for each figure."""
    warnings.simplefilter("ignore")  # noise teaches nothing
    for found in functions()[name](toy, budget):
        print(MARK + json.dumps(found), flush=True)


def machine():
    """Return what the figures were measured on."""
    import torch

    cuda = torch.cuda.is_available()
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "gpu": torch.cuda.get_device_name() if cuda else None,
        "cuda": torch.version.cuda if cuda else None,
        "cpu": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def told(found):
    """Return a figure as a line to read."""
    value = "-" if found["value"] is None else f"{found['value']:.4g}"
    words = f"{found['figure']}: {value} {found['unit']}".rstrip()
    if found["asked"] is not None:
        words += f" (asked: at {found['at']} {found['asked']})"
    return f"{words}; {found['note']}" if found["note"] else words


def in_a_process(name, toy, limit):
    """Yield the figures of a part; the last one says how the part ended, if not well."""
    command = [sys.executable, __file__, "--part", name, "--budget", str(limit)]
    command += ["--toy"] if toy else []
    part = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    late = threading.Event()

    def stop():
        late.set()
        os.killpg(part.pid, signal.SIGKILL)  # the tests' process, too

    timer = threading.Timer(limit, stop)
    timer.start()
    try:
        for line in part.stdout:
            if line.startswith(MARK):
                yield json.loads(line.removeprefix(MARK))
        code = part.wait()
    finally:
        timer.cancel()
        if part.poll() is None:
            os.killpg(part.pid, signal.SIGKILL)
            part.wait()
        part.stdout.close()
    if late.is_set() or code:
        why = f"stopped after {limit:.0f} s" if late.is_set() else f"ended with {code}"
        yield {
            "figure": f"part {name}", "value": None, "unit": "failed", "asked": None, "at": "most",
            "note": why,
        }  # fmt: skip


def report(names, toy, folder):
    """Run the parts one after another, and write what is known after each figure."""
    start = time.monotonic()
    found = {"machine": machine(), "toy": toy, "figures": []}
    print(json.dumps(found["machine"]), flush=True)
    if toy:
        print("Toy sizes: no figure below means anything.", flush=True)
    for name in names:
        left = 60 * MINUTES - (time.monotonic() - start)
        # Toys are short, however many others share the machine.
        limit = 60 * MINUTES if toy else min(BUDGETS[name], left)
        if limit <= 0:
            print(f"{name}: no time is left", flush=True)
            continue
        for one in in_a_process(name, toy, limit):
            found["figures"].append({"part": name, **one})
            print(f"{name}: {told(one)}", flush=True)
            if folder is not None:
                (folder / "gpu.json").write_text(json.dumps(found, indent=1) + "\n")
    failed = [one["part"] for one in found["figures"] if one["unit"] == "failed"]
    spent = time.monotonic() - start
    print(f"The end, after {spent:.0f} s. Parts that failed: {', '.join(failed) or 'none'}.")
    return not failed


def main(arguments=None):
    """Run all parts, or one in this process."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("parts", nargs="*", metavar="part", help=f"of {', '.join(BUDGETS)}")
    parser.add_argument("--toy", action="store_true", help="toy sizes, as always without CUDA")
    parser.add_argument("--out", type=Path, default=os.environ.get("OUT"), help="a folder")
    parser.add_argument("--part", choices=BUDGETS, help="run one part in this process")
    parser.add_argument("--budget", type=float, help="seconds for that part")
    options = parser.parse_args(arguments)
    if options.part:
        run_part(options.part, options.toy, options.budget or BUDGETS[options.part])
        return 0
    unknown = set(options.parts) - set(BUDGETS)
    if unknown:
        parser.error(f"no parts: {', '.join(sorted(unknown))}. There are {', '.join(BUDGETS)}.")
    folder = None if options.out is None else Path(options.out)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    import torch

    toy = options.toy or not torch.cuda.is_available()
    return 0 if report(options.parts or list(BUDGETS), toy, folder) else 1


if __name__ == "__main__":
    sys.exit(main())
