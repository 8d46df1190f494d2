"""Mean inputs of the matrices that write to the residual stream."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from jaxtyping import Float64
from torch import Tensor, nn

from anatomy.models.activations.batching import PromptBatch
from anatomy.models.activations.means import check_finite, gather
from anatomy.models.loading import LoadedModel
from anatomy.models.writers import residual_writers, sites_with_inputs


class WriterInputs:
    """Running fp64 sums of ``u`` in each residual write ``y = W u`` at one position, by matrix name.

    In a mixture of experts these are attention's matrices alone: its experts have no input of their own at each token.

    Args:
        loaded: the model.
        position: counted from the end of each prompt.
        ids: names of the prompts for messages.

    Raises:
        EditError: as ``residual_writers``.
    """

    def __init__(self, loaded: LoadedModel, position: int, ids: Sequence[str] | None = None) -> None:
        self.position, self.ids, self._prompts = position, ids, 0
        sites = sites_with_inputs(loaded.model)
        names = [writer.name for writer in residual_writers(loaded.model, sites=sites, measuring=True)]
        self._modules = {name: loaded.model.get_submodule(name) for name in names}
        self._sums: dict[str, Tensor] = {}

    @contextmanager
    def reading(self, batch: PromptBatch) -> Iterator[None]:
        """Add this batch's inputs during the forward pass in the ``with`` body.

        Raises:
            NumericsError: NaN or infinity at a matrix for a prompt, both named.
        """
        self._prompts += len(batch.rows)
        handles = [module.register_forward_pre_hook(self._adding(name, batch)) for name, module in self._modules.items()]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def means(self) -> dict[str, Float64[Tensor, " _"]]:
        """The mean over all prompts read so far."""
        return {name: (self._sums[name] / self._prompts).cpu() for name in self._modules}

    def _adding(self, name: str, batch: PromptBatch) -> Callable[[nn.Module, tuple], None]:
        def hook(_module: nn.Module, args: tuple) -> None:
            u = gather(args[0], batch, [self.position])[:, 0]
            check_finite(u, batch, name, self.ids)
            self._sums[name] = self._sums.get(name, 0.0) + u.sum(0)

        return hook
