"""`make` and what it says where something is missing, with programs in place of the real ones."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOOLS = ("bash", "df", "awk", "cut", "dirname", "rm")


@pytest.fixture
def machine(tmp_path):
    """A machine with nothing on its PATH but a few tools; `put` adds programs, `make_venv` runs the script there."""
    bin_dir = tmp_path / "bin"
    bin_dir.mkdir()
    for tool in TOOLS:
        (bin_dir / tool).symlink_to(shutil.which(tool))

    class Machine:
        venv = tmp_path / "project" / ".venv"

        def put(self, name: str, text: str) -> None:
            path = bin_dir / name
            path.unlink(missing_ok=True)
            path.write_text(f"#!{shutil.which('bash')}\n{text}\n")
            path.chmod(0o755)

        def make_venv(self) -> subprocess.CompletedProcess:
            self.venv.parent.mkdir(exist_ok=True)
            return subprocess.run(
                [ROOT / ".ci" / "make-venv", "python3.11", self.venv], env={"PATH": str(bin_dir)}, capture_output=True,
                text=True,
            )  # fmt: skip

    return Machine()


def _one_sentence(result: subprocess.CompletedProcess, *words: str) -> None:
    assert result.returncode == 2
    assert len(result.stdout.strip().splitlines()) == 1, result.stdout
    assert all(word in result.stdout for word in words), result.stdout
    assert result.stderr == ""


def test_without_python_it_says_what_to_install(machine):
    _one_sentence(machine.make_venv(), "Python is missing", "apt install")


def test_with_an_old_python_it_says_which_is_needed(machine):
    machine.put("python3", 'if [ "$1" = -V ]; then echo Python 3.9.2; else exit 1; fi')
    _one_sentence(machine.make_venv(), "3.11 or newer", "3.9.2")


def test_without_the_venv_module_it_says_what_to_install(machine):
    machine.put("python3.11", 'case "$2" in *ensurepip*) exit 1;; esac')
    _one_sentence(machine.make_venv(), "python3-venv")


def test_without_room_it_says_how_much_is_needed(machine):
    machine.put("python3.11", "exit 0")
    machine.put("df", "echo head; echo disk 10000 9900 100 99% /")
    _one_sentence(machine.make_venv(), "100 MB left", "8000 MB")
    assert not machine.venv.exists()


def test_a_venv_that_is_a_link_to_a_folder_elsewhere_is_used_as_it_is(machine, tmp_path):
    elsewhere = tmp_path / "elsewhere" / "bin"
    elsewhere.mkdir(parents=True)
    (elsewhere / "python").symlink_to(sys.executable)
    machine.venv.parent.mkdir()
    machine.venv.symlink_to(elsewhere.parent)
    result = machine.make_venv()
    assert (result.returncode, result.stdout) == (0, "")


def test_make_alone_lists_what_can_be_done():
    result = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0
    listed = {line.split()[1] for line in result.stdout.splitlines()}
    wanted = {"run", "install", "test", "bench", "lint", "demo", "viewer", "image-check"}
    assert wanted <= listed


def test_a_start_installs_nothing_when_everything_is_there():
    """`make -n` says what would be done; with the requirements older than the mark that is the start alone."""
    mark = ROOT / ".venv" / ".handful-requirements"
    if not mark.exists() or mark.stat().st_mtime < (ROOT / "requirements.txt").stat().st_mtime:
        pytest.skip("this checkout was not installed with make install")
    result = subprocess.run(["make", "-n", "run"], cwd=ROOT, capture_output=True, text=True, env=dict(os.environ))
    assert "pip" not in result.stdout
    assert "engine serve" in result.stdout
