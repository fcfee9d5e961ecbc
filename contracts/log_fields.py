"""The fields of one line of the trainer's structured log (JSON on stdout)."""

LOG_FIELDS = ("run_id", "request_id", "experiment", "step", "metric", "value")
