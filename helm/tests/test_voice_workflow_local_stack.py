"""The CPU models in the cluster, in place of Riva and the NIM."""

from typing import Any

import pytest
from rendered_charts import Helm
from voice_chart import CHART, LOCAL, NAME, containers


class TestLocalStack:
    def test_takes_the_place_of_riva_and_the_model(self, helm: Helm) -> None:
        made = helm.template(CHART, {"localStack": {"enabled": True, "llm": "smollm2"}})
        settings = made.one("ConfigMap", NAME)["data"]
        assert settings["RIVA_URI"] == f"{LOCAL}:50052"
        assert settings["LLM_BASE_URL"] == f"http://{LOCAL}:8000/v1"
        assert settings["LLM_MODEL"] == "smollm2"
        ports = {one["port"] for one in made.one("Service", LOCAL)["spec"]["ports"]}
        assert ports == {50052, 8000}

    def test_its_options_are_options_of_the_program(self, helm: Helm) -> None:
        from voice_local.__main__ import parse

        made = helm.template(CHART, {"localStack": {"enabled": True, "asr": "moonshine-base"}})
        options = parse(containers(made.one("Deployment", LOCAL))[0]["args"])
        assert (options.host, options.asr, options.llm) == (
            "0.0.0.0",
            "moonshine-base",
            "qwen-0.5b",
        )
        assert (options.riva_port, options.llm_port) == (50052, 8000)

    @pytest.mark.parametrize("field", ["llm", "asr"])
    def test_its_models_are_those_there_are(self, helm: Helm, field: str) -> None:
        from voice_local.catalogue import LANGUAGE_MODELS, RECOGNISERS

        known = LANGUAGE_MODELS if field == "llm" else RECOGNISERS
        for model in known:
            helm.template(CHART, {"localStack": {"enabled": True, field: model}})
        said = helm.refusal(CHART, {"localStack": {"enabled": True, field: "gpt"}})
        for model in known:
            assert model in said

    def test_offline_needs_no_network(self, helm: Helm) -> None:
        made = helm.template(CHART, {"localStack": {"enabled": True, "offline": True}})
        assert made.one("NetworkPolicy", LOCAL)["spec"]["egress"] == []
        assert "--offline" in containers(made.one("Deployment", LOCAL))[0]["args"]

    @pytest.mark.parametrize(
        ("cache", "volume", "claims"),
        [
            ({}, {"emptyDir": {"sizeLimit": "3Gi"}}, 0),
            ({"persistent": True}, {"persistentVolumeClaim": {"claimName": LOCAL}}, 1),
            ({"existingClaim": "mine"}, {"persistentVolumeClaim": {"claimName": "mine"}}, 0),
        ],
    )
    def test_cache(
        self, helm: Helm, cache: dict[str, Any], volume: dict[str, Any], claims: int
    ) -> None:
        made = helm.template(CHART, {"localStack": {"enabled": True, "cache": cache}})
        pod = made.one("Deployment", LOCAL)["spec"]["template"]["spec"]
        assert {"name": "cache", **volume} in pod["volumes"]
        assert len(made.of("PersistentVolumeClaim")) == claims
