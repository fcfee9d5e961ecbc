"""Other people's compiled pipelines, run on a fresh local cloud: `make kfp-samples SAMPLES=folder`.

The folder is a copy of kubeflow/pipelines' test data, or any other folder of compiled specs; none of it is kept here.
"""
