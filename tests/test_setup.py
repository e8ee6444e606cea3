"""What a person starts with: config.toml, the Makefile, the pins, the folders' READMEs."""

import importlib.metadata
import itertools
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from onebot_bot.config import Config, config_keys, load_config

ROOT = Path(__file__).parent.parent


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


# --- config.toml -------------------------------------------------------------------------------------------


def test_shipped_config_is_the_defaults() -> None:
    """config.toml as shipped changes nothing."""
    assert load_config(ROOT / "config.toml") == Config()


def test_shipped_config_has_every_key_with_a_chinese_comment() -> None:
    """Each key stands there, in the order of the Structs, below a comment in Chinese."""
    section = ""
    found = []
    lines = read("config.toml").splitlines()
    for above, line in zip(["", *lines], lines, strict=False):
        if header := re.fullmatch(r"\[(\w+)\]", line):
            section = header[1]
        elif key := re.match(r"(\w+) = ", line):
            found.append(f"{section}.{key[1]}" if section else key[1])
            assert re.match(r"# .*[\u4e00-\u9fff]", above), key[1]
    assert found == ["version", *(key.path for key in config_keys())]


def test_shipped_config_tells_what_needs_a_restart() -> None:
    """The comment above a key says 重启生效 exactly when the key is not live."""
    blocks = re.findall(r"((?:^#.*\n)+)(\w+) = ", read("config.toml"), re.MULTILINE)[1:]
    told = ["重启生效" not in comment for comment, _ in blocks]
    assert told == [key.live for key in config_keys()]


# --- pins --------------------------------------------------------------------------------------------------


def pins() -> dict[str, str]:
    lines = [line for line in read("constraints.txt").splitlines() if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, _, version in (line.partition("==") for line in lines)}


def test_every_dependency_is_pinned_within_its_range() -> None:
    """constraints.txt has an exact version of each requirement of pyproject.toml, extras included."""
    project = tomllib.loads(read("pyproject.toml"))["project"]
    wanted = [*project["dependencies"], *itertools.chain(*project["optional-dependencies"].values())]
    requirements = [Requirement(text) for text in wanted]
    pinned = pins()
    outside = [
        str(requirement)
        for requirement in requirements
        if not requirement.specifier.contains(pinned.get(canonicalize_name(requirement.name), "0.0.0.dev0"))
    ]
    assert outside == []


def test_what_the_dependencies_bring_along_is_pinned() -> None:
    """All of it that is installed here: `make audit` looks at what is pinned, and at nothing else."""
    project = tomllib.loads(read("pyproject.toml"))["project"]
    asked = [Requirement(text) for text in project["dependencies"]]
    asked += [Requirement(text) for text in itertools.chain(*project["optional-dependencies"].values())]
    seen: dict[str, set[str]] = {}
    while asked:
        asked = [further for requirement in asked for further in brought_along(requirement, seen)]
    tools = {"pip", "setuptools"}  # every environment has its own, which pip freeze leaves out
    assert seen.keys() - pins().keys() - tools == set()


def brought_along(requirement: Requirement, seen: dict[str, set[str]]) -> list[Requirement]:
    """What an installed package asks for, once for each of its extras; these are noted in `seen`."""
    name = canonicalize_name(requirement.name)
    extras = {"", *requirement.extras} - seen.get(name, set())
    try:
        found = [Requirement(text) for text in importlib.metadata.requires(name) or []]
    except importlib.metadata.PackageNotFoundError:  # for another platform, or of an extra that is not installed
        return []
    seen.setdefault(name, set()).update(extras)
    return [one for one in found if any(one.marker is None or one.marker.evaluate({"extra": each}) for each in extras)]


def test_pins_hold_on_every_platform() -> None:
    """No pin names a build (`+cpu`), a file or the project itself."""
    wrong = {name: v for name, v in pins().items() if not re.fullmatch(r"[0-9][0-9a-z.]*", v)}
    assert wrong == {}
    assert "onebot-bot" not in pins()


# --- make --------------------------------------------------------------------------------------------------


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with what the Makefile works on."""
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    for name in ("Makefile", "pyproject.toml", "constraints.txt", "config.toml"):
        shutil.copy(ROOT / name, tmp_path)
    return tmp_path


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environ = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    return subprocess.run(
        ["make", *words], cwd=folder, env=environ, capture_output=True, text=True, timeout=20, check=False
    )


def executable(path: Path, script: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return path


def test_make_tells_a_missing_python(checkout: Path) -> None:
    """Without Python the message says which one and how to name another."""
    done = make(checkout, "run", "PYTHON=no-such-python")
    assert done.returncode != 0
    assert "Install Python 3.11 or newer, or name it: make run PYTHON=" in done.stderr


def test_make_tells_an_old_python(checkout: Path) -> None:
    """A Python that is too old is told with its version, and no environment is made."""
    old = executable(checkout / "old", '[ "$1" = --version ] && echo "Python 3.9.2" || exit 1')
    done = make(checkout, "run", f"PYTHON={old}")
    assert done.returncode != 0
    assert "Python 3.9.2 is too old: Python 3.11 or newer is needed" in done.stderr
    assert not (checkout / ".venv").exists()


@pytest.mark.parametrize(
    ("told", "unchecked"),
    [("torch 2.0.0 CVE-2099-1 Fix: 2.0.1", False), ("ConnectionError: Max retries exceeded with url: /x", True)],
)
def test_an_audit_without_a_network_says_that_nothing_was_checked(
    checkout: Path,
    told: str,
    unchecked: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """A hole and a missing network both fail, and are told apart."""
    executable(checkout / ".venv/bin/python", f"case \"$*\" in *pip_audit*) echo '{told}'; exit 1;; esac")
    done = make(checkout, "audit")
    assert done.returncode != 0
    assert told in done.stdout
    assert ("Nothing was checked" in done.stderr) == unchecked


def test_make_installs_only_what_changed(checkout: Path) -> None:
    """The second start installs nothing; a changed pyproject.toml or pin does."""
    executable(checkout / ".venv/bin/python", "exit 0")
    assert make(checkout, ".venv/.installed").returncode == 0
    assert make(checkout, "-q", ".venv/.installed").returncode == 0
    for name in ("pyproject.toml", "constraints.txt"):
        later = (checkout / ".venv/.installed").stat().st_mtime + 10
        os.utime(checkout / name, (later, later))
        assert make(checkout, "-q", ".venv/.installed").returncode == 1
        os.utime(checkout / ".venv/.installed", (later + 1, later + 1))


@pytest.mark.parametrize(
    ("path", "present", "expected"),
    [
        ("models/trial", False, ["fetch trial", "run"]),
        ("models/trial", True, ["run"]),
        ("models/qwen3-vl-4b", False, ["run"]),
    ],
)
def test_make_run_fetches_the_trial_model_once(
    checkout: Path, path: str, *, present: bool, expected: list[str]
) -> None:
    """The trial model is fetched when it is missing and config.toml names it."""
    executable(checkout / ".venv/bin/python", "exit 0")
    executable(checkout / ".venv/bin/onebot-bot", 'echo "$@" >>calls')
    config = checkout / "config.toml"
    config.write_text(config.read_text(encoding="utf-8").replace("models/trial", path), encoding="utf-8")
    if present:
        (checkout / "models/trial").mkdir(parents=True)
        (checkout / "models/trial/config.json").touch()
    done = make(checkout, "run")
    assert done.returncode == 0, done.stderr
    assert (checkout / "calls").read_text().splitlines() == expected


def test_make_clean_keeps_what_a_person_has(checkout: Path) -> None:
    """Models, memories and settings survive `make clean`."""
    kept = ["config.toml", "models/trial/config.json", "memory_store/memory.sqlite3"]
    for name in [*kept[1:], ".venv/bin/python", "onebot_bot/__pycache__/x.pyc", "tests/t.py", "bench/b.py"]:
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        (checkout / name).touch()
    done = make(checkout, "clean")
    assert done.returncode == 0, done.stderr
    assert [name for name in kept if not (checkout / name).exists()] == []
    assert not (checkout / ".venv").exists()
    assert not (checkout / "onebot_bot/__pycache__").exists()


def test_ci_fails_with_its_first_failing_step(checkout: Path) -> None:
    """`.ci/run` can be started, and ends non-zero when a check does."""
    shutil.copytree(ROOT / ".ci", checkout / ".ci")
    executable(checkout / ".venv/bin/python", "exit 0")
    executable(checkout / ".venv/bin/ruff", "echo found something; exit 1")
    done = subprocess.run([checkout / ".ci/run"], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode != 0
    assert "found something" in done.stdout
    assert "==> Tests" not in done.stdout


# --- folders -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("folder", ["models", "memory_store", "training", "personas"])
def test_folders_of_the_operator_explain_themselves(folder: str) -> None:
    """Each has a README of 10 to 20 lines that says what deleting does, and holds no Python."""
    text = read(f"{folder}/README.md")
    assert 10 <= len(text.splitlines()) <= 20
    assert "Deleting" in text
    assert list((ROOT / folder).rglob("*.py")) == []
