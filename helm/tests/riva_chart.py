"""Riva's chart, and sets of values for both of its modes."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import yaml
from rendered_charts import Manifests

CHART = Path(__file__).parents[1] / "riva-api"
INFRA_VALUES = CHART.parents[1] / "k8s" / "infra" / "riva-values.yaml"
RIVA: dict[str, Any] = {}
NIM: dict[str, Any] = {"mode": "nim"}
KEY = "bnZhcGktdGVzdA=="  # nvapi-test

HINDI = yaml.safe_load((CHART / "overlays" / "hindi.yaml").read_text())
PROFILES: dict[str, dict[str, Any]] = {
    "hindi": HINDI,
    "riva": RIVA,
    "nim": NIM,
    "riva, everything": {
        "commonLabels": {"team": "speech"},
        "podAnnotations": {"note": "x"},
        "nodeSelector": {"disk": "fast"},
        "priorityClassName": "calls",
        "runtimeClassName": "nvidia",
        "service": {"type": "NodePort", "enableHeadlessService": True, "annotations": {"a": "b"}},
        "riva": {"visibleGpus": "0,1", "speechServices": {"nmt": True}},
        "modelRepoGenerator": {
            "overwriteRMIRS": True,
            "overwriteModels": True,
            "modelDeployKey": KEY,
        },
        "ngcCredentials": {"password": KEY, "email": "ops@example.org"},
        "secrets": {"create": True},
    },
    "riva, a share of a GPU": {
        "gpuResource": "nvidia.com/gpu.shared",
        "networkPolicy": {
            "callersFrom": [{"podSelector": {}}],
            "httpFrom": [{"namespaceSelector": {}}],
        },
    },
    "riva, a host's folder": {"persistentVolumeClaim": {"usePVC": False}},
    "nim, everything": {
        **NIM,
        "service": {"type": "LoadBalancer", "enableHeadlessService": True},
        "ngcCredentials": {"password": KEY},
        "secrets": {"create": True},
        "imagePullSecrets": [{"name": "mirror"}],
        "speechNim": {
            "openFiles": 65536,
            "asr": {"envVars": {"NIM_LOG_LEVEL": "INFO"}, "replicaCount": 2},
            "tts": {"persistence": {"enabled": False}},
        },
    },
    "nim, recognition alone": {**NIM, "speechNim": {"tts": {"enabled": False}}},
    "nim, no router": {**NIM, "speechNim": {"router": {"enabled": False}}},
}


class Rendered(Protocol):
    """The chart with these values; `more` are options such as `-f FILE`."""

    def __call__(
        self, values: Mapping[str, Any] | None = None, *more: str, release: str = "riva-api"
    ) -> Manifests: ...
