"""Where the local stack keeps what it writes: one folder, `.local/`, that git ignores."""

from dataclasses import dataclass
from pathlib import Path

PROJECT_ROOT = Path(__file__).resolve().parent.parent
STACK = "local"


@dataclass(frozen=True)
class Layout:
    """Paths under the project's root."""

    root: Path = PROJECT_ROOT

    @property
    def home(self) -> Path:
        return self.root / ".local"

    @property
    def cloud(self) -> Path:
        """The local cloud's own state: buckets, tables, jobs."""
        return self.home / "cloud"

    @property
    def cloud_log(self) -> Path:
        return self.home / "cloud.log"

    @property
    def state(self) -> Path:
        """The stack's state, as Pulumi's file backend keeps it."""
        return self.home / "state"

    @property
    def images(self) -> Path:
        """One folder a digest, with the files that an image of that digest holds."""
        return self.home / "images"

    @property
    def image_lock(self) -> Path:
        return self.home / "images.json"

    @property
    def data(self) -> Path:
        """Generated and imported data sets."""
        return self.home / "data"

    @property
    def port(self) -> Path:
        return self.home / "port"

    @property
    def pid(self) -> Path:
        return self.home / "pid"

    @property
    def unended_runs(self) -> Path:
        """The runs that were submitted and not followed to their end."""
        return self.home / "unended-runs.json"

    @property
    def turn(self) -> Path:
        """Held by the one command that changes the stack."""
        return self.home / "turn"

    @property
    def report_json(self) -> Path:
        return self.home / "report.json"

    @property
    def report_html(self) -> Path:
        return self.home / "report.html"

    @property
    def card_html(self) -> Path:
        """The model card of the last run, as the evaluation wrote it beside the model."""
        return self.home / "card.html"
