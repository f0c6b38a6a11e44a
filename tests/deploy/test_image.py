"""The image holds all of Longhand and nothing else, and lets signals through."""

import json
import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", "")


def test_the_version_of_python_and_of_debian_is_pinned() -> None:
    base_images = re.findall(r"^FROM (\S+)", DOCKERFILE, re.MULTILINE)
    assert len(base_images) == 2
    assert len(set(base_images)) == 1
    assert re.fullmatch(r"python:3\.\d+-slim-[a-z]+", base_images[0])


def test_the_image_holds_every_package_and_what_it_is_built_from_is_there() -> None:
    build, final = DOCKERFILE.split("\nFROM ")[1:]
    copied = {
        source for line in re.findall(r"^COPY (?!--from)(.+) \S+$", build, re.MULTILINE) for source in line.split()
    }
    assert set(PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) <= copied
    assert PROJECT["project"]["readme"] in copied
    assert {source for source in copied if not (ROOT / source).exists()} == set()
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert "*" in ignored
    assert {line.removeprefix("!") for line in ignored if line.startswith("!")} == copied
    assert re.findall(r"^COPY (.+)$", final, re.MULTILINE) == ["--from=build /opt/longhand /opt/longhand"]


def test_the_final_stage_builds_nothing_and_runs_as_nobody_special() -> None:
    final = DOCKERFILE.split("\nFROM ")[2]
    assert not re.search(r"\b(pip|apt-get|curl|gcc)\b", final)
    [user] = re.findall(r"^USER (\d+):\d+$", final, re.MULTILINE)
    assert int(user) > 0
    assert final.index("USER") < final.index("CMD")


def test_no_shell_stands_between_the_engine_and_longhand() -> None:
    for form in re.findall(r"^(?:CMD|ENTRYPOINT) (.+)$", DOCKERFILE, re.MULTILINE):
        assert json.loads(form)[0] == "longhand"


def test_the_lock_pins_every_dependency_and_holds_all_that_longhand_names() -> None:
    def normal(name: str) -> str:
        return re.sub(r"[-_.]+", "-", name).lower()

    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pins = [line.split(";")[0].split("\\")[0].strip() for line in lines if line.strip() and line[0] not in "# "]
    unpinned = [pin for pin in pins if not re.fullmatch(r"[\w.-]+(\[[\w,-]+\])?==[\w.+!]+", pin)]
    assert unpinned == []
    locked = {normal(re.split(r"[\[=]", pin)[0]) for pin in pins}
    project = PROJECT["project"]
    needed = {
        normal(re.split(r"[\[<>=!~; ]", item)[0])
        for item in (*project["dependencies"], *project["optional-dependencies"]["server"])
    }
    assert needed <= locked
