"""The steps of the pipeline, one module each: arguments in, files out. They run in the steps' image, as custom jobs."""
