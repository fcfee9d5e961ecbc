"""Vertex AI's REST API: persistent resources, jobs, pipelines, schedules, models, metadata, tensorboards.

Owns: the resources and their rules, to Google's documented shapes. Does not own: how jobs and pipelines run (jobs/,
pipelines/).
"""
