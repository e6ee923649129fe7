"""A policy scanner over everything that is deployed: no finding that is not explained here."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from rendered_charts import Helm, Manifest
from riva_chart import CHART as RIVA_CHART
from riva_chart import INFRA_VALUES, NIM, RIVA
from uv import find_uv_bin
from voice_chart import CHART, EVERYTHING, files

CHECKOV = "checkov==3.3.30"
INFRA = CHART.parents[1] / "k8s" / "infra"


class Explained(NamedTuple):
    why: str
    where: tuple[str, ...] = ("",)  # beginnings of KIND/NAME; everywhere


NVIDIA = ("Deployment/riva-api", "Deployment/llm-nim")
TESTS = ("Pod/voice-gateway-gateway-conversation", "Pod/riva-api-test")
EXPLAINED = {
    "CKV_K8S_11": Explained("no limit of CPU: a throttled process stutters"),
    "CKV_K8S_15": Explained("the pull policy is the user's: image.pullPolicy"),
    "CKV_K8S_43": Explained("the digest is the user's: image.digest; NVIDIA documents tags"),
    "CKV_K8S_8": Explained("the pod of a test lives for one turn", TESTS),
    "CKV_K8S_9": Explained("the pod of a test lives for one turn", TESTS),
    "CKV_K8S_22": Explained("NVIDIA's images write beside their programs", NVIDIA),
    "CKV_K8S_35": Explained(
        "keys come as settings, from the environment",
        (*NVIDIA, "Deployment/voice-gateway-gateway", "Pod/voice-gateway-gateway-conversation"),
    ),
    "CKV_K8S_40": Explained("NVIDIA's images run as 1000, nginx's as 101", NVIDIA),
    "CKV_K8S_153": Explained("client_body_timeout has no annotation", ("Ingress/",)),
    "CKV2_K8S_6": Explained("the pod of Riva's test lives for one turn", ("Pod/riva-api-test",)),
}


class Finding(NamedTuple):
    check: str
    name: str
    resource: str  # KIND/NAME


@pytest.fixture(scope="module")
def findings(
    helm: Helm, helm_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[Finding]:
    folder = tmp_path_factory.mktemp("rendered")
    for name, manifests in _everything(helm, helm_folder):
        (folder / f"{name}.yaml").write_text(yaml.safe_dump_all(manifests))
    return _scan(folder)


def _everything(helm: Helm, helm_folder: Path) -> Iterator[tuple[str, list[Manifest]]]:
    for overlay in ("gpu-cluster", "laptop-cluster"):
        yield overlay, helm.template(CHART, {}, *files(overlay))
    yield "everything", helm.template(CHART, EVERYTHING)
    for name, values in (("riva", RIVA), ("nim", NIM)):
        more = ("--values", str(INFRA_VALUES))
        yield name, helm.template(RIVA_CHART, values, *more, release="riva-api")
    for variant in ("plain", "operator"):
        built = subprocess.run(
            [helm_folder / "kubectl", "kustomize", INFRA / variant],
            capture_output=True,
            text=True,
            check=True,
        )
        yield variant, list(yaml.safe_load_all(built.stdout))


def _scan(folder: Path) -> list[Finding]:
    scanner = (find_uv_bin(), "tool", "run", "--quiet", "--from", CHECKOV, "checkov")
    options = ("--framework", "kubernetes", "--skip-download", "--quiet", "--output", "json")
    done = subprocess.run(
        [*scanner, "-d", str(folder), *options],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.stdout.startswith("{"), done.stderr[-2000:]
    report: dict[str, Any] = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 500
    failed: list[dict[str, str]] = report["results"]["failed_checks"]
    return [Finding(one["check_id"], one["check_name"], _resource(one)) for one in failed]


def _resource(found: dict[str, str]) -> str:
    """`Deployment.voice-workflow.name` as `Deployment/name`; pods are named by their labels."""
    kind, _, rest = found["resource"].partition(".")
    return f"{kind}/{rest.partition('.')[2]}"


@pytest.mark.timeout(300)  # the scanner is fetched once
def test_no_finding_is_unexplained(findings: list[Finding]) -> None:
    unexplained = [
        one
        for one in findings
        if one.check not in EXPLAINED or not one.resource.startswith(EXPLAINED[one.check].where)
    ]
    assert unexplained == []


@pytest.mark.timeout(300)
def test_no_explanation_is_left_over(findings: list[Finding]) -> None:
    assert set(EXPLAINED) == {one.check for one in findings}


def test_explanations_are_documented() -> None:
    page = (CHART.parents[1] / "docs" / "architecture" / "deployment.md").read_text()
    for check in EXPLAINED:
        assert f"`{check}`" in page, check
