"""Values that Riva's chart refuses, and in which words."""

import json
from typing import Any, cast

import pytest
import yaml
from rendered_charts import Helm
from riva_chart import CHART, KEY, NIM

SCHEMA: dict[str, Any] = json.loads((CHART / "values.schema.json").read_text())
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "unknown key": ({"rivaServer": 1}, "additional properties 'rivaServer' not allowed"),
    "unknown key within": ({"riva": {"gpus": 1}}, "'gpus' not allowed"),
    "mode": ({"mode": "operator"}, "/mode"),
    "replicas": ({"replicaCount": -1}, "/replicaCount"),
    "wrong type": ({"replicaCount": "two"}, "/replicaCount"),
    "nothing for a value": ({"mode": None}, "missing property 'mode'"),
    "nothing for a part": ({"riva": None}, "missing property 'riva'"),
    "nothing for a tag": (
        {**NIM, "speechNim": {"asr": {"image": {"tag": None}}}},
        "'/speechNim/asr/image': missing property 'tag'",
    ),
    "amount in words": ({"resources": {"limits": {"memory": "lots"}}}, "/resources/limits/memory"),
    "effect there is none of": ({"tolerations": [{"effect": "Never"}]}, "/tolerations/0/effect"),
    "size": ({"persistentVolumeClaim": {"storageSize": "50 GB"}}, "/storageSize"),
    "model": ({"ngcModelConfigs": {"a": {"models": ["no slash"]}}}, "/ngcModelConfigs/a/models/0"),
    "image without a tag": ({"speechNim": {"router": {"image": "nginx"}}}, "/router/image"),
    "a port among the variables": (
        {"speechNim": {"asr": {"envVars": {"NIM_GRPC_API_PORT": 1}}}},
        "invalid propertyName 'NIM_GRPC_API_PORT'",
    ),
    "no models": (
        {"modelRepoGenerator": {"ngcModelConfigs": {"tritonGroup0": {"enabled": False}}}},
        "no group with models is enabled; name at least one RMIR",
    ),
    "no services": (
        {"riva": {"speechServices": {"asr": False, "tts": False}}},
        "the gateway needs one of them",
    ),
    "no NIM": (
        {**NIM, "speechNim": {"asr": {"enabled": False}, "tts": {"enabled": False}}},
        "set speechNim.asr.enabled or speechNim.tts.enabled",
    ),
    "no GPU": ({"riva": {"numGpus": 0}}, "set 1, or riva.visibleGpus"),
    "no GPU of another kind": (
        {"riva": {"numGpus": 0}},
        "resources.limits, such as nvidia.com/mig",
    ),
    "a GPU without its maker": ({"gpuResource": "gpu"}, "/gpuResource"),
    "open files of nothing": (
        {**NIM, "speechNim": {"openFiles": 2048, "startCommand": []}},
        "startCommand is empty; name what the image starts",
    ),
    "key in values": ({"ngcCredentials": {"password": KEY}}, "scripts/deploy_riva.sh"),
    "secrets without a key": ({"secrets": {"create": True}}, "password is empty"),
    "a monitor without its operator": (
        {"metrics": {"serviceMonitor": {"enabled": True}}},
        "install the Prometheus Operator",
    ),
    "scaled by itself": ({"riva": {"useAutoscaling": True}}, "replicaCount to how many there sha"),
    "a cache in S3": ({"cacheConfig": {"cacheMode": "ReadOnly"}}, "Set it to Disabled"),
    "replicas of a group": (
        {"modelRepoGenerator": {"ngcModelConfigs": {"tritonGroup0": {"replicaCount": 2}}}},
        "ngcModelConfigs.tritonGroup0.replicaCount: server and Triton share one pod here",
    ),
    "an image that builds": (
        {"modelRepoGenerator": {"imageName": "riva-builder"}},
        "or rawServicemakerImage. Leave it out",
    ),
    "a deploy key of one's own": (
        {"modelRepoGenerator": {"modelDeployKey": KEY}},
        "keys in values are stored in the release",
    ),
    "another port": ({"service": {"grpcPort": 6000}}, "/service/grpcPort"),
    "ingress": ({"ingress": {"useIngress": True}}, "helm/voice-workflow"),
    "MetalLB": ({"loadbalancer": {"useMetalLB": True}}, "service.type=LoadBalancer"),
    "enterprise": ({"rivaEnterprise": {"enabled": True}}, "Set it to false"),
    "clearing at every start": (
        {"modelRepoGenerator": {"clearAllRMIRSAndModels": True}},
        "delete the claim",
    ),
    "Triton apart": ({"modelRepoGenerator": {"useSeparateTriton": True}}, "mode=nim"),
}


@pytest.mark.parametrize(("values", "said"), REFUSED.values(), ids=REFUSED)
def test_wrong_values_are_refused_in_words(values: dict[str, Any], said: str, helm: Helm) -> None:
    refusal = helm.refusal(CHART, values, release="riva-api")
    assert said in refusal
    assert "nvapi" not in refusal
    assert KEY not in refusal


# In NVIDIA's own values file these are null, which takes them away.
MAY_BE_NULL = {
    "/ngcCredentials": {"password", "email"},
    "/persistentVolumeClaim": {"storageClassName", "storageAccessMode"},
}


def test_schema_knows_every_value() -> None:
    """And none can be taken away by a null."""
    hold(yaml.safe_load((CHART / "values.yaml").read_text()), SCHEMA, "")


def hold(values: dict[str, Any], schema: dict[str, Any], where: str) -> None:
    assert set(schema["required"]) == set(values) - MAY_BE_NULL.get(where, set()), where
    for name, value in values.items():
        described = schema["properties"][name]
        if isinstance(value, dict) and "properties" in described:
            hold(cast("dict[str, Any]", value), described, f"{where}/{name}")
