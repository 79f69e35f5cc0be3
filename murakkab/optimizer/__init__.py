"""policy: PER EPOCH - which executor, device and knobs for every step."""
