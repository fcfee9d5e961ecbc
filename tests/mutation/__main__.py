"""`python -m tests.mutation`: remove each guard of infra/ in turn and see whether a unit test notices."""

import argparse
import os
import sys
from collections.abc import Sequence

from tests.mutation.mutants import Mutant, control, mutants
from tests.mutation.trial import ROOT, Verdict, start, warm


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutation", description=__doc__)
    parser.add_argument("--only", default="", metavar="TEXT", help="the guards whose line has this text")
    parser.add_argument("--at-a-time", type=int, default=os.cpu_count() or 1, metavar="N")
    arguments = parser.parse_args()
    chosen = [mutant for mutant in mutants(ROOT / "infra") if arguments.only in str(mutant)]
    warm()
    (unharmed,) = try_all([control(ROOT / "infra")], at_a_time=1)
    if unharmed.killed or unharmed.broken:
        sys.stdout.write("The tests fail without any mutant: make test-unit tells why\n")
        return 1
    verdicts = try_all(chosen, at_a_time=arguments.at_a_time)
    killed = sum(verdict.killed for verdict in verdicts)
    sys.stdout.write(f"{killed} of {len(verdicts)} killed\n")
    return 0 if killed == len(verdicts) and verdicts else 1


def try_all(chosen: Sequence[Mutant], *, at_a_time: int) -> list[Verdict]:
    """Each mutant's verdict, told as it falls."""
    waiting, running, verdicts = list(chosen), {}, []
    while waiting or running:
        while waiting and len(running) < at_a_time:
            mutant = waiting.pop(0)
            running[start(mutant)] = mutant
        child, status = os.wait()
        verdict = Verdict(running.pop(child), os.waitstatus_to_exitcode(status))
        verdicts.append(verdict)
        word = "killed  " if verdict.killed else "BROKEN  " if verdict.broken else "SURVIVED"
        sys.stdout.write(f"{word} {verdict.mutant}\n")
        sys.stdout.flush()
    return verdicts


if __name__ == "__main__":
    sys.exit(main())
