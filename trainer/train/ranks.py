"""What the ranks of a job tell one another: sums of gradients, rank 0's decisions, whether one was told to stop.

Every rank runs the same program on the same data and takes its part of each global batch. So whatever decides how that
program goes on (a clock, a checkpoint, a signal) is agreed on, and nothing else is exchanged but sums.

Owns: torch.distributed, which a job of one rank never touches. Does not own: who is which rank (launch.py).
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from train.launch import Place

Value = TypeVar("Value")
# A rank that ends is noticed at once; this is for one that hangs, or whose machine is gone.
_LONGEST_WAIT = timedelta(minutes=10)


class RankLost(Exception):
    """Another rank ended or does not answer."""


class Ranks:
    """This process among its equals; alone it exchanges nothing."""

    def __init__(self, place: Place | None = None) -> None:
        place = place or Place()
        self.rank, self.size, self.local_rank = place.rank, place.size, place.local_rank

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def add(self, values: torch.Tensor) -> torch.Tensor:
        """Sums the ranks' tensors of one shape, in place."""
        if self.size > 1:
            with _losing(self.rank):
                torch.distributed.all_reduce(values)
        return values

    def greatest(self, values: torch.Tensor) -> torch.Tensor:
        """The greatest of the ranks' values at each place, in place."""
        if self.size > 1:
            with _losing(self.rank):
                torch.distributed.all_reduce(values, op=torch.distributed.ReduceOp.MAX)
        return values

    def gathered(self, values: torch.Tensor) -> list[torch.Tensor]:
        """Every rank's tensor of one shape, in the order of ranks."""
        if self.size == 1:
            return [values]
        parts = [torch.empty_like(values) for _ in range(self.size)]
        with _losing(self.rank):
            torch.distributed.all_gather(parts, values.contiguous())
        return parts

    def total(self, value: float) -> float:
        """The sum of a number over the ranks."""
        return float(self.add(torch.tensor(value, dtype=torch.float64))) if self.size > 1 else value

    def any(self, told: bool) -> bool:  # noqa: FBT001
        """Whether it is so on any rank."""
        return self.total(float(told)) > 0 if self.size > 1 else told

    def of_first(self, value: float) -> float:
        """Rank 0's number, on all ranks."""
        return self.total(value if self.is_first else 0.0)

    def decided(self, decide: Callable[[], Value]) -> Value:
        """What rank 0 finds, on all ranks. The others do not look themselves, so that none sees something newer."""
        if self.size == 1:
            return decide()
        found: list[Any] = [decide() if self.is_first else None]
        with _losing(self.rank):
            torch.distributed.broadcast_object_list(found)
        return found[0]

    def same(self, value: str) -> bool:
        """Whether all ranks have the text that rank 0 has."""
        return not self.any(self.decided(lambda: value) != value)

    def divided(self, users_U: np.ndarray, measure: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """measured_SU of all users, of whom each rank measures its part."""
        if self.size == 1:
            return measure(users_U)
        mine = slice(self.rank, None, self.size)
        part_SU = measure(users_U[mine]) if len(users_U[mine]) else None
        rows = int(self.greatest(torch.tensor(0 if part_SU is None else len(part_SU))))
        whole_SU = np.zeros((rows, len(users_U)))
        if part_SU is not None:
            whole_SU[:, mine] = part_SU
        return self.add(torch.from_numpy(whole_SU)).numpy()


ALONE = Ranks()


@contextmanager
def joined(place: Place, device: torch.device) -> Iterator[Ranks]:
    """The ranks of a job, once all have come. Numbers meet by gloo, a GPU's tensors by NCCL."""
    if place.size == 1:
        yield ALONE
        return
    if place.address in ("localhost", "127.0.0.1"):
        os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo" if Path("/sys/class/net/lo").exists() else "lo0")
    if device.type == "cuda":
        torch.cuda.set_device(device)
    with _losing(place.rank):
        torch.distributed.init_process_group(
            "cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo",
            init_method=f"tcp://{place.address}:{place.port}",
            rank=place.rank,
            world_size=place.size,
            timeout=_LONGEST_WAIT,
        )
    try:
        yield Ranks(place)
    finally:
        torch.distributed.destroy_process_group()


@contextmanager
def _losing(rank: int) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise RankLost(f"rank {rank} lost another rank, whose own log says why ({reason})") from error


def add_gradients(ranks: Ranks, parameters: Sequence[torch.Tensor], loss: torch.Tensor) -> torch.Tensor:
    """Sums gradients, in place, and the loss, which is returned: one exchange for all, since each has its latency."""
    if ranks.size == 1:
        return loss
    grads = [torch.zeros_like(each) if each.grad is None else each.grad for each in parameters]
    flat = ranks.add(torch.cat([*(grad.flatten() for grad in grads), loss.view(1)]))
    sums = flat[:-1].split([grad.numel() for grad in grads])
    for each, summed in zip(parameters, sums, strict=True):
        each.grad = summed.view_as(each)
    return flat[-1]
