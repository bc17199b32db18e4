"""What the guides have as code: `python guide.py project DIR` makes the Django project of its guide in DIR, and `python guide.py
python|javascript FILE` writes the blocks of that guide as one program."""

import re
import subprocess
import sys
from pathlib import Path

GUIDES = Path(__file__).parents[2] / "web" / "guides"
#: The guide promises no more than this.
MOST_LINES = 40


def make_project(target: Path) -> None:
    """Makes the project as the guide says, with nothing that it does not say."""
    target.mkdir(parents=True)
    subprocess.run([sys.executable, "-m", "django", "startproject", "mysite", "."], cwd=target, check=True)
    subprocess.run([sys.executable, "manage.py", "startapp", "library"], cwd=target, check=True)
    text = (GUIDES / "django.md").read_text()
    parts = re.findall(r"<!-- part of (\S+) -->\n```python\n(.*?)```", text, re.S)
    assert len(parts) == 8, [name for name, _ in parts]
    lines = sum(1 for _, code in parts for line in code.splitlines() if line.strip())
    assert lines <= MOST_LINES, f"the guide's project has {lines} lines"
    for name, code in parts:
        place = target / name
        # The files of `startapp` are empty but for an import that is not used.
        before = place.read_text() if name.startswith("mysite/") and place.exists() else ""
        place.write_text(before + code)
    print(f"ok: the guide's project has {lines} lines")


def make_program(guide: str, target: Path) -> None:
    """The blocks that come one after another; those after a comment `not run` are left out."""
    fence = {"python": "python", "javascript": "js"}[guide]
    text = (GUIDES / f"{guide}.md").read_text()
    blocks = re.findall(rf"(<!-- not run: [^\n]* -->\n)?```{fence}\n(.*?)```", text, re.S)
    run = [code for skipped, code in blocks if not skipped]
    assert len(run) >= 5, f"only {len(run)} blocks of {guide}.md are run"
    target.write_text("\n".join(run))


if __name__ == "__main__":
    kind, target = sys.argv[1], Path(sys.argv[2])
    make_project(target) if kind == "project" else make_program(kind, target)
