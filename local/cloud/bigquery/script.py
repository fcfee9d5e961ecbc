"""A script's text as steps: statements, variables, conditions, loops and blocks.

Owns: where a statement ends and which words steer. Does not own: what statements mean (translate.py) or carrying steps
out (script_job.py). Source: https://cloud.google.com/bigquery/docs/reference/standard-sql/procedural-language
"""

import re
from dataclasses import dataclass, field

from local.cloud.bigquery.problems import invalid_query

_STEERING = {"DECLARE", "SET", "BEGIN", "IF", "WHILE", "LOOP", "REPEAT", "FOR", "EXECUTE", "CALL", "RETURN", "RAISE"}
_STEERING |= {"COMMIT", "ROLLBACK", "ASSERT"}
_PAIRED = {"(": 1, ")": -1}
_TOKEN = re.compile(
    r"""(?P<space>\s+|--[^\n]*|\#[^\n]*|/\*.*?\*/)
    |(?P<text>(?:[rR][bB]?|[bB][rR]?)?(?:\"{3}(?:\\.|.)*?\"{3}|\'{3}(?:\\.|.)*?\'{3}|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'))
    |(?P<name>`(?:\\.|[^`\\])*`)
    |(?P<word>[@\w]+)
    |(?P<sign>.)""",
    re.VERBOSE | re.DOTALL,
)


@dataclass(slots=True)
class Step:
    """`kind` is STATEMENT, or the word that the step begins with; `text` its own text: a statement or a condition."""

    kind: str
    text: str
    body: "list[Step]" = field(default_factory=list)
    branches: "list[tuple[str, list[Step]]]" = field(default_factory=list)  # of IF: conditions and what follows them


def steps_of(sql: str) -> list[Step]:
    """Raises invalidQuery for a block that has no end."""
    return _Reader(sql).steps(())


def is_script(steps: list[Step]) -> bool:
    """Whether it takes more than one job: functions that are defined for a single query do not make it a script."""
    real = [each for each in steps if not is_temporary(each, "FUNCTION")]
    return (bool(steps) and len(real) != 1) or (
        bool(real) and (real[0].kind != "STATEMENT" or is_temporary(real[0], "TABLE"))
    )


def is_temporary(step: Step, kind: str) -> bool:
    """CREATE [OR REPLACE] TEMP[ORARY] of a kind."""
    words = [word for word in step.text.upper().split(None, 6)[:6] if word not in ("OR", "REPLACE")]
    return step.kind == "STATEMENT" and words[0:1] == ["CREATE"] and words[1:3] in (["TEMP", kind], ["TEMPORARY", kind])


def clauses_of(text: str, words: tuple[str, ...]) -> dict[str, str]:
    """A statement's text, split before words that no bracket holds; what stands before them is ""."""
    found, name, start, depth = {}, "", 0, 0
    for token in _TOKEN.finditer(text):
        depth += _PAIRED.get(token.group(), 0)
        if token.lastgroup == "word" and not depth and token.group().upper() in words:
            found[name] = text[start : token.start()].strip()
            name, start = token.group().upper(), token.end()
    return found | {name: text[start:].strip()}


class _Reader:
    def __init__(self, sql: str) -> None:
        self._sql = sql
        self._tokens = [found for found in _TOKEN.finditer(sql) if found.lastgroup != "space"]
        self._at = 0

    def steps(self, ends: tuple[str, ...]) -> list[Step]:
        """Until one of the words that end the block, or the end of the text."""
        found: list[Step] = []
        while True:
            while self._word() == ";":
                self._at += 1
            if self._word() == "" and not ends:
                return found
            if self._word() == "":
                raise invalid_query(f"Syntax error: Unexpected end of script: {ends[0]} is missing")
            if self._word() in ends:
                return found
            found.append(self._step())

    def _step(self) -> Step:
        word = self._word()
        if word == "BEGIN" and self._word(1) not in ("TRANSACTION", ";", ""):
            return self._block()
        if word == "IF":
            return self._if()
        if word == "WHILE":
            self._at += 1
            condition = self._until("DO")
            return Step("WHILE", condition, self._body(("END",), "WHILE"))
        if word == "FOR":
            self._at += 1
            rows = self._until("DO")
            return Step("FOR", rows, self._body(("END",), "FOR"))
        if word == "LOOP":
            self._at += 1
            return Step("LOOP", "", self._body(("END",), "LOOP"))
        kind = word if word in _STEERING | {"BREAK", "LEAVE", "CONTINUE", "ITERATE"} else "STATEMENT"
        return Step("TRANSACTION" if word in ("BEGIN", "COMMIT", "ROLLBACK") else kind, self._statement())

    def _block(self) -> Step:
        self._at += 1
        step = Step("BEGIN", "", self.steps(("END", "EXCEPTION")))
        if self._word() == "EXCEPTION":
            for _ in ("EXCEPTION", "WHEN", "ERROR", "THEN"):
                self._at += 1
            step.branches.append(("", self.steps(("END",))))
        self._at += 1
        return step

    def _if(self) -> Step:
        step = Step("IF", "")
        word = "IF"
        while word in ("IF", "ELSEIF"):
            self._at += 1
            condition = self._until("THEN")
            step.branches.append((condition, self.steps(("ELSEIF", "ELSE", "END"))))
            word = self._word()
        if word == "ELSE":
            self._at += 1
            step.body = self.steps(("END",))
        self._end("IF")
        return step

    def _body(self, ends: tuple[str, ...], of: str) -> list[Step]:
        body = self.steps(ends)
        self._end(of)
        return body

    def _end(self, of: str) -> None:
        if (self._word(), self._word(1)) != ("END", of):
            raise invalid_query(f"Syntax error: Expected END {of} but got {self._word()} {self._word(1)}".rstrip())
        self._at += 2

    def _until(self, word: str) -> str:
        """The text before a word, which is passed; a CASE has words of its own."""
        start, depth = self._at, 0
        while self._word() and not (depth == 0 and self._word() == word):
            depth += _PAIRED.get(self._word(), 0) + (self._word() == "CASE") - (self._word() == "END")
            self._at += 1
        if not self._word():
            raise invalid_query(f"Syntax error: Unexpected end of script: {word} is missing")
        self._at += 1
        return self._text(start, self._at - 1)

    def _statement(self) -> str:
        start, depth = self._at, 0
        while self._word() and not (depth == 0 and self._word() == ";"):
            depth += _PAIRED.get(self._word(), 0)
            self._at += 1
        return self._text(start, self._at)

    def _text(self, start: int, end: int) -> str:
        return self._sql[self._tokens[start].start() : self._tokens[end - 1].end()] if end > start else ""

    def _word(self, ahead: int = 0) -> str:
        """A word or sign in upper case; "" after the last, and `''` for what is quoted."""
        at = self._at + ahead
        if at >= len(self._tokens):
            return ""
        token = self._tokens[at]
        return token.group().upper() if token.lastgroup in ("word", "sign") else "''"
