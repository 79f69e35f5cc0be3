"""policy: from observations of tasks to profiles - which configurations to measure, what they take, and whether that still holds."""
