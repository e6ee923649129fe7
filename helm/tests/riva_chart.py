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

# What others' values files hold: NVIDIA's chart 2.17.0, and the first version of this project.
NVIDIA_2_17: dict[str, Any] = {
    "replicaCount": 1,
    "imageurl": "nvcr.io",
    "riva_ngc_org": "nvidia",
    "riva_ngc_team": "riva",
    "riva_ngc_image_version": "2.17.0",
    "riva_ngc_model_version": "2.17.0",
    "rawServerImage": "",
    "rawServicemakerImage": "",
    "fullnameOverride": "riva-api",
    "riva": {
        "speechImageName": "riva-speech",
        "pullPolicy": "IfNotPresent",
        "numGpus": 1,
        "visibleGpus": "",
        "useAutoscaling": False,
    },
    "rivaEnterprise": {
        "ngcSecret": "rivadeploysecret",
        "ngcOrg": "your_org_name",
        "acceptEula": False,
        "enabled": False,
    },
    "ngcCredentials": {
        "registry": "nvcr.io",
        "username": "$oauthtoken",
        "password": None,
        "email": None,
    },
    "awsCredentials": {
        "defaultRegion": None,
        "accessKeyIdRW": None,
        "secretAccessKeyRW": None,
        "accessKeyIdRO": None,
        "secretAccessKeyRO": None,
        "bucketName": "riva-model-repo",
        "secretReadOnlyName": "aws-secret-ro",
        "secretReadWriteName": "aws-secret-rw",
    },
    "cacheConfig": {"cacheMode": "Disabled", "gpuProduct": "NVIDIA-A100-SXM4-80GB"},
    "modelRepoGenerator": {
        "imagePullSecret": "imagepullsecret",
        "ngcSecret": "modelpullsecret",
        "ngcSecretKey": "apikey",
        "modelDeploySecret": "riva-model-deploy-key",
        "modelDeployKey": "dGx0X2VuY29kZQ==",
        "imageName": "riva-speech",
        "pullPolicy": "IfNotPresent",
        "tritonTimeoutSeconds": "3600",
        "ngcModelConfigs": {
            "triton0": {
                "enabled": True,
                "replicaCount": 1,
                "models": [
                    "nvidia/riva/rmir_asr_parakeet_0-6b_en_us_str_thr:2.17.0",
                    "nvidia/riva/rmir_nlp_punctuation_bert_base_en_us:2.17.0",
                    "nvidia/riva/rmir_tts_fastpitch_hifigan_en_us_ipa:2.17.0",
                ],
            }
        },
        "modelDeployVolume": {"hostPath": {"type": "DirectoryOrCreate", "path": "/data/riva"}},
    },
    "persistentVolumeClaim": {
        "usePVC": False,
        "storageClassName": None,
        "storageAccessMode": None,
        "storageSize": "50Gi",
        "workdirClaimName": "riva-workdir-pvc",
        "keepPVC": False,
    },
    "service": {"type": "ClusterIP", "nodeport": 32222, "enableHeadlessService": False},
    "ingress": {
        "useIngress": False,
        "class": "traefik",
        "hostname": "riva.nvda",
        "tlsSecret": None,
        "corsOrigin": None,
    },
    "loadbalancer": {"useMetalLB": False, "ipRange": "10.42.0.190-10.42.0.192"},
}
FIRST_VERSION: dict[str, Any] = {
    "modelRepoGenerator": {
        "ngcModelConfigs": {
            "triton0": {"enabled": False},
            "tritonGroup0": {
                "enabled": True,
                "replicaCount": 1,
                "models": [
                    "nvidia/riva/rmir_asr_parakeet_0-6b_en_us_str_thr:2.17.0",
                    "nvidia/riva/rmir_tts_fastpitch_hifigan_en_us_ipa:2.17.0",
                ],
            },
        },
        "modelDeployVolume": {"storageClass": "local-storage", "size": "50Gi"},
    },
    "service": {"type": "ClusterIP", "grpcPort": 50051},
    "resources": {"limits": {"nvidia.com/gpu": 1}},
    "persistentVolumeClaim": {"usePVC": True, "storageClassName": "local-storage", "size": "50Gi"},
}

HINDI = yaml.safe_load((CHART / "overlays" / "hindi.yaml").read_text())
PROFILES: dict[str, dict[str, Any]] = {
    "hindi": HINDI,
    "NVIDIA's own": NVIDIA_2_17,
    "the first version's": FIRST_VERSION,
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
