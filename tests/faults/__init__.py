"""A hub among faults: what is killed, cut, filled and doubled ends in the same store."""
