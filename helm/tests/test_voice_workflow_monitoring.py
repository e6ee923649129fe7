"""The gateway's alerts and dashboard: valid, fired when they should, of metrics that there are."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from rendered_charts import Helm, Manifest
from voice_gateway.observe.metrics import Metrics

HERE = Path(__file__).parent
CHART = HERE.parent / "voice-workflow"
DASHBOARD = CHART / "files" / "dashboard.json"
ON = {"monitoring": {"rules": {"enabled": True}, "dashboard": {"enabled": True}}}


@pytest.fixture(scope="session")
def promtool(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Prometheus' own checker: from the PATH, or out of Debian's package."""
    if found := shutil.which("promtool"):
        return found
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    kept = cache / "voice-workflow" / "promtool"
    if not kept.exists():
        if not shutil.which("apt-get"):
            pytest.skip("promtool is missing: install Prometheus")
        fetch_promtool(tmp_path_factory.mktemp("prometheus"), kept)
    return str(kept)


def fetch_promtool(work: Path, kept: Path) -> None:
    work.chmod(0o777)  # apt fetches as a user of its own
    download = ["apt-get", "-qq", "download", "prometheus"]
    if subprocess.run(download, cwd=work, timeout=120, capture_output=True, check=False).returncode:
        subprocess.run(["apt-get", "-qq", "update"], timeout=120, check=True, capture_output=True)
        subprocess.run(download, cwd=work, timeout=120, check=True, capture_output=True)
    (package,) = work.glob("prometheus_*.deb")
    subprocess.run(["dpkg", "-x", package, work / "out"], check=True)
    kept.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(work / "out" / "usr" / "bin" / "promtool", kept.with_suffix(".new"))
    kept.with_suffix(".new").rename(kept)


@pytest.fixture
def rules(helm: Helm) -> Manifest:
    return helm.template(CHART, ON).one("PrometheusRule")["spec"]


def check(promtool: str, *arguments: Any) -> str:
    done = subprocess.run(
        [promtool, *map(str, arguments)], text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.timeout(300)  # promtool is fetched once
def test_alerts_are_valid(promtool: str, rules: Manifest, tmp_path: Path) -> None:
    written = tmp_path / "rules.yaml"
    written.write_text(yaml.safe_dump(rules))
    assert "10 rules found" in check(promtool, "check", "rules", written)


@pytest.mark.timeout(300)
def test_alerts_fire_when_they_should_and_only_then(
    promtool: str, rules: Manifest, tmp_path: Path
) -> None:
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(rules))
    cases = (HERE / "voice_workflow_alerts.yaml").read_text()
    (tmp_path / "cases.yaml").write_text(cases)
    assert "SUCCESS" in check(promtool, "test", "rules", tmp_path / "cases.yaml")


def test_every_alert_has_a_case(rules: Manifest) -> None:
    cases = yaml.safe_load((HERE / "voice_workflow_alerts.yaml").read_text())
    tried = {
        one["alertname"]
        for case in cases["tests"]
        for one in case["alert_rule_test"]
        if one.get("exp_alerts")
    }
    assert {rule["alert"] for group in rules["groups"] for rule in group["rules"]} == tried


@pytest.mark.timeout(300)
def test_expressions_of_the_dashboard_are_valid(promtool: str, tmp_path: Path) -> None:
    recorded = [
        {"record": f"panel:{at}", "expr": expression.replace("$__rate_interval", "5m")}
        for at, expression in enumerate(expressions())
    ]
    written = tmp_path / "panels.yaml"
    written.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": recorded}]}))
    check(promtool, "check", "rules", written)


def test_panels_lie_beside_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    panels = json.loads(DASHBOARD.read_text())["panels"]
    for panel in panels:
        at = panel["gridPos"]
        cells = {
            (x, y)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        }
        assert not cells & taken, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in panels}) == len(panels)


def test_dashboard_arrives_whole_and_is_found(helm: Helm) -> None:
    made = helm.template(CHART, ON).one("ConfigMap", "voice-gateway-gateway-dashboard")
    assert made["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert json.loads(made["data"]["voice-gateway.json"]) == json.loads(DASHBOARD.read_text())


def test_service_monitor_reads_the_metrics_page(helm: Helm) -> None:
    made = helm.template(CHART, {"monitoring": {"serviceMonitor": {"enabled": True}}})
    (endpoint,) = made.one("ServiceMonitor")["spec"]["endpoints"]
    assert (endpoint["port"], endpoint["path"]) == ("internal", "/metrics")
    chosen = made.one("ServiceMonitor")["spec"]["selector"]["matchLabels"]
    read = [
        one["metadata"]["name"]
        for one in made.of("Service")
        if chosen.items() <= one["metadata"]["labels"].items()
        and any(port["name"] == "internal" for port in one["spec"]["ports"])
    ]
    assert read == ["voice-gateway-gateway"]


def test_metrics_and_labels_are_those_the_gateway_has(helm: Helm, rules: Manifest) -> None:
    known = dict(families())
    scaled = json.dumps(helm.template(CHART, {"autoscaling": {**KEDA}}).one("ScaledObject"))
    asked = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    for expression in [*asked, *expressions(), scaled]:
        for name, labels in selectors(expression):
            assert name in known, f"{name} in {expression}"
            extra = labels - known[name] - {"namespace", "service", "pod"}
            assert not extra, f"{name} has no label {extra}: {expression}"


KEDA = {
    "enabled": True,
    "metricsCollected": True,
    "engine": "keda",
    "keda": {"prometheusUrl": "http://prometheus:9090"},
}


def families() -> Generator[tuple[str, set[str]]]:
    """Name and labels of everything the gateway counts, and of what Prometheus adds."""
    metrics = Metrics()
    metrics.began("grpc")
    metrics.ended("grpc", "completed", 1.0)
    metrics.upstream("asr", True)
    registry = metrics._registry  # pyright: ignore[reportPrivateUsage]
    # What is declared, called or not.
    collectors = registry._collector_to_names  # pyright: ignore[reportPrivateUsage]
    for collector, names in collectors.items():
        labels = {"le", *getattr(collector, "_labelnames", ())}
        yield from ((name, labels) for name in names)
    yield "up", set()
    page = metrics.exposition("")[0].decode()
    for family in text_string_to_metric_families(page):
        yield from ((sample.name, {"le", *sample.labels}) for sample in family.samples)


def expressions() -> list[str]:
    panels = json.loads(DASHBOARD.read_text())["panels"]
    return [target["expr"] for panel in panels for target in panel.get("targets", [])]


def selectors(expression: str) -> Generator[tuple[str, set[str]]]:
    """Every `metric{label=…}` in an expression, as name and labels."""
    plain = expression.replace('\\"', '"')
    for name, inside in re.findall(r"\b((?:voice|process)_[a-z_]+|up)\{([^}]*)\}", plain):
        yield name, set(re.findall(r'([a-z_]+)\s*(?:=~|!=|!~|=)\s*"', inside))
