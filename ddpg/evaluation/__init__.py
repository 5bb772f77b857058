"""How good a policy is: episodes without noise, statistics over seeds, and the name of what went wrong."""
