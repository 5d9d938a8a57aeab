"""What this machine is and does: host readers, GPU driver, energy meters, doctor."""
