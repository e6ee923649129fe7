"""How many pods there are, who may take one away, and who may talk to whom."""

import re
from typing import Any

import pytest
from rendered_charts import Helm
from voice_chart import CHART, LOCAL, NAME, files


def out_ports(spec: dict[str, Any]) -> set[int]:
    return {port["port"] for rule in spec["egress"] for port in rule["ports"]}


class TestScaling:
    def test_leaves_the_number_of_pods_to_its_owner(self, helm: Helm) -> None:
        values = {"autoscaling": {"enabled": True, "metricsCollected": True}}
        made = helm.template(CHART, values)
        assert "replicas" not in made.one("Deployment")["spec"]
        assert helm.template(CHART).one("Deployment")["spec"]["replicas"] == 2

    def test_by_calls_and_slowly_down(self, helm: Helm) -> None:
        values = {"autoscaling": {"enabled": True, "metricsCollected": True, "callsPerPod": 30}}
        spec = helm.template(CHART, values).one("HorizontalPodAutoscaler")["spec"]
        assert spec["scaleTargetRef"]["name"] == NAME
        wanted = {
            metric["pods"]["metric"]["name"]: metric["pods"]["target"] for metric in spec["metrics"]
        }
        assert wanted == {
            "voice_calls_active": {"type": "AverageValue", "averageValue": "30"},
            "voice_gateway_load": {"type": "AverageValue", "averageValue": "0.75"},
        }
        down = spec["behavior"]["scaleDown"]
        assert down["stabilizationWindowSeconds"] == 900
        assert down["policies"] == [{"type": "Pods", "value": 1, "periodSeconds": 300}]

    def test_by_keda(self, helm: Helm) -> None:
        values = {
            "autoscaling": {
                "enabled": True,
                "metricsCollected": True,
                "engine": "keda",
                "keda": {"prometheusUrl": "http://prometheus:9090"},
            }
        }
        made = helm.template(CHART, values)
        assert not made.of("HorizontalPodAutoscaler")
        spec = made.one("ScaledObject")["spec"]
        for trigger, threshold in zip(spec["triggers"], ("40", "0.75"), strict=True):
            query = trigger["metadata"]["query"]
            assert "service=" not in query  # a PodMonitor gives none
            (pods,) = re.findall('pod=~"([^"]*)"', query)
            assert re.fullmatch(pods, f"{NAME}-6c5d9-x2x4p")
            assert not re.fullmatch(pods, f"{NAME}-other-6c5d9-x2x4p")
            # KEDA takes an empty answer for 0 by itself, and takes pods away from callers.
            assert trigger["metadata"]["ignoreNullValues"] == "false"
            assert trigger["metadata"]["threshold"] == threshold
        behaviour = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
        assert behaviour["scaleDown"]["stabilizationWindowSeconds"] == 900


def test_disruption_budget_lets_nodes_be_emptied(helm: Helm) -> None:
    spec = helm.template(CHART).one("PodDisruptionBudget")["spec"]
    assert spec["maxUnavailable"] == 1
    assert spec["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
    values = {"podDisruptionBudget": {"enabled": False}}
    assert not helm.template(CHART, values).of("PodDisruptionBudget")


class TestNetwork:
    def test_only_callers_come_in_and_only_upstreams_are_reached(self, helm: Helm) -> None:
        spec = helm.template(CHART).one("NetworkPolicy", NAME)["spec"]
        assert spec["policyTypes"] == ["Ingress", "Egress"]
        assert [rule["ports"][0]["port"] for rule in spec["ingress"]] == ["grpc"]
        assert out_ports(spec) == {53, 50051, 8000}

    @pytest.mark.parametrize(
        ("settings", "ports"),
        [
            ({"LLM_BASE_URL": "https://model.example.org/v1"}, {53, 50051, 443}),
            ({"LLM_BASE_URL": "http://model.example.org/v1"}, {53, 50051, 80}),
            ({"RIVA_ASR_URI": "asr:9001", "RIVA_TTS_URI": "[::1]:9002"}, None),
            ({"RIVA_URI": "a:9001, b:9002 dns:///c:9003"}, {53, 9001, 9002, 9003, 8000}),
            ({"LLM_BASE_URL": "http://a:81/v1,https://b/v1"}, {53, 50051, 81, 443}),
            ({"JWT_JWKS": "https://id.example.org/jwks"}, {53, 50051, 8000, 443}),
            ({"JWT_JWKS": "/etc/jwks.json"}, {53, 50051, 8000}),
        ],
    )
    def test_ports_are_those_of_the_settings(
        self, helm: Helm, settings: dict[str, str], ports: set[int] | None
    ) -> None:
        spec = helm.template(CHART, {"settings": settings}).one("NetworkPolicy", NAME)["spec"]
        assert out_ports(spec) == (ports or {53, 50051, 8000, 9001, 9002})

    def test_further_ports_by_tcp_and_udp(self, helm: Helm) -> None:
        further = [4443, {"port": 3478, "protocol": "UDP"}, {"port": 9, "protocol": "TCP"}]
        made = helm.template(CHART, {"networkPolicy": {"extraPorts": further}})
        spec = made.one("NetworkPolicy", NAME)["spec"]
        ports = {(one["port"], one["protocol"]) for one in spec["egress"][1]["ports"]}
        assert {(4443, "TCP"), (3478, "UDP"), (9, "TCP")} <= ports

    def test_dns_where_openshift_has_it(self, helm: Helm) -> None:
        made = helm.template(CHART, {}, *files("openshift"))
        for policy in made.of("NetworkPolicy"):
            dns = policy["spec"]["egress"][0]["ports"]
            asked = {(one["port"], one["protocol"]) for one in dns}
            assert asked == {(port, by) for port in (53, 5353) for by in ("TCP", "UDP")}

    def test_metrics_are_open_where_they_are_read(self, helm: Helm) -> None:
        made = helm.template(CHART, {"monitoring": {"serviceMonitor": {"enabled": True}}})
        rules = made.one("NetworkPolicy", NAME)["spec"]["ingress"]
        ports = [[port["port"] for port in rule["ports"]] for rule in rules]
        assert ports == [["grpc"], ["http", "internal"]]

    def test_a_page_that_is_let_out_opens_no_metrics(self, helm: Helm) -> None:
        exposure = {
            "host": "v.example.org",
            "web": True,
            "tls": {"secretName": "t"},
            "traefik": {"enabled": True},
        }
        made = helm.template(CHART, {"exposure": exposure})
        rules = made.one("NetworkPolicy", NAME)["spec"]["ingress"]
        assert [[p["port"] for p in rule["ports"]] for rule in rules] == [["grpc"], ["http"]]

    def test_the_test_may_call_where_callers_are_named(self, helm: Helm) -> None:
        callers = [{"namespaceSelector": {"matchLabels": {"role": "ingress"}}}]
        made = helm.template(CHART, {"networkPolicy": {"callersFrom": callers}})
        peers = made.one("NetworkPolicy", NAME)["spec"]["ingress"][0]["from"]
        labels = made.one("Pod")["metadata"]["labels"]
        assert peers[0] == callers[0]
        wanted = peers[1]["podSelector"]["matchLabels"]
        assert wanted.items() <= labels.items()

    def test_the_local_stack_answers_the_gateway_alone(self, helm: Helm) -> None:
        made = helm.template(CHART, {"localStack": {"enabled": True}})
        (rule,) = made.one("NetworkPolicy", LOCAL)["spec"]["ingress"]
        wanted = rule["from"][0]["podSelector"]["matchLabels"]
        gateway = made.one("Deployment", NAME)["spec"]["template"]["metadata"]["labels"]
        assert wanted.items() <= gateway.items()

    def test_the_test_reaches_the_gateway_alone(self, helm: Helm) -> None:
        made = helm.template(CHART, {"settings": {"GRPC_PORT": 6000}})
        spec = made.one("NetworkPolicy", f"{NAME}-conversation")["spec"]
        labels = made.one("Pod")["metadata"]["labels"]
        assert spec["podSelector"]["matchLabels"].items() <= labels.items()
        assert spec["ingress"] == []
        assert out_ports(spec) == {53, 6000}

    def test_can_be_left_out(self, helm: Helm) -> None:
        assert not helm.template(CHART, {"networkPolicy": {"enabled": False}}).of("NetworkPolicy")
