"""Ten of the kills of `make chaos`, and that its checks can fail."""

from pathlib import Path

import pytest

from tests.chaos.__main__ import run
from tests.chaos.lab import Lab
from tests.chaos.ledger import BUCKET, TABLE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc").exists(), reason="looks processes up in /proc, which Linux has"),
]


def test_after_ten_kills_nothing_is_lost_and_every_run_has_ended(tmp_path: Path) -> None:
    problems, told = run(tmp_path, kills=10, seed=20, tell=lambda _: None)
    assert problems == []
    assert told[0].startswith("kills: ")


def test_a_loss_an_orphan_and_a_run_that_hangs_are_found(tmp_path: Path) -> None:
    lab = Lab(tmp_path, seed=1)
    lab.begin()
    try:
        for name in ("kept", "lost", "changed"):
            lab.ledger.upload(lab.cloud, name, name.encode())
        lab.ledger.insert(lab.cloud, 1)
        job = lab.job(600)
        assert lab.ledger.losses(lab.cloud) == []
        lab.cloud.call("DELETE", f"/storage/v1/b/{BUCKET}/o/lost")
        lab.ledger.objects["changed"] = "another digest"
        lab.ledger.rows.add(2)
        found = " ".join(lab.ledger.losses(lab.cloud))
        assert "object lost: 404" in found
        assert "object changed: its content is another" in found
        assert "row 2 is gone" in found
        assert "kept" not in found
        assert lab.process_of(job)
        assert lab.unfinished(0.2)[0].startswith(job)
        assert [line for line in lab.orphans(0.0) if "keeper.py" in line]
        assert lab.cloud.json("GET", TABLE)["id"]
    finally:
        lab.cloud.stop()
    assert lab.orphans() == []
