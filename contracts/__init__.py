"""What crosses a border between two parts of the repository, and nothing else.

Owns: the stack outputs, the pool that a job must match, the tables, the names in a job's environment and log lines,
and the files that a training run leaves behind. Does not own: how any of it is created, submitted or trained.
"""
