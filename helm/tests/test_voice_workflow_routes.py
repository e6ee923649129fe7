"""The gateway's routes to callers outside, and its custom resources, held to their CRDs."""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from rendered_charts import Helm, Manifest
from riva_chart import Rendered

HERE = Path(__file__).parent
CHART = HERE.parent / "voice-workflow"
NAME = "voice-gateway-gateway"
HOST = "voice.example.org"


def exposed(route: str, **more: Any) -> dict[str, Any]:
    """Values with one route on; `more` goes into exposure, `own` into the route."""
    own = {"enabled": True, **more.pop("own", {})}
    return {"exposure": {"host": HOST, "tls": {"secretName": "t"}, route: own, **more}}


ENVOY = {"className": "eg", "implementation": "envoy"}
NGINX = {"gateway": {"name": "g", "namespace": "infra"}, "implementation": "nginx"}
ISSUED = {"tls": {"certManager": {"issuer": "letsencrypt"}}}
KEDA = {
    "enabled": True,
    "metricsCollected": True,
    "engine": "keda",
    "keda": {"prometheusUrl": "http://prometheus:9090"},
}

CUSTOM: dict[str, dict[str, Any]] = {
    "own gateway, envoy": exposed("gatewayApi", own=ENVOY, web=True, **ISSUED),
    "two names": exposed("gatewayApi", own=ENVOY, web=True, webHost="talk.example.org", **ISSUED),
    "another's gateway": exposed("gatewayApi", own=NGINX),
    "traefik": exposed("traefik", web=True),
    "traefik without tls": exposed("traefik", tls={"enabled": False}),
    "keda": {"autoscaling": KEDA},
    "monitoring": {"monitoring": {"serviceMonitor": {"enabled": True}, "rules": {"enabled": True}}},
}
Faults = Callable[[Iterable[Manifest]], list[str]]  # one line each

# Their schema is in no package; the test below says what must be in them.
UNKNOWN = ("gateway.nginx.org/v1alpha1",)


@pytest.fixture(scope="session")
def crd_checker() -> Path:
    """The folder of the checker and its packages, of the versions and hashes in the lock."""
    files = [HERE / "crds" / name for name in ("package.json", "package-lock.json", "check.mjs")]
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:16]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = cache / "voice-workflow" / f"crds-{digest}"
    if not home.exists():
        work = home.with_name(f"{home.name}.{os.getpid()}")
        work.mkdir(parents=True)
        for path in files:
            shutil.copy(path, work)
        npm = ["npm", "ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"]
        subprocess.run(npm, cwd=work, check=True, timeout=240, capture_output=True)
        work.rename(home)
    return home


@pytest.fixture(scope="session")
def crd_faults(crd_checker: Path) -> Faults:
    def faults(manifests: Iterable[Manifest]) -> list[str]:
        done = subprocess.run(
            ["node", "check.mjs"],
            cwd=crd_checker,
            input=json.dumps(list(manifests)),
            text=True,
            capture_output=True,
            check=False,
        )
        assert not done.stderr, done.stderr
        return done.stdout.splitlines()

    return faults


@pytest.mark.timeout(300)  # the packages are fetched once
def test_custom_resources_are_what_their_owners_take(
    helm: Helm, riva: Rendered, crd_faults: Faults
) -> None:
    made = [
        one
        for values in CUSTOM.values()
        for one in helm.template(CHART, values)
        if "." in one["apiVersion"].partition("/")[0]
        and one["apiVersion"] not in ("networking.k8s.io/v1", *UNKNOWN)
    ]
    known = ("--api-versions", "monitoring.coreos.com/v1")
    watched = {"metrics": {"serviceMonitor": {"enabled": True, "labels": {"release": "p"}}}}
    made += [
        riva({"mode": mode, **watched}, *known).one("ServiceMonitor") for mode in ("riva", "nim")
    ]
    kinds = {one["kind"] for one in made}
    assert kinds == {
        "BackendTrafficPolicy",
        "Certificate",
        "ClientTrafficPolicy",
        "GRPCRoute",
        "Gateway",
        "HTTPRoute",
        "IngressRoute",
        "PrometheusRule",
        "ScaledObject",
        "ServiceMonitor",
    }
    assert crd_faults(made) == []


@pytest.mark.timeout(300)
def test_the_checker_finds_faults(helm: Helm, crd_faults: Faults) -> None:
    made = helm.template(CHART, CUSTOM["two names"])
    route, certificate = made.one("GRPCRoute"), made.one("Certificate")
    route["spec"]["rules"][0]["matchez"] = []
    certificate["spec"]["secretName"] = 4
    faults = crd_faults([route, certificate])
    assert any("matchez" in fault for fault in faults)
    assert any("secretName must be string" in fault for fault in faults)


class TestGatewayApi:
    def test_route_leads_to_the_service(self, helm: Helm) -> None:
        made = helm.template(CHART, exposed("gatewayApi", own=NGINX))
        spec = made.one("GRPCRoute")["spec"]
        assert spec["parentRefs"] == [{"name": "g", "namespace": "infra"}]
        assert spec["hostnames"] == [HOST]
        assert spec["rules"][0]["backendRefs"] == [{"name": NAME, "port": 50051}]
        assert spec["rules"][0]["matches"][0]["method"]["service"] == "voice_workflow.VoiceGateway"
        assert not made.of("Gateway")

    def test_gateway_of_its_own_ends_tls(self, helm: Helm) -> None:
        made = helm.template(CHART, exposed("gatewayApi", own=ENVOY))
        (listener,) = made.one("Gateway")["spec"]["listeners"]
        assert (listener["port"], listener["protocol"]) == (443, "HTTPS")
        assert listener["tls"]["certificateRefs"][0]["name"] == "t"
        assert made.one("GRPCRoute")["spec"]["parentRefs"] == [{"name": NAME}]

    def test_envoy_lets_calls_last(self, helm: Helm) -> None:
        values = exposed("gatewayApi", own=ENVOY)
        values["settings"] = {"CALL_MAX_S": 7200, "CALL_IDLE_TIMEOUT_S": 1000}
        made = helm.template(CHART, values)
        http = made.one("BackendTrafficPolicy")["spec"]["timeout"]["http"]
        assert http == {"requestTimeout": "0s", "maxStreamDuration": "7260s"}
        http = made.one("ClientTrafficPolicy")["spec"]["timeout"]["http"]
        assert http == {"streamIdleTimeout": "1060s"}

    def test_nginx_takes_more_than_a_mebibyte(self, helm: Helm) -> None:
        made = helm.template(CHART, exposed("gatewayApi", own=NGINX))
        spec = made.one("ClientSettingsPolicy")["spec"]
        assert spec["targetRef"]["kind"] == "GRPCRoute"
        assert spec["body"] == {"maxSize": "0", "timeout": "6m"}

    def test_a_name_has_one_kind_of_route(self, helm: Helm) -> None:
        made = helm.template(CHART, exposed("gatewayApi", own=ENVOY, web=True))
        assert not made.of("GRPCRoute")
        calls = made.one("HTTPRoute")["spec"]["rules"][0]
        assert calls["backendRefs"] == [{"name": NAME, "port": 50051}]
        paths = [match["path"]["value"] for match in calls["matches"]]
        assert paths[0] == "/voice_workflow.VoiceGateway"
        assert calls["timeouts"] == {"request": "0s"}
        (target,) = made.one("BackendTrafficPolicy")["spec"]["targetRefs"]
        assert target["kind"] == "HTTPRoute"

    def test_two_names_have_a_route_each(self, helm: Helm) -> None:
        values = exposed("gatewayApi", own=ENVOY, web=True, webHost="talk.example.org", **ISSUED)
        made = helm.template(CHART, values)
        assert made.one("GRPCRoute")["spec"]["hostnames"] == [HOST]
        assert made.one("HTTPRoute")["spec"]["hostnames"] == ["talk.example.org"]
        hosts = {one["hostname"] for one in made.one("Gateway")["spec"]["listeners"]}
        assert (
            hosts == {HOST, "talk.example.org"} == set(made.one("Certificate")["spec"]["dnsNames"])
        )
        assert made.one("ConfigMap", NAME)["data"]["HTTP_HOSTS"] == "talk.example.org"
        assert made.one("BackendTrafficPolicy")["spec"]["targetRefs"][0]["kind"] == "GRPCRoute"

    def test_page_without_the_pages_of_the_cluster(self, helm: Helm) -> None:
        made = helm.template(CHART, exposed("gatewayApi", own=ENVOY, web=True))
        _, page, hidden = made.one("HTTPRoute")["spec"]["rules"]
        assert page["backendRefs"] == [{"name": NAME, "port": 8080}]
        assert page["timeouts"] == {"request": "0s"}
        paths = {match["path"]["value"] for match in hidden["matches"]}
        assert paths == {"/metrics", "/healthz", "/readyz"}
        assert "backendRefs" not in hidden


class TestTraefik:
    def test_speaks_http2_to_the_gateway(self, helm: Helm) -> None:
        made = helm.template(CHART, exposed("traefik", own={"entryPoint": "grpcs"}))
        spec = made.one("IngressRoute")["spec"]
        assert spec["entryPoints"] == ["grpcs"]
        (service,) = spec["routes"][0]["services"]
        assert (service["name"], service["port"], service["scheme"]) == (NAME, 50051, "h2c")
        assert spec["tls"] == {"secretName": "t"}

    def test_page_without_the_pages_of_the_cluster(self, helm: Helm) -> None:
        made = helm.template(CHART, exposed("traefik", web=True))
        page = made.one("IngressRoute")["spec"]["routes"][1]
        assert page["services"][0]["port"] == 8080
        assert f"Host(`{HOST}`)" in page["match"]
        elsewhere = helm.template(CHART, exposed("traefik", web=True, webHost="talk.example.org"))
        page = elsewhere.one("IngressRoute")["spec"]["routes"][1]
        assert "Host(`talk.example.org`)" in page["match"]
        assert "!PathPrefix(`/metrics`)" in page["match"]


class TestNginx:
    def test_f5(self, helm: Helm) -> None:
        ingress = helm.template(CHART, exposed("nginx")).one("Ingress")
        notes = ingress["metadata"]["annotations"]
        assert notes["nginx.org/grpc-services"] == NAME
        assert notes["nginx.org/client-max-body-size"] == "0"
        assert notes["nginx.org/proxy-read-timeout"] == "14460s"
        assert "client_body_timeout 14460s;" in notes["nginx.org/server-snippets"]
        assert ingress["spec"]["tls"] == [{"hosts": [HOST], "secretName": "t"}]

    def test_community(self, helm: Helm) -> None:
        values = exposed("nginx", own={"controller": "community", "className": "public"})
        ingress = helm.template(CHART, values).one("Ingress")
        notes = ingress["metadata"]["annotations"]
        assert notes["nginx.ingress.kubernetes.io/backend-protocol"] == "GRPC"
        assert notes["nginx.ingress.kubernetes.io/proxy-body-size"] == "0"
        for name in ("proxy-read-timeout", "proxy-send-timeout", "client-body-timeout"):
            assert notes[f"nginx.ingress.kubernetes.io/{name}"] == "14460"
        assert ingress["spec"]["ingressClassName"] == "public"

    def test_annotations_of_the_user_win(self, helm: Helm) -> None:
        values = exposed("nginx", annotations={"nginx.org/client-max-body-size": "9m"})
        notes = helm.template(CHART, values).one("Ingress")["metadata"]["annotations"]
        assert notes["nginx.org/client-max-body-size"] == "9m"
        assert notes["nginx.org/grpc-services"] == NAME


@pytest.mark.parametrize("route", ["gatewayApi", "traefik", "nginx"])
def test_certificate_is_asked_for_and_used(helm: Helm, route: str) -> None:
    own = ENVOY if route == "gatewayApi" else {}
    made = helm.template(CHART, exposed(route, own=own, **ISSUED))
    spec = made.one("Certificate")["spec"]
    assert spec["dnsNames"] == [HOST]
    assert spec["issuerRef"]["name"] == "letsencrypt"
    users = [one for one in made if one["kind"] in ("Gateway", "IngressRoute", "Ingress")]
    assert spec["secretName"] in json.dumps(users)


@pytest.mark.parametrize("route", ["traefik", "nginx"])
def test_no_tls_where_it_is_not_wanted(helm: Helm, route: str) -> None:
    made = helm.template(CHART, exposed(route, tls={"enabled": False}))
    (entry,) = [one for one in made if one["kind"] in ("IngressRoute", "Ingress")]
    assert "tls" not in entry["spec"]


def test_nothing_is_exposed_by_itself(helm: Helm) -> None:
    made = helm.template(CHART)
    assert not made.kinds() & {"Ingress", "IngressRoute", "GRPCRoute", "Gateway", "Certificate"}
    assert made.one("Service", NAME)["spec"]["type"] == "ClusterIP"
