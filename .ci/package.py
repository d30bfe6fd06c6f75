"""Build wheel and sdist, check both, and run the quickstart from the wheel, far from the checkout.

`tox run -e package` runs it: it needs build, twine and uv. Argument: where the two files go.
"""

import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def run(*command, folder):
    """Run the command in the folder; end with it where it fails."""
    print("+", *command, flush=True)
    subprocess.run([str(word) for word in command], cwd=folder, check=True)


def build(out):
    """Write both files to `out`, which holds nothing else afterwards; return their paths."""
    for old in [*out.glob("sklearn_debias-*.whl"), *out.glob("sklearn_debias-*.tar.gz")]:
        old.unlink()
    run(sys.executable, "-m", "build", "--outdir", out, ROOT, folder=ROOT)
    (wheel,) = out.glob("*.whl")
    (sdist,) = out.glob("*.tar.gz")
    run(sys.executable, "-m", "twine", "check", "--strict", wheel, sdist, folder=ROOT)
    return wheel, sdist


def try_out(wheel, sdist, folder):
    """Install the wheel in an environment without anything else; run the sdist's quickstart."""
    python = folder / "bare" / "bin" / "python"
    run("uv", "venv", "--python", sys.executable, folder / "bare", folder=folder)
    run("uv", "pip", "install", "--python", python, f"{wheel}[plot]", folder=folder)
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    # A script's own folder comes first among those that are imported from: not the package's.
    (quickstart,) = folder.glob("sklearn_debias-*/examples/quickstart.py")
    where = "import sklearn_debias; print(sklearn_debias.__version__, sklearn_debias.__file__)"
    run(python, "-c", where, folder=folder)
    run(python, quickstart, folder=folder)
    if not (folder / "quickstart.png").stat().st_size:
        sys.exit("The quickstart drew nothing.")


if __name__ == "__main__":
    out = ROOT / (sys.argv[1] if len(sys.argv) > 1 else "dist")
    out.mkdir(parents=True, exist_ok=True)
    files = build(out)
    with tempfile.TemporaryDirectory() as outside:
        try_out(*files, Path(outside))
    print("Fine:", *files, sep="\n")
