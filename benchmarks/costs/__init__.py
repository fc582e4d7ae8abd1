"""What the package costs where it doesn't help: a save and a miss taken apart, a process's start."""
