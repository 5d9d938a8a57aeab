"""Architectures of a search space as jobs: built one at a time, just before they are measured."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from hwprof.errors import ModelError, told
from hwprof.profiler.campaign import Job
from hwprof.scratch import scratch_folder
from hwprof.spaces import Space
from hwprof.targets.base import Target


def architecture_jobs(
    space: Space,
    archs: Sequence[str],
    target: Target,
    *,
    batch: int = 1,
    resolution: int | None = None,
) -> Iterator[Job]:
    """A job per architecture, in order; its measurement is called by the architecture's text.

    A model's file is removed when the next one is asked for: a campaign of thousands never fills
    the disk. Raises OptionError, before anything is built, for a text that
    is not an architecture of the space.
    """
    texts = space.texts(space.indices(list(archs)))

    def build() -> Iterator[Job]:
        import onnx

        with scratch_folder() as folder:
            path = Path(folder, f"{space.name}.onnx")
            for text in texts:
                fault = None
                try:
                    onnx.save(space.build(text, batch, resolution), str(path))
                except Exception as error:  # such as a full disk: it is this job's failure
                    fault = ModelError(told(error))
                yield Job(path, target, name=text, fault=fault)

    return build()
