"""The MLflow UI on a store of ours, looked at with a real browser."""

import math
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.support import expected_conditions
from selenium.webdriver.support.ui import WebDriverWait

from pipeline.environment import environment
from pipeline.errors import UserError
from pipeline.journal import Journal, StageResult
from pipeline.recipe.load import load_recipe
from pipeline.reporting import REPORT, reported
from pipeline.tracking import RunFolder, Tracking, read_runs
from pipeline.ui import serve_ui
from tests.browser import WAIT_SECS, open_browser
from tests.test_tracking import MANIFEST, TRAIN, open_tracking

RATES = (0.001, 0.003)
EPOCHS = 12
SERVE = "import sys; from pipeline.ui import serve_ui; serve_ui(sys.argv[1], port=int(sys.argv[2]))"


def val_losses(rate: float) -> list[float]:
    """The curve of a run: the higher the rate the faster it falls."""
    return [math.exp(-rate * 100 * epoch) + 0.1 for epoch in range(EPOCHS)]


def record_run(tracking: Tracking, rate: float, folder: Path) -> None:
    """Writes a run of one stage."""
    recipe = load_recipe("digits", [f"train.optimizer.learning_rate={rate}"])
    facts, files = environment(), {"recipe.yaml": "name: digits\n"}
    with (
        tracking.run("digits", params=recipe.flat(), environment=facts, artifacts=files) as run,
        reported(lambda: run),
    ):
        run.log_data("digits", MANIFEST)
        with run.stage("train", folder=folder, reason="first run of this recipe", ingredients=TRAIN) as stage:
            journal = Journal(folder / "journal.jsonl", (stage.listener,))
            for epoch, val_loss in enumerate(val_losses(rate)):
                journal.log_metrics({"loss": val_loss - 0.1, "val_loss": val_loss}, step=epoch)
            journal.log_metrics({"best/val_loss": val_loss, "best/epoch": EPOCHS - 1, "test/accuracy": 0.98})
            stage.result = StageResult("feed", f"{EPOCHS} epochs")


@contextmanager
def running_ui(uri: str, port: int) -> Iterator[tuple[str, "subprocess.Popen[str]"]]:
    """The UI in a process of its own, ended as with Ctrl-C; yields the address that it prints."""
    command = [sys.executable, "-c", SERVE, uri, str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        address = re.search(r"http://\S+", line)
        assert address, line
        try:
            yield address.group(), process
        finally:
            process.send_signal(signal.SIGINT)


@pytest.fixture(scope="module")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Tracking:
    """A store with two runs."""
    base = tmp_path_factory.mktemp("store")
    tracking = open_tracking(base)
    for rate in RATES:
        folder = base / str(rate)
        folder.mkdir()
        record_run(tracking, rate, folder)
    return tracking


@pytest.fixture(scope="module")
def ui(tracking: Tracking) -> Iterator[str]:
    """Address of the UI on the store."""
    with running_ui(tracking.store.uri, 5000) as (address, _):
        yield address


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port that another program listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


@pytest.fixture
def screenshots(tmp_path: Path) -> Path:
    """Folder for screenshots: that of PLUMBLINE_SCREENSHOTS, else a temporary one."""
    folder = Path(os.environ.get("PLUMBLINE_SCREENSHOTS", tmp_path))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


class Page:
    """The UI in a browser: waits for what it looks for, and clicks as a user does."""

    def __init__(self, browser: Chrome, screenshots: Path):
        self.browser = browser
        self._screenshots = screenshots
        self._wait = WebDriverWait(browser, WAIT_SECS, poll_frequency=0.1)

    def all(self, selector: str, at_least: int = 1) -> list[Any]:
        self._wait.until(lambda b: len(b.find_elements(By.CSS_SELECTOR, selector)) >= at_least, selector)
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def click(self, selector: str) -> None:
        self._wait.until(expected_conditions.element_to_be_clickable((By.CSS_SELECTOR, selector)), selector).click()

    def follow(self, selector: str) -> None:
        """Clicks a link that may be out of sight."""
        self.browser.execute_script("arguments[0].click()", self.all(selector)[0])

    def wait_for_text(self, text: str) -> None:
        self._wait.until(lambda b: text in b.find_element(By.TAG_NAME, "body").text, text)

    def curves(self, count: int) -> list[tuple[list[float], list[float]]]:
        """Epochs and values of the lines of the page's chart, once it has `count` different ones."""
        script = "return [...document.querySelectorAll('.js-plotly-plot')].flatMap(p => p.data.map(t => [t.x, t.y]))"

        def drawn(browser: Chrome) -> list[tuple[list[float], list[float]]]:
            lines: list[Any] = []
            for line in browser.execute_script(script):
                if line not in lines:
                    lines.append(line)
            return lines if len(lines) >= count else []

        return self._wait.until(drawn, "curves")

    def shoot(self, name: str) -> None:
        self.browser.save_screenshot(str(self._screenshots / f"{name}.png"))


@pytest.fixture
def page(tmp_path: Path, screenshots: Path) -> Iterator[Page]:
    with open_browser(tmp_path / "profile") as browser:
        yield Page(browser, screenshots)


def port_of(address: str) -> int:
    return int(address.split(":")[2].split("/")[0])


@pytest.mark.slow
def test_runs_are_selected_and_compared(page: Page, ui: str) -> None:
    page.browser.get(ui)
    page.click("[data-component-id='mlflow.assistant.chat_panel.close']")
    page.all(".ag-center-cols-container .ag-row", at_least=2)
    page.shoot("runs")

    for row in range(2):
        page.click(f"[row-index='{row}'] .ag-selection-checkbox")
    page.click("button[data-testid='runs-compare-button']")
    page.wait_for_text("Comparing 2 Runs")
    page.wait_for_text("train.optimizer.learning_rate")
    (rates,) = [row.text.split()[1:] for row in page.all("tr") if row.text.startswith("train.optimizer.learning_rate")]
    assert sorted(float(rate) for rate in rates) == list(RATES)
    page.shoot("compare")

    page.follow("a[href*='metric=%22val_loss%22']")
    curves = page.curves(count=2)
    assert [epochs for epochs, _ in curves] == [list(range(EPOCHS))] * 2
    assert sorted(values for _, values in curves) == [pytest.approx(val_losses(rate)) for rate in reversed(RATES)]
    page.shoot("curves")


def test_run_page_shows_the_note_the_results_and_the_recipe(page: Page, ui: str, tracking: Tracking) -> None:
    record = next(read_runs(tracking.store))
    page.browser.get(ui.replace("/runs?", f"/runs/{record.id}?"))
    page.click("[data-component-id='mlflow.assistant.chat_panel.close']")
    page.wait_for_text(f"best epoch {EPOCHS - 1}")
    page.wait_for_text("test/accuracy")
    page.wait_for_text("preprocess.normalize")
    page.shoot("run")


def test_the_report_opens_from_the_artifacts_and_fits_a_phone(page: Page, ui: str, tracking: Tracking) -> None:
    record = next(read_runs(tracking.store))
    page.browser.get(f"{ui.split('#')[0]}#/experiments/1/runs/{record.id}/artifacts/{REPORT}")
    page.browser.switch_to.frame(page.all("iframe")[0])
    page.wait_for_text("How to do it again")
    assert len(page.all(".curves svg")) == 1
    page.shoot("report")

    phone = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
    page.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
    page.browser.get(f"file://{RunFolder(tracking.base / 'mlruns' / 'runs' / record.id).artifact(REPORT)}")
    page.wait_for_text("How to do it again")
    assert page.browser.execute_script("return document.documentElement.scrollWidth") == 390
    page.shoot("report_on_a_phone")


@pytest.mark.slow
def test_taken_port_is_passed_over_and_ctrl_c_ends_it(tracking: Tracking, taken_port: int) -> None:
    with running_ui(tracking.store.uri, taken_port) as (address, process):
        assert port_of(address) > taken_port
    assert process.returncode == 0
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port_of(address)))


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_ui_that_is_ended_leaves_no_server_behind(tracking: Tracking, number: signal.Signals) -> None:
    command = [sys.executable, "-m", "pipeline", "ui", "--uri", tracking.store.uri, "--port", "5400"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        address = re.search(r"http://\S+", process.stdout.readline()).group()
        process.send_signal(number)
        assert process.wait(timeout=30) == 128 + number
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port_of(address)))


def test_ui_without_runs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No runs yet"):
        serve_ui(f"sqlite:///{tmp_path}/none.db")
