"""The training pipeline and everything around a run: ingestion, submission, its steps, its report.

Owns: what happens between the stack's outputs and a registered model, but for training itself. Does not own: the
platform (infra), the trainer, or how a cloud executes a pipeline.
"""
