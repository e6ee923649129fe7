"""Helm for the chart tests: a pinned `helm`, what it renders, and the schemas to hold that to."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
import yaml

TOP = Path(__file__).parents[2]
HELM_TIMEOUT_S = 60
KUBERNETES = ("1.35", "1.36", "1.37")  # the versions that every manifest is held to

Manifest = dict[str, Any]


class Manifests(list[Manifest]):
    """What a chart renders, in order."""

    def of(self, kind: str) -> list[Manifest]:
        return [one for one in self if one["kind"] == kind]

    def one(self, kind: str, name: str = "") -> Manifest:
        """The only manifest of a kind, or the one with a name."""
        found = [one for one in self.of(kind) if name in ("", one["metadata"]["name"])]
        names = [one["metadata"]["name"] for one in self.of(kind)]
        assert len(found) == 1, f"{kind} {name}: found {names}"
        return found[0]

    def kinds(self) -> set[str]:
        return {one["kind"] for one in self}

    def pods(self) -> list[tuple[str, Manifest]]:
        """Name and pod spec of whatever starts pods."""
        return [(_named(one), spec) for one in self if (spec := _pod_spec(one)) is not None]


def _named(one: Manifest) -> str:
    return f"{one['kind']}/{one['metadata']['name']}"


def _pod_spec(one: Manifest) -> Manifest | None:
    if one["kind"] == "Pod":
        return one["spec"]
    if one["kind"] == "CronJob":
        return one["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    return one.get("spec", {}).get("template", {}).get("spec") if "spec" in one else None


@dataclass(frozen=True)
class Helm:
    """Runs the pinned `helm`; no cluster, and no settings of the user's own Helm."""

    program: str
    home: Path

    def run(self, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.program, *arguments],
            env={**_without_kube(), **_own_folders(self.home)},
            input=given,
            text=True,
            capture_output=True,
            timeout=HELM_TIMEOUT_S,
            check=False,
        )

    def template(
        self,
        chart: Path,
        values: Mapping[str, Any] | None = None,
        *more: str,
        release: str = "voice-gateway",
        namespace: str = "voice-workflow",
    ) -> Manifests:
        """What the chart renders with these values; `more` are options such as `-f FILE`."""
        done = self._template(chart, values, more, release, namespace)
        assert done.returncode == 0, done.stderr
        return Manifests(one for one in yaml.safe_load_all(done.stdout) if one)

    def refusal(
        self,
        chart: Path,
        values: Mapping[str, Any] | None = None,
        *more: str,
        release: str = "voice-gateway",
        namespace: str = "voice-workflow",
    ) -> str:
        """What is said where these values are refused; fails where they are taken."""
        done = self._template(chart, values, more, release, namespace)
        assert done.returncode != 0, f"these values were taken: {values} {more}"
        return done.stderr

    def _template(
        self,
        chart: Path,
        values: Mapping[str, Any] | None,
        more: Sequence[str],
        release: str,
        namespace: str,
    ) -> subprocess.CompletedProcess[str]:
        return self.run(
            *("template", release, str(chart), "--namespace", namespace),
            *more,
            *("--values", "-"),
            given=json.dumps(values or {}),
        )


def _without_kube() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith("KUBE")}


def _own_folders(home: Path) -> dict[str, str]:
    return {f"HELM_{kind}_HOME": str(home / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}


@pytest.fixture(scope="session")
def helm_folder() -> Path:
    """The folder with `helm` and `kubectl`; on other machines than ours, Helm 4 from the PATH."""
    fetched = subprocess.run(
        [TOP / "scripts" / "fetch_helm.sh"],
        text=True,
        capture_output=True,
        timeout=300,
        check=False,
    )
    if fetched.returncode == 0:
        return Path(fetched.stdout.strip())
    found = shutil.which("helm")
    assert found, fetched.stderr
    return Path(found).parent


@pytest.fixture(scope="session")
def helm(helm_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return Helm(str(helm_folder / "helm"), tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def hold_to_schemas() -> Callable[[Iterable[Manifest]], None]:
    """Holds manifests of Kubernetes' own kinds to the strict schemas of three versions."""
    return _hold_to_schemas


def _hold_to_schemas(manifests: Iterable[Manifest]) -> None:
    for manifest in manifests:
        for version in KUBERNETES:
            try:
                kubernetes_validate.validate(manifest, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                pytest.fail(f"{_named(manifest)} in {version}: {error}")


@pytest.fixture(scope="session")
def hold_to_restricted() -> Callable[[Manifests], None]:
    """Holds every pod to the Pod Security standard `restricted`, and to a little more."""
    return _hold_to_restricted


def _hold_to_restricted(manifests: Manifests) -> None:
    for name, spec in manifests.pods():
        faults = [*_pod_faults(spec)]
        for container in [*spec.get("initContainers", []), *spec["containers"]]:
            faults += [f"{container['name']}: {fault}" for fault in _container_faults(container)]
        assert not faults, f"{name}: {'; '.join(faults)}"


_ALLOWED_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}


def _pod_faults(spec: Manifest) -> Iterable[str]:
    security = spec.get("securityContext", {})
    for shared in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(shared):
            yield f"{shared} is on"
    if security.get("runAsNonRoot") is not True:
        yield "may run as root"
    if security.get("runAsUser", 1) == 0:
        yield "runs as root"
    if security.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
        yield "has no seccomp profile"
    if spec.get("automountServiceAccountToken") is not False:
        yield "is given a token of the API server"
    for volume in spec.get("volumes", []):
        if kinds := set(volume) - {"name"} - _ALLOWED_VOLUMES:
            yield f"mounts {', '.join(kinds)}"


def _container_faults(container: Manifest) -> Iterable[str]:
    security = container.get("securityContext", {})
    if security.get("allowPrivilegeEscalation") is not False:
        yield "may gain privileges"
    if security.get("capabilities") != {"drop": ["ALL"]}:
        yield "keeps capabilities"
    if security.get("privileged"):
        yield "is privileged"
    if security.get("readOnlyRootFilesystem") is not True:
        yield "may write to its image"
    if any("hostPort" in port for port in container.get("ports", [])):
        yield "takes a port of the node"
    resources = container.get("resources", {})
    if not {"cpu", "memory"} <= set(resources.get("requests", {})):
        yield "requests no CPU or no memory"
    if "memory" not in resources.get("limits", {}):
        yield "has no limit of memory"
    if container.get("image", "").rpartition("/")[2].partition(":")[2] in ("", "latest"):
        yield f"runs whatever {container.get('image')} is today"


def pytest_itemcollected(item: pytest.Item) -> None:
    """The first test that needs Helm also waits until it is fetched."""
    if "helm" in getattr(item, "fixturenames", ()) and not item.get_closest_marker("timeout"):
        item.add_marker(pytest.mark.timeout(300))
