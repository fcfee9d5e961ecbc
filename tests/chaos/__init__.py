"""Kills, seeded: of the cloud, of replicas, of pipelines, amid uploads; and what must be true after them.

Owns: the traffic, the kills and the ledger of what was acknowledged. Run by `make chaos`; ten kills of it by
tests/contract/vertex/test_chaos.py.
"""
