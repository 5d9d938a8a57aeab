"""Where a device runs: this process, or a fresh worker that speaks JSON lines."""
