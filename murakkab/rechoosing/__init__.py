"""state: what a running job does otherwise than it was planned - between its steps, and when a way of one fails."""
