"""A cluster made of stand-ins: what the deployment scripts ask it, and what they are answered."""

import base64
import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypedDict

import yaml

TOP = Path(__file__).parents[2]
STAND_IN = Path(__file__).with_name("stand_in.py")
KEY = "nvapi-S3cret_thing-0123456789"
CHANGES = re.compile(
    r"\b(apply|upgrade|install|uninstall|delete|create (?!--raw)|patch|build|bud|push|test)\b"
)


class Answer(TypedDict, total=False):
    program: str
    says: str
    out: str | list[str]
    err: str
    status: int
    file: str
    after: str


class Call(TypedDict):
    program: str
    argv: list[str]
    stdin: str
    env: dict[str, str]


def kubectl(says: str, out: str | list[str] = "", err: str = "", status: int = 0) -> Answer:
    return {"program": "kubectl", "says": says, "out": out, "err": err, "status": status}


ROLLED_OUT = 'deployment "x" successfully rolled out\n'
NOT_YET = "Waiting for deployment to finish\n"
MODELS = json.dumps(
    [
        {"name": "parakeet-0.6b-en-US-asr-streaming-throughput", "version": "1", "state": "READY"},
        {"name": "fastpitch_hifigan_ensemble-English-US", "version": "1", "state": "READY"},
        {"name": "riva-punctuation-en-US", "version": "1", "state": "UNAVAILABLE"},
    ]
)
CLAIMS = "riva-workdir-pvc|Bound|local-storage\nllm-nim-cache|Bound|local-storage\n"

HELD = ("voice-gateway:0.1.0", "voice-local-stack:0.1.0", "pause:3.10")
# A cluster where everything is there and works; what a test says comes before it.
HEALTHY: list[Answer] = [
    kubectl("get --raw /readyz", "ok"),
    kubectl("config current-context", "lab\n"),
    kubectl("get namespace .*part-of", "voice-workflow"),
    kubectl("get secret .*part-of", "voice-workflow"),
    kubectl("get nodes -l kubernetes.io/hostname=", "node/node001\n"),
    kubectl("get nodes .*status.images", " ".join(f"docker.io/library/{one}" for one in HELD)),
    kubectl("get nodes .*nodeInfo.architecture", "amd64\n"),
    kubectl("get nodes -o jsonpath={range", "head|\nnode001|4\n"),
    kubectl("get nodes -o jsonpath={.items", "head node001"),
    kubectl("get pv -l .*part-of", "voice-riva|voice-workflow\nvoice-staging-riva|staging\n"),
    kubectl("get deployment riva-api-(asr|tts|router) ", status=1),
    kubectl("get deployment .* -o go-template", "app.kubernetes.io/name=x,"),
    kubectl("get deployments -l", "voice-gateway-gateway"),
    kubectl("get pvc -o", CLAIMS),
    kubectl("rollout status", ROLLED_OUT),
    kubectl("get job voice-paths", "1|"),
    kubectl("get --raw .*llm-nim.*/v1/models", '{"data":[{"id":"meta/llama-3.1-8b-instruct"}]}'),
    kubectl("get --raw .*/v2/health/ready", ""),
    kubectl("create --raw .*/v2/repository/index", MODELS),
    kubectl("^apply ", "thing serverside-applied\n"),
]


@dataclass
class Cluster:
    """A folder on the PATH with stand-ins, and what they were asked."""

    folder: Path
    real: dict[str, str]
    answers: list[Answer] = field(default_factory=lambda: list[Answer]())

    def run(
        self,
        script: str,
        *arguments: str,
        env: dict[str, str] | None = None,
        bash: Sequence[str] = (),
        programs: Sequence[str] = ("kubectl", "helm", "docker"),
    ) -> subprocess.CompletedProcess[str]:
        for program in programs:
            link = self.folder / program
            if not link.exists():
                link.write_bytes(STAND_IN.read_bytes())
                link.chmod(0o755)
        (self.folder / "answers.json").write_text(json.dumps([*self.answers, *HEALTHY]))
        (self.folder / "real.json").write_text(json.dumps(self.real))
        own = {
            "PATH": f"{self.folder}:/usr/bin:/bin",
            "HOME": str(self.folder),
            "TMPDIR": str(self.folder),
            "DEPLOY_POLL_S": "0.01",
            "DEPLOY_GRACE_S": "0",
            "VOICE_IMAGES_DIR": str(self.folder / "images"),
        }
        return subprocess.run(
            [*(bash or ("bash",)), str(TOP / "scripts" / f"{script}.sh"), *arguments],
            env={**own, **(env or {})},
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def built(self, name: str, image: str, where: str = "nodes", to: str = "linux/amd64") -> None:
        """What scripts/build_gateway.sh remembers of its last run."""
        (self.folder / "images").mkdir(exist_ok=True)
        (self.folder / "images" / f"{name}.built").write_text(f"{image}|{where}|{to}\n")

    def calls(self) -> list[Call]:
        record = self.folder / "calls.jsonl"
        return (
            [json.loads(line) for line in record.read_text().splitlines()]
            if record.exists()
            else []
        )

    def said(self) -> list[str]:
        return [" ".join([one["program"], *one["argv"]]) for one in self.calls()]

    def changes(self) -> list[str]:
        return [one for one in self.said() if CHANGES.search(one) and "kustomize" not in one]

    def applied(self) -> list[dict[str, Any]]:
        given = (one["stdin"] for one in self.calls() if "apply" in one["argv"])
        return [one for text in given for one in yaml.safe_load_all(text) if one]

    def secrets(self) -> dict[str, dict[str, str]]:
        return {
            one["metadata"]["name"]: {
                key: base64.b64decode(value).decode() for key, value in one["data"].items()
            }
            for one in self.applied()
            if one["kind"] == "Secret"
        }

    def hold_key_hidden(self, done: subprocess.CompletedProcess[str], key: str = KEY) -> None:
        """The key went to the cluster by standard input, and nowhere else."""
        encoded = base64.b64encode(key.encode()).decode()
        for secret in (key, encoded):
            assert secret not in done.stdout + done.stderr
            for call in self.calls():
                assert not [one for one in call["argv"] if secret in one], call["argv"]
                assert not [one for one in call["env"].values() if secret in one], call["argv"]


def only_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stdout + done.stderr
    return lines[0]


def pod(
    name: str,
    phase: str = "Pending",
    building: str = "",
    waiting: str = "",
    scheduler: str = "",
    kubelet: str = "",
) -> list[Answer]:
    """A Deployment whose pod is not ready, for the reasons given."""
    line = f"{name}|{phase}|False|{building}|{waiting}|{scheduler}|{kubelet}\n"
    return [kubectl("rollout status", NOT_YET), kubectl("get pods -l", line)]
