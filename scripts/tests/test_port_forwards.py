"""Every `kubectl port-forward` that is printed or documented reaches a service of the chart."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

TOP = Path(__file__).parents[2]
FORWARD = re.compile(r"kubectl\s+(?P<options>[^\n|`]*?)port-forward\s+(?P<rest>[^\n`|)]*)")
NAMES = {  # what the scripts and the chart's notes write, as it is printed
    "$namespace": "voice-workflow",
    "{{ .Release.Namespace }}": "voice-workflow",
    "$service": "voice-gateway-gateway",
    "{{ $name }}": "voice-gateway-gateway",
    "{{ .Values.service.port }}": "50051",
}
NO_COMMANDS = ("scripts/tests/", "helm/tests/")  # hold others' lines to what they should be

Forward = tuple[str, str]  # options before the verb, arguments after it


def forwards(text: str) -> Iterator[Forward]:
    for written, name in NAMES.items():
        text = text.replace(written, name)
    for found in FORWARD.finditer(text):
        if found["rest"].strip():
            yield found["options"], found["rest"]


def faults(forward: Forward, ports: dict[str, set[str]]) -> list[str]:
    options, rest = forward
    found: list[str] = []
    if not re.search(r"(-n|--namespace)[ =]voice-workflow", f"{options} {rest}"):
        found.append("names no namespace")
    service = re.search(r"\b(?:svc|service)/(\S+)", rest)
    port = re.search(r"\b\d+:(\d+)\b", rest)
    if not service or service[1] not in ports:
        found.append(f"no service of the chart: {rest}")
    elif not port or port[1] not in ports[service[1]]:
        found.append(f"no port of {service[1]}: {rest}")
    return found


def tracked() -> list[Path]:
    listed = ("git", "grep", "-lI", "--untracked", "-e", "port-forward")
    said = subprocess.run(listed, cwd=TOP, capture_output=True, text=True, timeout=60, check=True)
    return [TOP / one for one in said.stdout.splitlines() if not one.startswith(NO_COMMANDS)]


@pytest.fixture(scope="module")
def ports(real_programs: dict[str, str]) -> dict[str, set[str]]:
    """The ports of each service that the chart makes, as scripts/deploy_gateway.sh installs it."""
    chart = str(TOP / "helm" / "voice-workflow")
    command = (real_programs["helm"], "template", "voice-gateway", chart, "-n", "voice-workflow")
    made = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    manifests: list[dict[str, Any]] = list(yaml.safe_load_all(made.stdout))
    return {
        one["metadata"]["name"]: {str(port["port"]) for port in one["spec"]["ports"]}
        for one in manifests
        if one and one["kind"] == "Service"
    }


@pytest.mark.timeout(300)  # Helm is fetched once
def test_every_line_reaches_a_service(ports: dict[str, set[str]]) -> None:
    lines = {page: list(forwards(page.read_text())) for page in tracked()}
    assert sum(map(len, lines.values())) >= 8
    wrong = {
        f"{page.relative_to(TOP)}: {' '.join(one)}": found
        for page, ones in lines.items()
        for one in ones
        if page.name != "verify_cluster.sh" and (found := faults(one, ports))
    }
    assert wrong == {}


def test_a_wrong_line_is_named() -> None:
    ports = {"a": {"1"}}
    (bare,) = forwards("run `kubectl port-forward svc/b 1:1` there")
    assert faults(bare, ports) == ["names no namespace", "no service of the chart: svc/b 1:1"]
    (other,) = forwards("kubectl -n voice-workflow port-forward svc/a 9:2\n")
    assert faults(other, ports) == ["no port of a: svc/a 9:2"]
    (good,) = forwards("kubectl port-forward -n voice-workflow service/a 9:1")
    assert faults(good, ports) == []
