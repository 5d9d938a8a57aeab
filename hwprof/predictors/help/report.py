"""How the training of HELP went."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """Kept with the predictor, so that a user can see what is in use and why."""

    episodes: int
    """Episodes run."""
    best_episode: int
    """The episode whose state is in use; 0 is the untrained one."""
    validation_spearman: float
    """Mean rank correlation of that state on the validation devices."""
    restores: int
    """How often training diverged and the best state came back."""
    stopped_early: bool
    """Whether training gave up after diverging again and again."""
    plain_spearman: float = float("nan")
    """What the mean of the training devices reaches on the same devices."""
    fell_back: bool = False
    """Whether the NNLS mixture answers instead, because HELP ranks worse than that mean."""

    def __str__(self) -> str:
        told = (
            f"state of episode {self.best_episode} of {self.episodes}, Spearman "
            f"{self.validation_spearman:.3f} on validation devices"
        )
        if self.restores:
            told += f"; training diverged {self.restores} times"
        if self.fell_back:
            told += (
                f"; the mean of the training devices reaches {self.plain_spearman:.3f}, so the "
                "NNLS mixture answers instead"
            )
        return told
