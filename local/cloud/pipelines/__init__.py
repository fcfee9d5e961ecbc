"""Runs compiled Kubeflow pipelines (PipelineSpec, schema 2.1.0) as Vertex AI Pipelines does.

Owns: the spec's meaning: which task runs when, with which inputs, and what it leaves. Does not own: the processes of a
task (jobs/), nor the REST resource of a pipeline job (aiplatform/).
"""
