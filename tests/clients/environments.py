"""The clients, and an environment for each: a Python or a folder of npm packages, made once and kept."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class RealClient:
    """A client: what is installed for it, and the script that drives it."""

    name: str
    script: str
    packages: tuple[str, ...]

    @property
    def is_node(self) -> bool:
        """Whether it runs in Node."""
        return self.script.endswith(".mjs")


CLIENTS = (
    RealClient("openai-1", "openai_python.py", ("openai<2",)),
    RealClient("openai-2", "openai_python.py", ("openai<3",)),
    RealClient("openai", "openai_python.py", ("openai",)),
    RealClient("openai-node", "openai_node.mjs", ("openai", "zod")),
    RealClient("openai-agents", "openai_agents.py", ("openai-agents",)),
    RealClient("vercel-ai", "vercel_ai.mjs", ("ai", "@ai-sdk/openai", "zod")),
    RealClient("langchain", "langchain_client.py", ("langchain-openai",)),
    RealClient("pydantic-ai", "pydantic_ai_client.py", ("pydantic-ai-slim[openai]",)),
    RealClient("instructor", "instructor_client.py", ("instructor",)),
)


def run_client(client: RealClient, folder: Path, url: str, api_key: str, *, seconds: float = 300) -> str | None:
    """Run a client against this base URL; what it said if it failed, None if all went well."""
    command = [*_make(client, folder / client.name), url]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("LONGHAND_", "OPENAI_"))}
    # As their documents say that another endpoint is named.
    environ = {**kept, "OPENAI_BASE_URL": url, "OPENAI_API_KEY": api_key, "OPENAI_AGENTS_DISABLE_TRACING": "1"}
    try:
        done = subprocess.run(
            command, env=environ, capture_output=True, text=True, timeout=seconds, check=False, cwd=folder / client.name
        )
    except subprocess.TimeoutExpired:
        return f"still ran after {seconds:g} s"
    return None if done.returncode == 0 else f"{done.stdout}\n{done.stderr}"


def make_python(folder: Path, *packages: str) -> Path:
    """The Python of an environment with these packages, made unless it is there."""
    if not (folder / "made").exists():
        folder.mkdir(parents=True, exist_ok=True)
        _run(sys.executable, "-m", "venv", "python", folder=folder)
        pip = ("python/bin/python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        _run(*pip, *packages, folder=folder)
        (folder / "made").touch()
    return folder / "python" / "bin" / "python"


def _make(client: RealClient, folder: Path) -> list[str]:
    """Make the environment unless it is there; how to start the script in it."""
    if not client.is_node:
        return [str(make_python(folder, *client.packages)), str(HERE / client.script)]
    if not (folder / "made").exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true, "type": "module"}')
        _run("npm", "install", "--silent", "--no-audit", "--no-fund", *client.packages, folder=folder)
        (folder / "made").touch()
    # Node finds packages from where the script stands.
    script = folder / client.script
    script.write_text((HERE / client.script).read_text())
    return ["node", str(script)]


def _run(*command: str, folder: Path) -> None:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stdout}\n{done.stderr}")
