"""What Kubernetes would say to manifests: schemas of three versions, and pod security."""

from collections.abc import Iterable

import kubernetes_validate
import pytest
from rendered_charts import Manifest, Manifests, named

KUBERNETES = ("1.35", "1.36", "1.37")  # the versions that every manifest is held to


def hold_to_schemas(manifests: Iterable[Manifest]) -> None:
    """Manifests of Kubernetes' own kinds, to the strict schemas of three versions."""
    for manifest in manifests:
        for version in KUBERNETES:
            try:
                kubernetes_validate.validate(manifest, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                pytest.fail(f"{named(manifest)} in {version}: {error}")


def hold_to_restricted(manifests: Manifests) -> None:
    """Every pod, to the Pod Security standard `restricted`, and to a little more."""
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
