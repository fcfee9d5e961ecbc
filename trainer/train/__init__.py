"""The bundled trainer: next-item recommenders from an event log, trained and judged under the frozen container
contract.

Owns: reading the data, the model, its training, its evaluation, and the files of a run. Does not own: where jobs run,
which of two models is promoted, or anything of Pulumi and KFP; it imports nothing else of this repository.
"""
