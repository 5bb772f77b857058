"""A quadcopter to take off, hover, land and fly to a place: its motion, its tasks and its picture."""
