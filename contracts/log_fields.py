"""The fields of one line of the trainer's structured log (JSON on stdout), and the metric that it logs while training.

The trainer may import nothing of ours, so it repeats them; a test holds both equal.
"""

RUN_ID = "run_id"
EXPERIMENT = "experiment"
METRIC = "metric"
VALUE = "value"
LOG_FIELDS = (RUN_ID, "request_id", EXPERIMENT, "step", METRIC, VALUE)

TRAIN_LOSS = "train_loss"
