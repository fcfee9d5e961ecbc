"""How guards are found and removed."""

import ast
from pathlib import Path

from tests.mutation import trial
from tests.mutation.mutants import control, mutants
from tests.mutation.trial import Verdict, files_for

INFRA = Path(__file__).parents[3] / "infra"

SOURCE = """
_MOVED_BY_AUTOSCALING = ["pools[0].count"]

class Store:
    def __init__(self):
        self.bucket = gcp.storage.Bucket("b", name="n", force_destroy=False, opts=ResourceOptions(protect=True))
        self.grants = [first(), second()]
        other = Pool("p", protect=True, after=[self.bucket])
        warm = gcp.vertex.AiPersistentResource("w")

def _lifecycle():
    return [rule(1), rule(2)]

def allowed(who):
    return Grant(ROLE, who, only_here)

def name_rule(name):
    return None if name else "is no name"

def _named(key, name):
    yield from broken(key, name, name_rule(name), "Name it")
"""


def found(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "store.py").write_text(SOURCE)
    return {mutant.what: mutant.source for mutant in mutants(tmp_path)}


def test_every_guard_of_a_file_is_removed_alone(tmp_path: Path) -> None:
    whole = ast.unparse(ast.parse(SOURCE))
    sources = found(tmp_path)
    assert sources.keys() == {
        "gcp.storage.Bucket(force_destroy=…)",
        "ResourceOptions(protect=…)",
        "Pool(after=…)",
        "first()",
        "second()",
        "rule(1)",
        "rule(2)",
        "'pools[0].count'",
        "what is below pools in pools[0].count",
        "staying without labels: gcp.vertex.AiPersistentResource",
        "the condition of Grant(ROLE, who, only_here)",
        "what name_rule refuses: None if name else 'is no name'",
        "yield from broken(key, name, name_rule(name), 'Name it')",
    }
    for what, source in sources.items():
        assert source != whole, what
    assert "protect=True" not in sources["ResourceOptions(protect=…)"].partition("Pool(")[0]
    assert "[rule(2)]" in sources["rule(1)"]
    assert "[first()]" in sources["second()"]


def test_what_a_guard_that_is_no_argument_and_no_element_becomes(tmp_path: Path) -> None:
    sources = found(tmp_path)
    for what, becomes in (
        ("what is below pools in pools[0].count", "_MOVED_BY_AUTOSCALING = ['pools']"),
        ("staying without labels: gcp.vertex.AiPersistentResource", "('w', labels={'team': 'ranking'})"),
        ("the condition of Grant(ROLE, who, only_here)", "return Grant(ROLE, who)"),
        ("what name_rule refuses: None if name else 'is no name'", "def name_rule(name):\n    return None\n"),
        ("yield from broken(key, name, name_rule(name), 'Name it')", "def _named(key, name):\n    yield from ()"),
    ):
        assert becomes in sources[what]


def test_what_is_no_guard_stays(tmp_path: Path) -> None:
    assert all("name='n'" in source for source in found(tmp_path).values())


def test_the_guards_that_the_platform_lives_by_are_among_them() -> None:
    whats = {f"{mutant.file} without {mutant.what}" for mutant in mutants(INFRA)}
    for guard in ("protect", "deletion_policy", "delete_before_replace", "replace_on_changes", "ignore_changes"):
        assert any("training_pool.py" in what and f"{guard}=" in what for what in whats), guard
    assert any("storage.py" in what and "_delete_when" in what for what in whats)
    for file, part in (
        ("access.py", "without who.deployer"),  # who may act as the pipeline
        ("access.py", "the condition of Grant(permissions.OBJECT_WRITER"),
        ("rules.py", "yield from broken("),
        ("pool_rules.py", "yield from broken("),
        ("limits.py", "what replicas_rule refuses"),
        ("training_pool.py", "staying without labels"),
        ("storage.py", "public_access_prevention="),
        ("storage.py", "uniform_bucket_level_access="),
    ):
        assert any(what.startswith(file) and part in what for what in whats), part
    assert len(whats) > 180


def test_the_control_has_every_guard() -> None:
    unharmed = control(INFRA)
    assert ast.dump(ast.parse(unharmed.source)) == ast.dump(ast.parse((INFRA / unharmed.file).read_text()))


def test_the_likeliest_tests_come_first() -> None:
    mutant = next(each for each in mutants(INFRA) if each.file == "training_pool.py")
    first, others = files_for(mutant)
    assert first == ["tests/unit/infra/test_training_pool.py"]
    assert len(others) > 10
    order = next(each for each in mutants(INFRA) if each.file == "dashboard.py")
    assert files_for(order)[0] == ["tests/unit/infra/test_order.py"]


def test_the_tests_that_are_likely_to_notice_are_there() -> None:
    for stems in trial._LIKELY.values():
        for stem in stems:
            assert (trial.ROOT / trial.TESTS / f"test_{stem}.py").exists()


def test_only_a_failed_test_kills() -> None:
    mutant = mutants(INFRA)[0]
    assert Verdict(mutant, 1).killed
    assert not Verdict(mutant, 0).killed
    assert Verdict(mutant, 2).broken
