"""What the city can learn of its own cases: where the days go, the reform's figures, paths, what if."""
