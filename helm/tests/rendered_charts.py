"""Runs the pinned `helm` without a cluster, and gives what a chart renders as manifests."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

TOP = Path(__file__).parents[2]

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
        return [(named(one), spec) for one in self if (spec := _pod_spec(one)) is not None]


def named(one: Manifest) -> str:
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
