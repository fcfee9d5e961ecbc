"""How guards are found and removed."""

import ast
from pathlib import Path

from tests.mutation.mutants import control, mutants
from tests.mutation.trial import Verdict, files_for

INFRA = Path(__file__).parents[3] / "infra"

SOURCE = """
class Store:
    def __init__(self):
        self.bucket = gcp.storage.Bucket("b", name="n", force_destroy=False, opts=ResourceOptions(protect=True))
        self.grants = [first(), second()]
        other = Pool("p", protect=True, after=[self.bucket])

def _lifecycle():
    return [rule(1), rule(2)]
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
    }
    for what, source in sources.items():
        assert len(source) < len(whole), what
    assert "protect=True" not in sources["ResourceOptions(protect=…)"].partition("Pool(")[0]
    assert "[rule(2)]" in sources["rule(1)"]
    assert "[first()]" in sources["second()"]


def test_what_is_no_guard_stays(tmp_path: Path) -> None:
    assert all("name='n'" in source for source in found(tmp_path).values())


def test_the_guards_that_the_platform_lives_by_are_among_them() -> None:
    whats = {f"{mutant.file} {mutant.what}" for mutant in mutants(INFRA)}
    for guard in ("protect", "deletion_policy", "delete_before_replace", "replace_on_changes", "ignore_changes"):
        assert any("training_pool.py" in what and f"{guard}=" in what for what in whats), guard
    assert any("storage.py" in what and "_delete_when" in what for what in whats)
    assert len(whats) > 50


def test_the_control_has_every_guard() -> None:
    unharmed = control(INFRA)
    assert ast.dump(ast.parse(unharmed.source)) == ast.dump(ast.parse((INFRA / unharmed.file).read_text()))


def test_a_files_own_tests_come_first() -> None:
    mutant = next(each for each in mutants(INFRA) if each.file == "training_pool.py")
    assert files_for(mutant)[0] == "tests/unit/infra/test_training_pool.py"
    assert len(files_for(mutant)) > 10


def test_only_a_failed_test_kills() -> None:
    mutant = mutants(INFRA)[0]
    assert Verdict(mutant, 1).killed
    assert not Verdict(mutant, 0).killed
    assert Verdict(mutant, 2).broken
