"""The questions that the deployment scripts ask, put by the real kubectl to a small API server."""

import json
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

TOP = Path(__file__).parents[2]


SHORT = {"PersistentVolumeClaim": ["pvc"], "PersistentVolume": ["pv"]}


def _resources(version: str, *named: tuple[str, str, bool]) -> dict[str, Any]:
    return {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": version,
        "resources": [
            {
                "name": name,
                "singularName": kind.lower(),
                "kind": kind,
                "namespaced": namespaced,
                "verbs": ["get", "list", "create", "patch"],
                "shortNames": SHORT.get(kind, []),
            }
            for name, kind, namespaced in named
        ],
    }


def _list(kind: str, *items: dict[str, Any]) -> dict[str, Any]:
    whole = [{"apiVersion": "v1", "kind": kind, **one} for one in items]
    return {"kind": f"{kind}List", "apiVersion": "v1", "metadata": {}, "items": whole}


SCHEDULED = {"type": "PodScheduled", "status": "True"}
PODS = _list(
    "Pod",
    {
        "metadata": {"name": "building", "creationTimestamp": "2026-01-01T00:00:02Z"},
        "status": {
            "phase": "Pending",
            "conditions": [SCHEDULED, {"type": "Ready", "status": "False"}],
            "initContainerStatuses": [
                {"name": "riva-model-init", "state": {"running": {"startedAt": "2026-01-02T03Z"}}}
            ],
            "containerStatuses": [
                {"name": "x", "state": {"waiting": {"reason": "PodInitializing"}}}
            ],
        },
    },
    {
        "metadata": {"name": "refused", "creationTimestamp": "2026-01-01T00:00:03Z"},
        "status": {
            "phase": "Pending",
            "conditions": [SCHEDULED],
            "containerStatuses": [
                {
                    "name": "x",
                    "state": {"waiting": {"reason": "ErrImagePull", "message": "401 no"}},
                }
            ],
        },
    },
    {
        "metadata": {"name": "tested", "creationTimestamp": "2026-01-01T00:00:05Z"},
        "status": {
            "phase": "Failed",
            "containerStatuses": [{"name": "x", "state": {"terminated": {"exitCode": 5}}}],
        },
    },
    {
        "metadata": {"name": "unscheduled", "creationTimestamp": "2026-01-01T00:00:04Z"},
        "status": {
            "phase": "Pending",
            "conditions": [
                {"type": "PodScheduled", "status": "False", "message": "Insufficient nvidia"}
            ],
        },
    },
)
BATCH = {"groupVersion": "batch/v1", "version": "v1"}
STORAGE = {"groupVersion": "storage.k8s.io/v1", "version": "v1"}
CLASS = {"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass"}
DEFAULT = {"storageclass.kubernetes.io/is-default-class": "true"}
VOLUME = {
    "metadata": {"name": "voice-riva"},
    "spec": {
        "storageClassName": "local-storage",
        "claimRef": {"namespace": "staging", "name": "riva-workdir-pvc"},
        "local": {"path": "/data/riva"},
        "nodeAffinity": {
            "required": {
                "nodeSelectorTerms": [
                    {"matchExpressions": [{"key": "kubernetes.io/hostname", "values": ["node001"]}]}
                ]
            }
        },
    },
    "status": {"phase": "Bound"},
}
_JOB = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "x"}}
LOG = """\
12:00 WARNING upstream asr is down, trying on: refused
12:00 WARNING upstream llm is down, trying on: no route
12:01 INFO upstream asr is up: 2 models
"""
ANSWERS: dict[str, dict[str, Any]] = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [
            {"name": "batch", "versions": [BATCH], "preferredVersion": BATCH},
            {"name": "storage.k8s.io", "versions": [STORAGE], "preferredVersion": STORAGE},
        ],
    },
    "/apis/storage.k8s.io/v1": _resources(
        "storage.k8s.io/v1", ("storageclasses", "StorageClass", False)
    ),
    "/apis/storage.k8s.io/v1/storageclasses": _list(
        "StorageClass",
        {**CLASS, "metadata": {"name": "slow"}, "provisioner": "a"},
        {**CLASS, "metadata": {"name": "gp3", "annotations": DEFAULT}, "provisioner": "b"},
    ),
    "/apis/storage.k8s.io/v1/storageclasses/gp3": {
        **CLASS,
        "metadata": {"name": "gp3"},
        "provisioner": "b",
    },
    "/apis/batch/v1": _resources("batch/v1", ("jobs", "Job", True)),
    "/apis/batch/v1/namespaces/voice-workflow/jobs/done": {
        **_JOB,
        "status": {"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]},
    },
    "/apis/batch/v1/namespaces/voice-workflow/jobs/failed": {
        **_JOB,
        "status": {"failed": 3, "conditions": [{"type": "Failed", "message": "limit reached"}]},
    },
    "/api/v1": _resources(
        "v1",
        ("pods", "Pod", True),
        ("nodes", "Node", False),
        ("events", "Event", True),
        ("namespaces", "Namespace", False),
        ("persistentvolumes", "PersistentVolume", False),
        ("persistentvolumeclaims", "PersistentVolumeClaim", True),
    ),
    "/api/v1/namespaces/voice-workflow": {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {
            "name": "voice-workflow",
            "labels": {"app.kubernetes.io/part-of": "voice-workflow"},
        },
    },
    "/api/v1/persistentvolumes": _list("PersistentVolume", VOLUME),
    "/api/v1/persistentvolumeclaims": _list(
        "PersistentVolumeClaim",
        {
            "metadata": {"name": "riva-workdir-pvc", "namespace": "staging"},
            "spec": {"storageClassName": "local-storage"},
        },
    ),
    "/api/v1/pods": _list(
        "Pod",
        {
            "metadata": {"name": "trainer", "namespace": "other"},
            "spec": {
                "nodeName": "node001",
                "containers": [
                    {"name": "a", "resources": {"limits": {"nvidia.com/gpu": "1"}}},
                    {"name": "b", "resources": {"limits": {"nvidia.com/gpu": "2"}}},
                ],
            },
        },
        {
            "metadata": {"name": "llm-nim-x", "namespace": "voice-workflow"},
            "spec": {
                "nodeName": "node001",
                "containers": [{"name": "a", "resources": {"limits": {"nvidia.com/gpu": "1"}}}],
            },
        },
    ),
    "/api/v1/namespaces/voice-workflow/pods": PODS,
    "/api/v1/namespaces/voice-workflow/pods/building": {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "building", "namespace": "voice-workflow"},
        "spec": {"containers": [{"name": "x"}]},
    },
    "/api/v1/nodes": _list(
        "Node",
        {"metadata": {"name": "head"}, "status": {"allocatable": {"cpu": "4"}}},
        {
            "metadata": {
                "name": "node001",
                "labels": {"nvidia.com/gpu.replicas": "4", "nvidia.com/gpu.memory": "81559"},
            },
            "status": {
                "allocatable": {"nvidia.com/gpu": "4", "nvidia.com/mig-3g.40gb": "2"},
                "images": [{"names": ["docker.io/library/voice-gateway:1", "x@sha256:0"]}],
                "nodeInfo": {"architecture": "arm64"},
            },
        },
    ),
    "/api/v1/namespaces/voice-workflow/events": _list(
        "Event",
        {
            "metadata": {"name": "e"},
            "reason": "FailedMount",
            "message": "path does not exist",
            "lastTimestamp": "2026-01-01T00:00:00Z",
        },
    ),
    "/api/v1/namespaces/voice-workflow/persistentvolumeclaims": _list(
        "PersistentVolumeClaim",
        {
            "metadata": {"name": "riva-workdir-pvc", "namespace": "voice-workflow"},
            "spec": {"storageClassName": "local-storage"},
            "status": {"phase": "Pending"},
        },
    ),
    "/api/v1/namespaces/voice-workflow/services/riva-api:triton-http/proxy/v2/health/ready": {},
    "/api/v1/namespaces/voice-workflow/services/llm-nim:http/proxy/v1/models": {
        "object": "list",
        "data": [{"id": "meta/llama-3.1-8b-instruct", "object": "model"}],
    },
}
INDEX = "/api/v1/namespaces/voice-workflow/services/riva-api:triton-http/proxy/v2/repository/index"


class Api(BaseHTTPRequestHandler):
    """Answers what is asked by path alone; posts go to Triton's index of models."""

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        if path.endswith("/building/log"):
            self._write(200, "text/plain", LOG.encode())
            return
        self._say(200 if path in ANSWERS else 404, ANSWERS.get(path, {"kind": "Status"}))

    def do_POST(self) -> None:
        while size := int(self.rfile.readline(), 16):  # kubectl sends chunks
            self.rfile.read(size + 2)
        self._say(
            200 if self.path.split("?")[0] == INDEX else 404,
            [
                {"name": "parakeet-asr", "version": "1", "state": "READY"},
                {"name": "broken", "version": "1", "state": "UNAVAILABLE", "reason": "no"},
                {"name": "fastpitch-tts", "version": "1", "state": "READY"},
            ],
        )

    def _say(self, status: int, answer: Any) -> None:
        self._write(status, "application/json", json.dumps(answer).encode())

    def _write(self, status: int, kind: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # as inherited
        pass


@pytest.fixture(scope="module")
def api() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def kubectl_folder() -> str:
    fetched = subprocess.run(
        [TOP / "scripts" / "fetch_helm.sh"], capture_output=True, text=True, timeout=300, check=True
    )
    return fetched.stdout.strip()


LOOK = 'look_at_pod "$(pods x | sed -n {0}p)"; echo "$state: $said"'
QUESTIONS = {
    "building": (LOOK.format(1), "busy: fetching and building models (20 to 40 min the first"),
    "refused": (LOOK.format(2), "stuck: the registry refuses the image of refused"),
    "unscheduled": (LOOK.format(3), "stuck: unscheduled has no node: Insufficient nvidia"),
    "newest": ('look_at_pods x; echo "$state: $said"', "stuck: tested failed; its last words: "),
    "exit code": ("exit_code_of x", "5\n"),
    "a Job that is done": ("wait_for_job done 9 && echo yes", "yes\n"),
    "a Job that failed": ('wait_for_job failed 9 || echo "$said"', "tested failed; its last wo"),
    "upstreams": ("upstreams_down building", "llm does not answer (no route); check settings."),
    "GPUs": ("gpu_nodes", "head|||\nnode001|4|4|81559\n"),
    "GPUs by another name": (
        "gpu_resource=nvidia.com/mig-3g.40gb; gpu_nodes",
        "head|||\nnode001|2|4|81559\n",
    ),
    "GPUs that are held": ("gpu_pods", "other|trainer|node001|1 2\n"),
    "GPUs that others hold": ("gpus_held llm-nim", "3\n"),
    "the only node with GPUs": ("only_gpu_node", "node001\n"),
    "an image that a node holds": ("nodes_hold voice-gateway:1 && echo yes", "yes\n"),
    "an image that none holds": ("nodes_hold voice-gateway:2 || echo no", "no\n"),
    "an image for other processors": (
        "(need_platform voice-gateway:1 linux/amd64) 2>&1 || true",
        "bash: voice-gateway:1 was built for linux/amd64, and the nodes are arm64",
    ),
    "volumes": (
        'look_at_volumes; echo "$known_volumes"',
        "voice-riva|staging|/data/riva|node001|Bound\n",
    ),
    "users of a class": ("users_of_class local-storage", "voice-riva\nriva-workdir-pvc\n"),
    "volumes of a namespace": ("namespace=staging; own_volumes", "voice-riva\n"),
    "the default class": ("default_class", "gp3\n"),
    "whose a namespace is": ("ours namespace voice-workflow && echo ours", "ours\n"),
    "events": ("warnings ,involvedObject.name=x", "FailedMount path does not exist\n"),
    "claims": ("claims", "riva-workdir-pvc|Pending|local-storage\n"),
    "unbound": ("unbound_claims", "riva-workdir-pvc (local-storage)"),
    "health": ("service_get riva-api:triton-http /v2/health/ready", "{}"),
    "models of Riva": ("riva_models riva-api", "parakeet-asr\nfastpitch-tts\n"),
    "models of the NIM": ("llm_model_names", "meta/llama-3.1-8b-instruct\n"),
}


@pytest.mark.parametrize(("question", "answer"), QUESTIONS.values(), ids=QUESTIONS)
def test_real_kubectl_understands(
    question: str, answer: str, api: str, kubectl_folder: str, tmp_path: Path
) -> None:
    named = ("say", "cluster", "pods", "infra", "volumes", "images")
    libraries = " && ".join(f". scripts/lib/{one}.sh" for one in named)
    config = tmp_path / "config"
    config.write_text(
        json.dumps(
            {
                "apiVersion": "v1",
                "kind": "Config",
                "current-context": "lab",
                "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "me"}}],
                "clusters": [{"name": "lab", "cluster": {"server": api}}],
                "users": [{"name": "me", "user": {}}],
            }
        )
    )
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f"{libraries}; {question}"],
        cwd=TOP,
        env={
            "PATH": f"{kubectl_folder}:/usr/bin:/bin",
            "HOME": str(tmp_path),
            "KUBECONFIG": str(config),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(answer), done.stdout + done.stderr
