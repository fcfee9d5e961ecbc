"""Custom jobs as real processes: replicas, warm processes, queues, logs.

Owns: what runs, where, with which environment, and what became of it. Does not own: the REST resources that describe
a job (local/cloud/aiplatform) nor who may create one.
"""
