"""What is planted in a world: for every rule its defects, and beside them what looks alike and is none."""
