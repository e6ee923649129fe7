"""A pinned `helm` for the chart tests."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # tests share rendered_charts.py and what lies beside it

from rendered_charts import TOP, Helm, Manifests  # noqa: E402
from riva_chart import CHART as RIVA_CHART  # noqa: E402
from riva_chart import Rendered  # noqa: E402


@pytest.fixture(scope="session")
def helm_folder() -> Path:
    """The folder with `helm` and `kubectl`; on other machines than ours, Helm 4 from the PATH."""
    fetched = subprocess.run(
        [TOP / "scripts" / "fetch_helm.sh"],
        text=True,
        capture_output=True,
        timeout=300,
        check=False,
    )
    if fetched.returncode == 0:
        return Path(fetched.stdout.strip())
    found = shutil.which("helm")
    assert found, fetched.stderr
    return Path(found).parent


@pytest.fixture(scope="session")
def helm(helm_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    return Helm(str(helm_folder / "helm"), tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def riva(helm: Helm) -> Rendered:
    def rendered(
        values: Mapping[str, Any] | None = None, *more: str, release: str = "riva-api"
    ) -> Manifests:
        return helm.template(RIVA_CHART, values, *more, release=release)

    return rendered


def pytest_itemcollected(item: pytest.Item) -> None:
    """The first test that needs Helm also waits until it is fetched."""
    if "helm" in getattr(item, "fixturenames", ()) and not item.get_closest_marker("timeout"):
        item.add_marker(pytest.mark.timeout(300))
