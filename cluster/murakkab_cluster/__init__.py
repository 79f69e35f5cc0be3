"""data: what stands behind executors - engines, devices, energy. Nothing is imported until it is asked for."""
