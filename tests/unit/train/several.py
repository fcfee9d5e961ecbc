"""Several ranks on this machine: a function runs in processes that meet over loopback, and what each returns.

They are forked by a server that has imported torch and never used it: autograd's threads do not survive a fork.
"""

import multiprocessing
import traceback
from collections.abc import Callable
from typing import Any

import torch
from train.launch import Place, places_here
from train.ranks import Ranks, joined

_SECONDS = 120


def on_ranks(count: int, work: Callable[[Ranks], Any], *, seconds: float = _SECONDS) -> list[Any]:
    """What `work` returned on each rank, in their order; raises what a rank raised."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["torch", "pytest", "train.loop", "train.evaluate", "torch.distributed.fsdp"])
    pipes = [context.Pipe(duplex=False) for _ in range(count)]
    places = places_here(Place(), count)
    processes = [
        context.Process(target=_run, args=(place, work, sender))
        for place, (_, sender) in zip(places, pipes, strict=True)
    ]
    for process in processes:
        process.start()
    try:
        found = [receiver.recv() if receiver.poll(seconds) else "no answer" for receiver, _ in pipes]
    finally:
        for process in processes:
            process.join(_SECONDS)
            process.kill()
    for ended in found:
        assert not isinstance(ended, str), ended
    return [value for (value,) in found]


def _run(place: Place, work: Callable[[Ranks], Any], sender: Any) -> None:
    torch.set_num_threads(1)
    try:
        with joined(place, torch.device("cpu")) as ranks:
            sender.send((work(ranks),))
    except BaseException:
        sender.send(traceback.format_exc())
