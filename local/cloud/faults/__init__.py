"""Faults on demand: what goes wrong on a cloud, when it is asked for.

Owns: the kinds of faults, the rules that are in force, their seeded draws, the commands under `/_local/faults` and
`/_local/clock`, and `python -m local.cloud fault`. Does not own: how the services take a fault; they are hurt through
the doors that they have anyway (a request that fails, a machine that is lost, a write that finds no room).
"""
