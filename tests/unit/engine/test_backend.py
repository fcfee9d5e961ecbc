"""The file backend: Pulumi's layout, its lock, writes that are whole or not there."""

from __future__ import annotations

import getpass
import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from engine.backend import FileBackend, LockedError, locate, write_atomically
from engine.errors import EngineError
from tests.unit.engine.conftest import Workplace
from tests.unit.engine.programs import pair


@pytest.fixture
def backend(tmp_path: Path) -> FileBackend:
    return FileBackend(tmp_path / "root", "shop", "local")


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("file://state", "{start}/state"),
        ("file://./state", "{start}/state"),
        ("file:///tmp/state", "/tmp/state"),
        ("file://~", "{home}"),
        ("file://~/state", "{home}/state"),
        ("file:///tmp/state?no_tmp_dir=true", "/tmp/state"),
    ],
)
def test_the_backend_url_is_resolved_as_pulumi_does(url: str, path: str, tmp_path: Path) -> None:
    wanted = path.format(start=tmp_path, home=Path.home())
    assert locate({"PULUMI_BACKEND_URL": url}, tmp_path) == Path(wanted)


@pytest.mark.parametrize("url", ["", "https://api.pulumi.com", "gs://bucket"])
def test_another_kind_of_backend_is_refused_by_its_url(url: str, tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=url or "PULUMI_BACKEND_URL is not set"):
        locate({"PULUMI_BACKEND_URL": url}, tmp_path)


def test_the_layout_is_pulumis(workplace: Workplace) -> None:
    workplace.program(pair()).up()
    root = workplace.folder / "state" / ".pulumi"
    assert (root / "meta.yaml").read_text() == "version: 1\n"
    files = {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}
    assert files == {"meta.yaml", "stacks/shop/local.json"}
    document = json.loads(workplace.state_path.read_text())
    assert set(document) == {"version", "checkpoint"}
    assert document["version"] == 3
    assert document["checkpoint"]["stack"] == "organization/shop/local"


def test_the_state_before_an_update_is_kept_beside_it(workplace: Workplace) -> None:
    workplace.program(pair()).up()
    before = workplace.state_path.read_text()
    workplace.program(pair(content="second")).up()
    assert workplace.state_path.with_name("local.json.bak").read_text() == before


def test_a_lock_is_held_as_pulumi_writes_it_and_given_back(backend: FileBackend) -> None:
    folder = backend.root / ".pulumi" / "locks" / "organization" / "shop" / "local"
    with backend.lock():
        (path,) = folder.glob("*.json")
        assert set(json.loads(path.read_text())) == {"pid", "username", "hostname", "timestamp", "embedded-engine"}
    assert list(folder.iterdir()) == []


def test_a_lock_is_given_back_when_the_update_fails(backend: FileBackend) -> None:
    with pytest.raises(RuntimeError), backend.lock():
        raise RuntimeError
    with backend.lock():
        pass


def _foreign_lock(backend: FileBackend, **changes: object) -> Path:
    folder = backend.root / ".pulumi" / "locks" / "organization" / "shop" / "local"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "11111111-2222-3333-4444-555555555555.json"
    lock = {"pid": 1, "username": "ann", "hostname": "elsewhere", "timestamp": "2026-01-02T03:04:05Z"}
    path.write_text(json.dumps({**lock, **changes}))
    return path


def test_anothers_lock_is_respected_and_named(workplace: Workplace) -> None:
    backend = FileBackend(workplace.folder / "state", "shop", "local")
    path = _foreign_lock(backend)
    with pytest.raises(LockedError, match=r"(?s)locked by 1 lock.*created by ann@elsewhere \(pid 1\)"):
        workplace.program(pair()).up()
    assert workplace.google.writes() == []
    assert workplace.preview().ok
    path.unlink()
    assert workplace.up().ok


def _lock_of_the_dead(backend: FileBackend, **changes: object) -> Path:
    dead = subprocess.run([sys.executable, "-c", "import os; print(os.getpid())"], capture_output=True, check=True)
    return _foreign_lock(
        backend, pid=int(dead.stdout), hostname=socket.gethostname(), username=getpass.getuser(), **changes
    )


def test_the_engines_own_lock_is_cleared_when_its_process_is_dead(backend: FileBackend) -> None:
    path = _lock_of_the_dead(backend, **{"embedded-engine": True})
    with backend.lock():
        assert not path.exists()


def test_the_lock_of_a_killed_pulumi_is_left_for_pulumi_cancel(backend: FileBackend) -> None:
    path = _lock_of_the_dead(backend)
    with pytest.raises(LockedError, match=r"which is no more.*`pulumi cancel`"), backend.lock():
        pass
    assert path.exists()


@pytest.mark.parametrize("stack", ["../../x", "..", ".", "", "a b", "x" * 101, "organization/shop/..", "a/../local"])
def test_a_stack_name_that_leads_out_of_the_layout_is_refused(workplace: Workplace, stack: str) -> None:
    with pytest.raises(EngineError, match=r"stack (name )?'.*' is (refused|not of this project)"):
        workplace.program(pair()).up(stack=stack)
    assert workplace.google.log == []


def test_a_project_name_that_leads_out_of_the_layout_is_refused(workplace: Workplace) -> None:
    (workplace.folder / "Pulumi.yaml").write_text("name: ../x\nruntime: python\n")
    with pytest.raises(EngineError, match=re.escape("project name '../x' is refused")):
        workplace.program(pair()).up()


@pytest.mark.parametrize("stack", ["organization/local", "organization/shop/local"])
def test_a_stack_is_also_given_by_its_qualified_name(workplace: Workplace, stack: str) -> None:
    assert workplace.program(pair()).up(stack=stack).ok
    assert workplace.state_path.exists()


def test_a_stack_of_another_project_is_refused(workplace: Workplace) -> None:
    with pytest.raises(EngineError, match="'organization/other/local' is not of this project"):
        workplace.program(pair()).preview(stack="organization/other/local")


@pytest.mark.parametrize("parallel", [0, -1])
def test_no_operation_at_a_time_is_refused(workplace: Workplace, parallel: int) -> None:
    with pytest.raises(EngineError, match=f"--parallel {parallel} is refused"):
        workplace.program(pair()).up(parallel=parallel)


def test_an_unreadable_lock_counts_as_a_lock(backend: FileBackend) -> None:
    _foreign_lock(backend).write_text("{")
    with pytest.raises(LockedError, match="unreadable"), backend.lock():
        pass


def test_a_write_that_fails_leaves_the_old_file_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.json"
    write_atomically(path, b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"


def test_a_state_that_cannot_be_written_stops_the_run(workplace: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: FileBackend, __: str) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(FileBackend, "save", full)
    with pytest.raises(EngineError, match="No space left on device"):
        workplace.program(pair()).up()
    assert workplace.google.writes() == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "is no JSON"),
        ('{"version": 2, "checkpoint": {}}', "format version 2"),
        ('{"version": 4, "checkpoint": {}}', "format version 4"),
        ('{"version": 3}', "neither a checkpoint nor a deployment"),
        ('{"version": 3, "features": ["views"], "checkpoint": {}}', "views"),
    ],
)
def test_a_state_that_cannot_be_understood_is_refused(workplace: Workplace, content: str, message: str) -> None:
    workplace.state_path.parent.mkdir(parents=True)
    workplace.state_path.parents[2].joinpath("meta.yaml").write_text("version: 1\n")
    workplace.state_path.write_text(content)
    with pytest.raises(EngineError, match=message):
        workplace.program(pair()).preview()


def test_a_compressed_state_is_refused_by_its_name(workplace: Workplace) -> None:
    workplace.program(pair()).up()
    workplace.state_path.with_name("local.json.gz").write_bytes(b"")
    with pytest.raises(EngineError, match=r"local\.json\.gz is a compressed state"):
        workplace.preview()


def test_a_state_whose_resources_are_out_of_order_is_refused(workplace: Workplace) -> None:
    workplace.program(pair()).up()
    document = json.loads(workplace.state_path.read_text())
    document["checkpoint"]["latest"]["resources"].reverse()
    workplace.state_path.write_text(json.dumps(document))
    with pytest.raises(EngineError, match="the state is damaged"):
        workplace.up()


RESOURCE = '{"version": 3, "deployment": {"resources": [%s]}}'


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "no JSON object"),
        ('{"version": 3, "checkpoint": []}', "its checkpoint is no object"),
        ('{"version": 3, "deployment": []}', "its deployment is no object"),
        ('{"version": 3, "deployment": {"resources": {}, "pending_operations": 3}}', "pending_operations are no list"),
        (RESOURCE % "3", "its resources are no list of objects"),
        (RESOURCE % '{"urn": "urn:pulumi:local::shop::a:b:C::d"}', "a resource has no type"),
        (RESOURCE % '{"type": "a:b:C"}', "a resource has no urn"),
        ('{"version": 3, "deployment": {"pending_operations": [{"type": "creating"}]}}', "a resource has no urn"),
        ('{"version": 3, "deployment": {"pending_operations": [{}]}}', "a pending operation has no type"),
    ],
)
def test_a_given_file_that_is_no_state_is_refused(workplace: Workplace, content: str, message: str) -> None:
    path = workplace.folder / "exported.json"
    path.write_text(content)
    with pytest.raises(EngineError, match=message):
        workplace.program(pair()).preview(state_file=path)


def test_a_plan_is_made_without_a_backend_that_the_engine_does_not_know_and_nothing_else_is(
    workplace: Workplace,
) -> None:
    workplace.environment["PULUMI_BACKEND_URL"] = "gs://acme-state"
    plan = workplace.program(pair()).preview()
    assert plan.ok
    assert plan.changes["create"] == 3
    (warning,) = [item.message for item in plan.diagnostics if item.severity == "warning"]
    assert "'gs://acme-state' is no file:// backend" in warning
    for command in (workplace.up, workplace.destroy):
        with pytest.raises(EngineError, match="'gs://acme-state' is no file:// backend"):
            command()


def test_the_secrets_that_another_run_brought_in_before_the_lock_was_held_are_opened(
    workplace: Workplace, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = 'pulumi.export("key", pulumi.Output.secret("s3cr3t"))'
    workplace.program(secret).up()
    salt = workplace.deployment["secrets_providers"]["state"]["salt"]
    content = workplace.state_path.read_text()
    workplace.state_path.unlink()
    lock = FileBackend.lock

    def late(backend: FileBackend) -> object:
        workplace.state_path.write_text(content)
        return lock(backend)

    monkeypatch.setattr(FileBackend, "lock", late)
    assert workplace.up().changes["same"] == 1
    assert workplace.deployment["secrets_providers"]["state"]["salt"] == salt
