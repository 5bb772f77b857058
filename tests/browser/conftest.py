"""A real store with two results, and a browser to look at it."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.pipeline.small import copy_project, write_params

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
    "--no-sandbox",
)


@pytest.fixture
def page():
    """A new browser's page, which may show no error that nothing handles."""
    executable = next(filter(None, map(shutil.which, BROWSERS)), None)
    if executable is None:
        pytest.skip(f"expected one of {', '.join(BROWSERS)}, found none; `make browser` installs Chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.set_default_timeout(20_000)
        errors = []
        page.on("pageerror", lambda error: errors.append(error))
        # MLflow opens its assistant beside the first page, at the cost of a quarter of the width.
        remember = "localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')"
        page.add_init_script(f"if (window === top) {remember}")  # a sandboxed frame has no storage
        yield page
        browser.close()
    assert errors == []


@pytest.fixture
def screenshot(page, tmp_path):
    """Takes a picture of the page into the test's folder, which pytest keeps."""
    folder = tmp_path / "screenshots"
    print(f"screenshots: {folder}")
    return lambda name: page.screenshot(path=folder / f"{name}.png")


@pytest.fixture
def project(tmp_path):
    """A project whose stages have recorded a complete result, and then another evaluation of the same policies."""
    folder = tmp_path / "project"
    folder.mkdir()
    copy_project(folder)
    write_params(folder, seeds=[2])
    run(folder, "git", "init", "--quiet")
    run(folder, "git", "add", ".")
    run(folder, "git", "-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "--quiet", "--message", "x")
    for stage in ("train", "evaluate", "animate"):
        run(folder, sys.executable, "-m", f"pipeline.{stage}")
    write_params(folder, seeds=[2], evaluate={"seed": 1})
    run(folder, sys.executable, "-m", "pipeline.evaluate")
    return folder


def run(folder, *command):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "MLFLOW_"))}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
