"""The gateway's chart, its names, and sets of values that turn its switches on."""

from pathlib import Path
from typing import Any

from rendered_charts import Manifest

CHART = Path(__file__).parents[1] / "voice-workflow"
OVERLAYS = CHART / "overlays"
NAME = "voice-gateway-gateway"
LOCAL = "voice-gateway-local-stack"

# Everything that can be on at once, beside each of the three routes.
EVERYTHING: dict[str, Any] = {
    "commonLabels": {"team": "speech"},
    "podAnnotations": {"note": "x"},
    "podLabels": {"tier": "front"},
    "imagePullSecrets": [{"name": "regcred"}],
    "priorityClassName": "calls",
    "nodeSelector": {"disk": "fast"},
    "tolerations": [{"key": "voice", "operator": "Exists"}],
    "secrets": {"LLM_API_KEY": "k"},
    "secretKeys": {"RIVA_API_KEY": {"name": "ngc-api", "key": "NGC_API_KEY"}},
    "settings": {"RIVA_TLS": True, "MAX_CALLS": 100},
    "rivaCa": {"secretName": "riva-ca"},
    "apiKeys": {"secretName": "callers"},
    "test": {"apiKey": {"secretName": "caller"}},
    "extraEnv": [{"name": "TZ", "value": "UTC"}],
    "extraVolumes": [{"name": "logs", "emptyDir": {}}],
    "extraVolumeMounts": [{"name": "logs", "mountPath": "/logs"}],
    "extraObjects": [
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": "{{ .Release.Name }}-x",
                "namespace": "{{ .Release.Namespace }}",
            },
        }
    ],
    "recordings": {"enabled": True},
    "callState": {
        "redis": {
            "existingSecret": "redis",
            "peers": [{"podSelector": {"matchLabels": {"app": "redis"}}}],
        }
    },
    "autoscaling": {"enabled": True},
    "monitoring": {
        "serviceMonitor": {"enabled": True},
        "rules": {"enabled": True},
        "dashboard": {"enabled": True},
    },
    "networkPolicy": {
        "callersFrom": [{"namespaceSelector": {"matchLabels": {"role": "ingress"}}}],
        "httpFrom": [{"namespaceSelector": {"matchLabels": {"role": "monitoring"}}}],
        "upstreams": [{"namespaceSelector": {"matchLabels": {"role": "riva"}}}],
        "extraPorts": [9443, {"port": 3478, "protocol": "UDP"}],
    },
    "localStack": {
        "enabled": True,
        "extraEnv": [{"name": "PIP_INDEX_URL", "value": "https://mirror.example.org/simple"}],
        "cache": {"persistent": True, "storageClassName": "fast"},
    },
    "exposure": {
        "host": "voice.example.org",
        "tls": {"secretName": "voice-tls"},
        "nginx": {"enabled": True},
    },
}

Profile = tuple[dict[str, Any], tuple[str, ...]]  # values, and options such as `-f FILE`
PROFILES: dict[str, Profile] = {
    "defaults": ({}, ()),
    "gpu": ({}, ("gpu-cluster",)),
    "laptop": ({}, ("laptop-cluster",)),
    "hindi": ({}, ("gpu-cluster", "hindi")),
    "openshift": ({}, ("gpu-cluster", "openshift")),
    "english and hindi": ({}, ("gpu-cluster", "english-and-hindi")),
    "everything": (EVERYTHING, ()),
    "laptop, everything": (EVERYTHING, ("laptop-cluster",)),
}


def files(*overlays: str) -> tuple[str, ...]:
    return tuple(part for one in overlays for part in ("--values", str(OVERLAYS / f"{one}.yaml")))


def containers(manifest: Manifest) -> list[Manifest]:
    return manifest["spec"]["template"]["spec"]["containers"]
