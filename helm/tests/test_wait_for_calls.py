"""What a pod does before it is told to stop: it waits for its calls, and no longer."""

import importlib.util
import subprocess
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import ModuleType

import pytest
from voice_gateway.observe.metrics import Metrics

SCRIPT = Path(__file__).parents[1] / "voice-workflow" / "files" / "wait_for_calls.py"


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("wait_for_calls", SCRIPT)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@contextmanager
def gateway(*pages: str, status: int = 200) -> Generator[tuple[str, list[str]]]:
    """Serves one page after the other, then the last; yields its URL and what was asked."""
    asked: list[str] = []

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(pages[min(len(asked), len(pages)) - 1].encode())

        def log_message(self, format: str, *args: object) -> None: ...  # noqa: A002  # as inherited

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/metrics", asked
        finally:
            server.shutdown()
            serving.join()


def metrics(calls: int) -> str:
    """What a gateway with so many calls shows, by its own hand."""
    shown = Metrics()
    for _ in range(calls):
        shown.began("grpc")
    return shown.exposition("")[0].decode()


def test_counts_the_calls_of_every_front(script: ModuleType) -> None:
    shown = Metrics()
    for front in ("grpc", "grpc", "realtime"):
        shown.began(front)
    assert script.total(shown.exposition("")[0].decode()) == 3


def test_a_gateway_without_calls_is_told_to_stop_at_once(script: ModuleType) -> None:
    with gateway(metrics(0)) as (url, asked):
        script.wait(url, most=60)
    assert asked == ["/metrics"]


def test_a_call_is_waited_for(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "LOOK_S", 0.01)
    with gateway(metrics(1), metrics(1), metrics(0)) as (url, asked):
        script.wait(url, most=60)
    assert len(asked) == 3


def test_a_call_is_not_waited_for_for_ever(
    script: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "LOOK_S", 0.01)
    with gateway(metrics(1)) as (url, asked):
        script.wait(url, most=1)
    assert len(asked) > 1


@pytest.mark.parametrize("status", [404, 500])
def test_who_cannot_be_asked_may_have_calls(script: ModuleType, status: int) -> None:
    with gateway("", status=status) as (url, _):
        assert script.running(url) is None


def test_nobody_there(script: ModuleType) -> None:
    with gateway("") as (url, _):
        pass
    assert script.running(url) is None


def test_as_it_is_run_in_the_pod() -> None:
    with gateway(metrics(0)) as (url, _):
        done = subprocess.run(
            [sys.executable, SCRIPT, f"--metrics={url}", "--first=0.1", "--most=60"],
            capture_output=True,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, b"")
