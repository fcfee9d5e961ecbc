"""The files that a training run leaves under MODEL_DIR/RUN_ID, as far as the pipeline and the reports read them."""

from pydantic import BaseModel, ConfigDict

TRAINING_FILE = "training.json"
EVALUATION_FILE = "evaluation.json"
CARD_FILE = "card.json"
CARD_PAGE = "card.html"  # the same for a reader
BUNDLE_MANIFEST = "serving/bundle.json"  # of what serves the model without the code that trained it
BUNDLE_PROGRAM = "serve.py"  # in the bundle: answers a file of histories

PRIMARY_METRIC = "ndcg@10"
SHOWN_METRICS = (PRIMARY_METRIC, "hr@10", "auc@10")  # of all that are measured, what a short table holds
CHAMPION = "champion"
MOST_POPULAR = "most_popular"
MARKOV = "markov"


class _Artifact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")


class CurvePoint(_Artifact):
    """One evaluation on the validation items while training; `seconds` since the first step."""

    step: int
    seconds: float
    train_loss: float
    metrics: dict[str, float]


class TrainingSummary(_Artifact):
    """training.json, written by the trainer when it has stored the model."""

    run_id: str
    git_sha: str
    started: str  # RFC 3339, UTC: the process began
    first_step: str  # RFC 3339, UTC: the first optimizer step was done
    seconds: float
    steps: int
    stopped_by: str  # early_stopping, max_minutes, max_epochs
    data_fingerprint: str
    users: int
    items: int
    interactions: int
    curve: list[CurvePoint]
    metrics: dict[str, float]  # on the test items


class ScoredModel(_Artifact):
    uri: str
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]] = {}  # 95%, by bootstrap over users


class Comparison(_Artifact):
    """How much better the model is than a rival on the same users: the mean difference and its 95% interval."""

    against: str  # champion, or a baseline's name
    metric: str
    mean: float
    low: float
    high: float

    @property
    def may_be_chance(self) -> bool:
        return self.low <= 0 <= self.high


class ModelCard(_Artifact):
    """card.json: whether a model is worth its machine, in words; the first line is the verdict."""

    run_id: str
    verdict: str
    words: tuple[str, ...]


class EvaluationReport(_Artifact):
    """evaluation.json: full ranking on the held-out items, all models on the same users and the same catalog."""

    run_id: str
    model: ScoredModel
    champion: ScoredModel | None  # the registered champion on the same data; None where there is none
    champion_lost: str = ""  # why the registered champion could not be read, and so counts as none
    baselines: dict[str, dict[str, float]]  # by name: most_popular, markov, …
    baselines_left_out: dict[str, str] = {}  # why the data set is too large for others
    best_baseline: str = ""
    comparisons: tuple[Comparison, ...] = ()  # with the champion, Markov counts and the best baseline
    users: int
    items: int
    k: int
    protocol: str
    data_fingerprint: str
