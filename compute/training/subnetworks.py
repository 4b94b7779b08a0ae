"""Training the subnetworks of a classifier: each language trains the attention heads that its mask enables (D5 section
5.4.2).

Batches are of one language each. Texts are put through the subnetwork of their language, for development as well: the
accuracy that is watched is that under the masks.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mlv.compute.machine.streams import IntArray, Purpose, Stream
from mlv.compute.models.loading import LoadedModel
from mlv.compute.training.classes import Classes, Labelled
from mlv.compute.training.objective import Examples, cut

if TYPE_CHECKING:
    import transformers
    from torch import Tensor


@dataclass(frozen=True)
class Subnetworks(Classes):
    """The objective of a classifier whose languages have masks; those without one train all heads."""

    def batches(self, examples: Examples, order: IntArray, epoch: int) -> list[IntArray]:
        """Of one language each, the last of a language may be short; all of them in random order, by the seed and the
        epoch. An epoch has every example once: a language with fewer examples has fewer batches."""
        languages = np.array([item.language for item in examples.items])[order]
        batches = [
            batch
            for language in np.unique(languages)
            for batch in cut(order[languages == language], self.spec.batch_size)
        ]
        return [batches[place] for place in Stream(self.spec.seed, Purpose.BATCHES, epoch).permutation(len(batches))]

    def collate(self, loaded: LoadedModel) -> "Callable[[list[Labelled]], dict[str, Tensor]]":
        """As of all classifiers, with ``gates`` [batch, layers, heads]."""
        import torch

        from mlv.compute.models.heads import gates_of, masks_of, shape

        of_model = shape(loaded.model.config)
        gates = {language: gates_of([mask])[0] for language, mask in masks_of(self.spec, of_model).items()}
        padded, every = super().collate(loaded), torch.ones(*of_model)

        def with_gates(examples: list[Labelled]) -> "dict[str, Tensor]":
            rows = [gates.get(example.language, every) for example in examples]
            return {**padded(examples), "gates": torch.stack(rows)}

        return with_gates

    def callbacks(self, loaded: LoadedModel) -> "Sequence[transformers.TrainerCallback]":
        """What puts batches through their gates, and watches or undoes what a step does to heads without a part in
        it."""
        from mlv.compute.training.updates import HeadUpdates

        return (HeadUpdates(loaded.model, strict=self.spec.updates == "strict"),)
