"""The stand-in cluster of the deployment scripts' tests."""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # tests share stand_in_cluster.py

from stand_in_cluster import TOP, Cluster  # noqa: E402


@pytest.fixture(scope="session")
def real_programs() -> dict[str, str]:
    """Helm and kubectl, for what needs no cluster: building manifests."""
    fetched = subprocess.run(
        [TOP / "scripts" / "fetch_helm.sh"], capture_output=True, text=True, timeout=300, check=True
    )
    folder = Path(fetched.stdout.strip())
    return {name: str(folder / name) for name in ("kubectl", "helm")}


@pytest.fixture
def cluster(tmp_path: Path, real_programs: dict[str, str]) -> Cluster:
    return Cluster(tmp_path, real_programs)
