import contextlib
import subprocess
import sys
import threading

import pytest

from local.cloud.errors import ApiError
from local.cloud.store import Store, parent_of


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path / "state.sqlite")
    yield store
    store.close()


def test_a_resource_is_found_by_kind_and_name(store):
    store.put("job", "projects/p/jobs/1", {"state": "RUNNING"})
    assert store.get("job", "projects/p/jobs/1") == {"state": "RUNNING"}
    assert store.get("pool", "projects/p/jobs/1") is None


def test_a_taken_name_is_refused(store):
    store.create("job", "projects/p/jobs/1", {})
    with pytest.raises(ApiError, match="'projects/p/jobs/1' already exists") as refused:
        store.create("job", "projects/p/jobs/1", {})
    assert refused.value.code == 409


def test_a_list_is_in_order_of_name_and_goes_on_after_a_name(store):
    for number in (3, 1, 2):
        store.put("job", f"projects/p/jobs/{number}", {"n": number})
    store.put("job", "projects/q/jobs/0", {"n": 0})
    names = [name for name, _ in store.list("job", "projects/p", after="projects/p/jobs/1", limit=1)]
    assert names == ["projects/p/jobs/2"]
    assert len(store.list("job")) == 4


def test_a_block_that_raises_leaves_nothing_behind(store):
    def write_and_fail():
        with store.transaction():
            store.put("job", "a", {})
            with store.transaction():
                store.put("job", "b", {})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    assert store.list("job") == []


def test_others_do_not_see_what_is_not_committed(store):
    seen = []
    with store.transaction():
        store.put("job", "a", {})
        reader = threading.Thread(target=lambda: seen.append(store.get("job", "a")))
        reader.start()
        reader.join()
    assert seen == [None]
    assert store.get("job", "a") == {}


def test_writers_take_turns(store):
    store.put("count", "n", {"n": 0})

    def add():
        for _ in range(50):
            with store.transaction():
                store.put("count", "n", {"n": store.get("count", "n")["n"] + 1})

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert store.get("count", "n") == {"n": 200}


def test_deleting_under_a_prefix_spares_its_neighbours(store):
    for name in ("a/b", "a/b/c", "a/b/d", "a/bc"):
        store.put("job", name, {})
    assert store.delete_under("job", "a/b/") == 2
    assert [name for name, _ in store.list("job")] == ["a/b", "a/bc"]


def _n(body):
    return body and body["n"]


def test_what_is_made_of_a_resource_is_made_once_until_it_changes(store):
    made = []

    def make(body):
        made.append(body)
        return _n(body)

    assert [store.derived("job", "a/1", make) for _ in range(3)] == [None, None, None]
    for change, wanted in (
        (lambda: store.put("job", "a/1", {"n": 1}), 1),
        (lambda: store.put("job", "a/1", {"n": 2}), 2),
        (lambda: store.delete("job", "a/1"), None),
        (lambda: store.create("job", "a/1", {"n": 3}), 3),
        (lambda: store.delete_under("job", "a/"), None),
    ):
        change()
        assert [store.derived("job", "a/1", make) for _ in range(3)] == [wanted] * 3
    assert len(made) == 6
    store.put("job", "a/2", {"n": 9})
    assert store.derived("job", "a/1", make) is None
    assert len(made) == 6


def test_who_changes_a_resource_sees_what_is_made_of_it_first(store):
    store.put("job", "a", {"n": 1})
    seen = []
    with store.transaction():
        store.put("job", "a", {"n": 2})
        assert store.derived("job", "a", _n) == 2
        reader = threading.Thread(target=lambda: seen.append(store.derived("job", "a", _n)))
        reader.start()
        reader.join()
        store.delete_under("job", "")
        assert store.derived("job", "a", _n) is None
    assert seen == [1]
    assert store.derived("job", "a", _n) is None


def test_what_is_made_of_a_change_that_was_undone_is_forgotten(store):
    store.put("job", "a", {"n": 1})

    def change_and_fail():
        with store.transaction():
            store.put("job", "a", {"n": 2})
            assert store.derived("job", "a", _n) == 2
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change_and_fail()
    assert store.derived("job", "a", _n) == 1


def test_what_is_made_while_its_resource_changes_is_not_kept(store):
    store.put("job", "a", {"n": 1})

    def make_slowly(body):
        if body == {"n": 1}:
            store.put("job", "a", {"n": 2})
        return _n(body)

    assert store.derived("job", "a", make_slowly) == 1
    assert store.derived("job", "a", make_slowly) == 2


def test_readers_among_writers_are_never_told_of_the_past(store):
    store.put("count", "n", {"n": 0})
    told, done = [0], threading.Event()

    def read():
        while not done.is_set():
            written = store.get("count", "n")["n"]
            told.append(store.derived("count", "n", _n) - written)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(1, 300):
        store.put("count", "n", {"n": number})
        assert store.derived("count", "n", _n) == number
    done.set()
    for reader in readers:
        reader.join()
    assert min(told) >= -1  # one write is on its way whose writer has not been told


def test_others_are_told_of_a_change_when_they_can_see_it(store):
    seen = []
    with store.transaction():
        store.put("pool", "p", {"state": "RUNNING"})
        with store.transaction():
            store.when_committed(lambda: seen.append(_from_another_thread(store, "pool", "p")))
        assert seen == []
    assert seen == [{"state": "RUNNING"}]
    store.when_committed(lambda: seen.append("at once"))
    assert seen[1:] == ["at once"]


def test_nobody_is_told_of_a_change_that_was_undone(store):
    told = []
    with contextlib.suppress(RuntimeError), store.transaction():
        store.when_committed(lambda: told.append("never"))
        raise RuntimeError
    store.put("pool", "p", {})
    assert told == []


def _from_another_thread(store, kind, name):
    read = []
    thread = threading.Thread(target=lambda: read.append(store.get(kind, name)))
    thread.start()
    thread.join()
    return read[0]


def test_a_commit_survives_the_death_of_the_process(tmp_path):
    path = tmp_path / "state.sqlite"
    program = (
        "import os, pathlib, sys\n"
        "from local.cloud.store import Store\n"
        "store = Store(pathlib.Path(sys.argv[1]))\n"
        "store.put('job', 'kept', {'n': 1})\n"
        "with store.transaction():\n"
        "    store.put('job', 'lost', {})\n"
        "    os.kill(os.getpid(), 9)\n"
    )
    assert subprocess.run([sys.executable, "-c", program, str(path)], check=False).returncode == -9
    store = Store(path)
    assert [name for name, _ in store.list("job")] == ["kept"]
    store.close()


def test_the_parent_of_a_name_is_two_segments_shorter():
    assert parent_of("projects/p/locations/l/jobs/1") == "projects/p/locations/l"
    assert parent_of("operations/1") == ""
