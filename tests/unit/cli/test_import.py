"""`orlop import`, beside a server that runs on the registry."""

import json
import subprocess
import urllib.request
from pathlib import Path

from tests.servers import OrlopServer, command
from tests.unit.maintenance.old_registry import OldFolder
from tests.unit.registry.v1_house import image_id


def run(*words: str) -> subprocess.CompletedProcess[str]:
    words = ("import", "docker-registry-v1", *words)
    return subprocess.run(command(*words), capture_output=True, text=True, check=False, timeout=120)


def folder(tmp_path: Path) -> OldFolder:
    old = OldFolder(tmp_path / "old")
    old.image("root")
    old.image("leaf", "root")
    old.tag("library/ubuntu", "12.04", "leaf")
    return old


def test_a_running_server_serves_what_is_taken_over(tmp_path: Path) -> None:
    old = folder(tmp_path)
    with OrlopServer(tmp_path / "data") as server:
        done = run(str(old.root), "--data", str(server.data))
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines()[0].startswith("took over 2 images (")
        for path, expected in (
            ("/v1/repositories/ubuntu/tags", {"12.04": image_id("leaf")}),
            ("/v2/ubuntu/tags/list", {"name": "ubuntu", "tags": ["12.04"]}),
        ):
            with urllib.request.urlopen(f"{server.url}{path}", timeout=10) as answer:
                assert json.load(answer) == expected
        done = run(str(old.root), "--data", str(server.data))
        assert done.stdout.splitlines()[1] == "  2 images there already"


def test_what_is_left_out_is_told_line_by_line(tmp_path: Path) -> None:
    old = folder(tmp_path)
    old.tag("Team/App", "latest", "leaf")
    done = run(str(old.root), "--data", str(tmp_path / "data"))
    assert done.returncode == 1
    assert "orlop: left out: Team/App: invalid repository name" in done.stderr
    assert "Traceback" not in done.stderr
    done = run(str(old.root), "--data", str(tmp_path / "data"), "--json", "--dry-run")
    document = json.loads(done.stdout)
    assert (document["dry_run"], document["images"], document["unchanged"]) == (True, 0, 2)
    assert len(document["problems"]) == 1


def test_a_wrong_folder_is_one_line(tmp_path: Path) -> None:
    done = run(str(tmp_path), "--data", str(tmp_path / "data"))
    assert done.returncode == 1
    assert done.stderr.startswith(f"orlop: {tmp_path} holds no docker-registry: ")
    assert len(done.stderr.splitlines()) == 1
    assert not (tmp_path / "data").exists()
